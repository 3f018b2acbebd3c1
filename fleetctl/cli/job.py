"""`fleetctl job`: what is asked for, how far it is, and why it waits."""

from __future__ import annotations

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import QUIET, facts, moment, say, sentence, show_json, table
from fleetctl.fleet.shapes import ExplainShape, JobShape

code_argument = click.argument("code", metavar="JOB")


@click.group()
def job() -> None:
    """Jobs: how many good parts of what, by when."""


@job.command("list")
@json_option
@with_daemon
async def list_jobs(client: Client, as_json: bool) -> None:
    """List the jobs, those not done first, in the order in which machines take them."""
    answer = await client.get("jobs")
    show_json(answer) if as_json else say(job_table(decode(answer, list[JobShape])))


@job.command("show")
@code_argument
@json_option
@with_daemon
async def show_job(client: Client, code: str, as_json: bool) -> None:
    """Show one job."""
    answer = await client.get(f"jobs/{code}")
    show_json(answer) if as_json else say(_card(decode(answer, JobShape)))


@job.command("explain")
@code_argument
@json_option
@with_daemon
async def explain_job(client: Client, code: str, as_json: bool) -> None:
    """Say why a job is not running, and each machine's first refusing condition."""
    answer = await client.get(f"jobs/{code}/explain")
    show_json(answer) if as_json else say(_explanation(decode(answer, ExplainShape)))


@job.command("hold")
@code_argument
@click.option("--reason", required=True, help="Why; everybody who asks about the job reads it.")
@json_option
@with_daemon
async def hold_job(client: Client, code: str, reason: str, as_json: bool) -> None:
    """Start nothing more of a job until it is released; what runs goes on."""
    _tell(await client.post(f"jobs/{code}/hold", {"reason": reason}), as_json)


@job.command("release")
@code_argument
@json_option
@with_daemon
async def release_job(client: Client, code: str, as_json: bool) -> None:
    """Let a held job go on."""
    _tell(await client.post(f"jobs/{code}/release"), as_json)


@job.command("cancel")
@code_argument
@json_option
@with_daemon
async def cancel_job(client: Client, code: str, as_json: bool) -> None:
    """End a job; its good parts stay counted."""
    _tell(await client.post(f"jobs/{code}/cancel"), as_json)


def job_table(jobs: list[JobShape]) -> Table | Text:
    """The jobs as a table, or a sentence when there are none."""
    if not jobs:
        return Text("No jobs. Ask for parts with `fleetctl submit FILE --quantity N`.")
    shown = [word for word in COUNTS if any(getattr(each, word) for each in jobs)]
    made = table("job", "part", "good", *shown, "state", "why it waits", right=("good", *shown))
    for each in jobs:
        counts = [str(getattr(each, word) or "") for word in shown]
        made.add_row(
            each.code,
            each.title or each.program,
            f"{each.good} of {each.quantity}",
            *counts,
            each.state,
            Text() if each.state == "cancelled" else sentence(each.why),
        )
    return made


COUNTS = ("hold", "running", "scrap")
"""Columns of `job list` where there is something to count; what is left to make follows from them."""


def _card(shown: JobShape) -> Table:
    counts = f"{shown.good} good of {shown.quantity}"
    others = (
        (shown.running, "running"),
        (shown.hold, "on hold"),
        (shown.to_make, "to make"),
        (shown.scrap, "scrap"),
        (shown.surplus, "surplus"),
    )
    counts += "".join(f" · {number} {word}" for number, word in others if number)
    return facts(
        (
            ("job", f"{shown.code} (order {shown.order})"),
            ("part", shown.title or shown.program),
            ("parts", counts),
            ("state", shown.state),
            ("why it waits", sentence(shown.why)),
            ("program", f"{shown.program}  {shown.program_sha256[:12]}  {shown.yield_parts} a run"),
            ("material", shown.material),
            ("machine", shown.machine or ""),
            ("group", shown.group),
            ("priority", str(shown.priority) if shown.priority else ""),
            ("due", moment(shown.due_s)),
            ("ready about", moment(shown.ready_s)),
            ("asked for", moment(shown.created_s)),
            ("done", moment(shown.done_s)),
        )
    )


def _explanation(shown: ExplainShape) -> Group:
    made = table("machine", "", "what stands in the way")
    for verdict in shown.machines:
        word = Text("could take it now") if verdict.fits else Text("cannot", style=QUIET)
        made.add_row(verdict.machine, word, sentence(verdict.reason))
    return Group(sentence(shown.reason, "Nothing stands in its way."), Text(), made)


def _tell(answer: bytes, as_json: bool) -> None:
    if as_json:
        show_json(answer)
        return
    shown = decode(answer, JobShape)
    say(sentence(shown.why, f"{shown.code} is {shown.state}."))
