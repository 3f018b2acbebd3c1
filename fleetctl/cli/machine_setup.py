"""`fleetctl machine setup` and `unattended`: what a person changes on a machine between runs."""

from __future__ import annotations

import click

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.machine import machine, name_argument, tell
from fleetctl.cli.setup_options import Change, pair, setup_options
from fleetctl.fleet.shapes import MachineShape

__all__ = ["machine"]
"""The group with these commands in it."""


@machine.command("setup")
@name_argument
@setup_options
@json_option
@with_daemon
async def setup_machine(
    client: Client,
    name: str,
    change: Change,
    as_json: bool,
) -> None:
    """Say what is on a machine now; what is not given stays. Earlier preflight passes become void."""
    before = decode(await client.get(f"machines/{name}"), MachineShape).setup
    tell(await client.post(f"machines/{name}/setup", {"setup": change(before)}), as_json)


@machine.command("port")
@name_argument
@click.argument("port", required=False, default="")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Change an option; NAME= takes it away."
)
@json_option
@with_daemon
async def port_machine(client: Client, name: str, port: str, options: tuple[str, ...], as_json: bool) -> None:
    """Say where a machine is plugged in now, or change options of its port; it connects anew and moves nothing."""
    if not port and not options:
        raise click.UsageError("Give a port, or an option.")
    changed = dict(pair(each) for each in options)
    tell(await client.post(f"machines/{name}/port", {"port": port, "options": changed}), as_json)


@machine.command("unattended")
@name_argument
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@json_option
@with_daemon
async def unattended_machine(client: Client, name: str, switch: str, as_json: bool) -> None:
    """Let runs start without cycle start by a person, or end that; your name stands in the record."""
    tell(await client.post(f"machines/{name}/unattended", {"on": switch == "on"}), as_json)


@machine.command("agent")
@name_argument
@click.argument("agent", metavar="AGENT")
@json_option
@with_daemon
async def give_machine(client: Client, name: str, agent: str, as_json: bool) -> None:
    """Let another agent hold the machine: `own` for one of its own, `local` for the first one, or a name.

    A driver that holds up its agent holds up all machines of it; in an agent of its own it harms nobody else. Not
    during a run. Heat and spindle are switched off first.
    """
    answer = await client.post(f"machines/{name}/agent", {"agent": agent})
    tell(answer, as_json)
