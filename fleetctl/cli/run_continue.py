"""`fleetctl run continue`: take an interrupted run up again, after a preview and a confirmation.

It shows what the daemon says and asks; it must not decide anything, and it adds nothing to what a person has said.
"""

from __future__ import annotations

from typing import Any

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import AMBER, QUIET, RED, say, show_json, table
from fleetctl.cli.program import settings_of
from fleetctl.errors import Conflict
from fleetctl.fleet.continuation_shapes import ContinuationOffer, ContinuationPreview
from fleetctl.fleet.shapes import RunShape


@click.command("continue")
@click.argument("code", metavar="RUN")
@click.option("--line", type=click.IntRange(min=1), metavar="N", help="Begin at this line of the run's program.")
@click.option("--layer", type=click.IntRange(min=1), metavar="K", help="Begin at this layer, from 1.")
@click.option(
    "--z",
    "z_strategy",
    type=click.Choice(["trust", "at_height", "home"]),
    help="A print: how the height of the nozzle is known.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other parameter; may be repeated.")
@click.option("--preview", is_flag=True, help="Only show what would be sent, and why.")
@click.option("--yes", is_flag=True, help="You have seen the preview, are at the machine, and want no question.")
@json_option
@with_daemon
async def continue_run(
    client: Client,
    code: str,
    line: int | None,
    layer: int | None,
    z_strategy: str | None,
    settings: tuple[str, ...],
    preview: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Continue an interrupted run from a line or a layer.

    Without --line and --layer it says where the run stopped and what the record proposes. Nothing is sent before you
    have confirmed what the preview shows.
    """
    path = f"runs/{code}/continuation"
    if line is None and layer is None:
        answer = await client.get(path)
        show_json(answer) if as_json else say(_offer(decode(answer, ContinuationOffer)))
        return
    given: dict[str, Any] = {"line": line, "layer": layer, "z_strategy": z_strategy}
    parameters = {key: value for key, value in given.items() if value is not None} | settings_of(settings)
    answer = await client.post(f"{path}/preview", {"parameters": parameters})
    shown = decode(answer, ContinuationPreview)
    if not as_json:
        say(_preview(shown))
    elif preview:
        show_json(answer)
    if preview:
        return
    if not shown.passed:
        raise Conflict(f"The gate refuses this on {shown.machine}.", hint="Choose another place.")
    if shown.obstacles:
        raise Conflict(shown.obstacles[0].sentence, machine=shown.machine)
    question = f"Are you at {shown.machine}, is nothing on it but this part, and shall it go on?"
    if not yes and not click.confirm(question, default=False, err=as_json):
        raise click.Abort
    body = {"parameters": parameters, "program_sha256": shown.program_sha256, "version": shown.version}
    answer = await client.post(path, body)
    if as_json:
        show_json(answer)
        return
    new = decode(answer, RunShape)
    say(f"{new.code} continues {new.resumes} on {new.machine}; it is {new.state}.")


def _offer(shown: ContinuationOffer) -> Group:
    stopped = shown.stopped
    said: list[Text | Table] = [
        Text(
            f"{shown.run} on {shown.machine} stopped between line {stopped.surely_executed_line} (surely executed) "
            f"and line {stopped.acknowledged_line} (acknowledged) of {stopped.lines}."
        )
    ]
    if stopped.first_layer:
        said.append(Text(f"That is layer {stopped.first_layer} to {stopped.last_layer} of {stopped.layers}."))
    if shown.refusal:
        return Group(*said, Text(shown.refusal, style=AMBER))
    proposed = table("proposed", "value", "why")
    for each in shown.proposals:
        value = str(each.value).lower() if isinstance(each.value, bool) else str(each.value)
        proposed.add_row(each.name, value, Text(each.reason, style=QUIET))
    said += [Text(), proposed, *(Text(each.sentence, style=AMBER) for each in shown.obstacles)]
    said += [Text(), Text(f"fleetctl run continue {shown.run} --line {stopped.surely_executed_line + 1} --preview")]
    return Group(*said)


def _preview(shown: ContinuationPreview) -> Group:
    lines = table("line that is sent first", "why")
    for each in shown.lines:
        lines.add_row(Text(each.text), Text(each.reason, style=QUIET))
    said: list[Text | Table] = [Text(shown.summary), Text(), lines, Text()]
    said += [Text(warning, style=AMBER) for warning in shown.warnings]
    said += [Text(each.sentence, style=AMBER) for each in shown.obstacles]
    said += [
        Text(f"{each.code} line {each.line}: {each.message}", style=RED)
        for each in shown.findings
        if each.severity == "error"
    ]
    return Group(*said)
