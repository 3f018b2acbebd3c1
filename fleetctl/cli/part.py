"""`fleetctl part`: single pieces, what was found of them, and a person's result."""

from __future__ import annotations

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import facts, moment, say, show_json, table
from fleetctl.fleet.shapes import PartShape, ResultShape
from fleetctl.model.part import Disposition, Result

code_argument = click.argument("code", metavar="PART")


@click.group()
def part() -> None:
    """Parts: one physical piece each, with its serial number."""


@part.command("list")
@click.option("--job", metavar="JOB", help="Only the parts of this job.")
@click.option("--run", metavar="RUN", help="Only the parts of this run.")
@json_option
@with_daemon
async def list_parts(client: Client, job: str | None, run: str | None, as_json: bool) -> None:
    """List parts."""
    answer = await client.get("parts", job=job, run=run)
    show_json(answer) if as_json else say(part_table(decode(answer, list[PartShape])))


@part.command("show")
@code_argument
@json_option
@with_daemon
async def show_part(client: Client, code: str, as_json: bool) -> None:
    """Show one part and every result."""
    answer = await client.get(f"parts/{code}")
    show_json(answer) if as_json else say(_card(decode(answer, PartShape)))


@part.command("inspect")
@code_argument
@click.option("--result", type=click.Choice([each.value for each in Result]), help="What you found.")
@click.option("--value", type=float, help="What you measured, in the unit of the characteristic.")
@click.option("--characteristic", default="", help="What you looked at, such as `bore`.")
@click.option(
    "--disposition", type=click.Choice([each.value for each in Disposition]), help="What becomes of a part on hold."
)
@click.option("--reason", default="", help="Why; it stays in the record.")
@json_option
@with_daemon
async def inspect_part(
    client: Client,
    code: str,
    result: str | None,
    value: float | None,
    characteristic: str,
    disposition: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Give a part a person's result, or decide about one that is on hold."""
    if (result is None) == (disposition is None):
        raise click.UsageError("Give either --result or --disposition.")
    if result is not None:
        found = {"result": result, "reason": reason, "characteristic": characteristic, "value": value}
        answer = await client.post(f"parts/{code}/inspections", found)
    else:
        answer = await client.post(f"parts/{code}/disposition", {"disposition": disposition, "reason": reason})
    if as_json:
        show_json(answer)
        return
    shown = decode(answer, PartShape)
    say(f"{shown.code} is {shown.state}.")


def part_table(parts: list[PartShape]) -> Table | Text:
    """The parts as a table, or a sentence when there are none."""
    if not parts:
        return Text("No parts.")
    made = table("part", "job", "place", "run", "machine", "state", "last result", right=("place",))
    for each in parts:
        last = _finding(each.results[-1]) if each.results else ""
        place = "surplus" if each.place is None else str(each.place)
        made.add_row(each.code, each.job, place, each.run, each.machine, each.state, last)
    return made


def _card(shown: PartShape) -> Group:
    made = table("when", "check", "result", "measured", "by", "reason")
    for each in shown.results:
        measured = "" if each.value is None else f"{each.characteristic} {each.value:g} {each.unit}{_limits(each)}"
        made.add_row(moment(each.at_s), each.check, each.result, measured, each.given_by, each.reason)
    about = facts(
        (
            ("part", shown.code),
            ("job", shown.job),
            ("place", "surplus" if shown.place is None else str(shown.place)),
            ("made", f"in {shown.run} on {shown.machine}"),
            ("state", shown.state),
        )
    )
    return Group(about, Text(), made if shown.results else Text("Not assessed yet."))


def _finding(result: ResultShape) -> str:
    measured = "" if result.value is None else f" {result.value:g} {result.unit}{_limits(result)}"
    return f"{result.check}: {result.result}{measured}"


def _limits(result: ResultShape) -> str:
    if result.least is None and result.greatest is None:
        return ""
    least = "" if result.least is None else f"{result.least:g}"
    greatest = "" if result.greatest is None else f"{result.greatest:g}"
    return f" ({least}..{greatest})"
