"""`fleetctl estop`: stop everything, now; and release the stop."""

from __future__ import annotations

import click
from rich.console import Group
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import QUIET, RED, say, show_json, table
from fleetctl.fleet.shapes import StopShape

CONFIRMED = "confirmed"


@click.command()
@click.option("--release", is_flag=True, help="Let work start again; nothing that was stopped goes on by itself.")
@json_option
@with_daemon
async def estop(client: Client, release: bool, as_json: bool) -> None:
    """Stop every machine and start nothing until a person releases the stop.

    This is a software stop, not a safety-rated emergency stop: when somebody is in danger, use the machine's switch.
    """
    answer = await client.post("estop/release" if release else "estop")
    show_json(answer) if as_json else say(stop_report(decode(answer, StopShape)))


def stop_report(stop: StopShape) -> Group:
    """The latch, and how each machine took the stop."""
    if not stop.stopped:
        return Group(Text("The stop is released. Work may start again."))
    made = table("machine", "stop")
    for name, outcome in sorted(stop.outcomes.items()):
        made.add_row(name, Text(outcome, style="" if outcome == CONFIRMED else RED))
    head = Text("Everything is stopped. Nothing starts until somebody says `fleetctl estop --release`.", style=RED)
    return Group(head, made, Text(stop.note, style=QUIET))
