"""`fleetctl machine setup` and `unattended`: what a person changes on a machine between runs."""

from __future__ import annotations

import click
import msgspec

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.machine import machine, name_argument, read_lengths, read_offsets, tell
from fleetctl.fleet.shapes import MachineShape

__all__ = ["machine"]
"""The group with these commands in it."""


@machine.command("setup")
@name_argument
@click.option("--material", metavar="M", help="What is loaded.")
@click.option("--nozzle", type=float, metavar="MM", help="Diameter of the nozzle.")
@click.option("--tool", "tools", multiple=True, metavar="T", help="A tool; all tools are given anew.")
@click.option("--offset", multiple=True, metavar="G54=X,Y,Z", help="A work offset in machine coordinates, mm.")
@click.option("--tool-length", "lengths", multiple=True, metavar="N=MM", help="What G43 H N adds to Z, mm.")
@json_option
@with_daemon
async def setup_machine(
    client: Client,
    name: str,
    material: str | None,
    nozzle: float | None,
    tools: tuple[str, ...],
    offset: tuple[str, ...],
    lengths: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what is on a machine now; what is not given stays. Earlier preflight passes become void."""
    before = decode(await client.get(f"machines/{name}"), MachineShape).setup
    setup = msgspec.structs.replace(
        before,
        material=before.material if material is None else material,
        nozzle_mm=before.nozzle_mm if nozzle is None else nozzle,
        tools=tools or before.tools,
        offsets_mm={**before.offsets_mm, **read_offsets(offset)},
        tool_lengths_mm={**before.tool_lengths_mm, **read_lengths(lengths)},
    )
    tell(await client.post(f"machines/{name}/setup", {"setup": setup}), as_json)


@machine.command("unattended")
@name_argument
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@json_option
@with_daemon
async def unattended_machine(client: Client, name: str, switch: str, as_json: bool) -> None:
    """Let runs start without cycle start by a person, or end that; your name stands in the record."""
    tell(await client.post(f"machines/{name}/unattended", {"on": switch == "on"}), as_json)
