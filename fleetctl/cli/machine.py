"""`fleetctl machine`: the machines of the room, and a person's verbs for one of them."""

from __future__ import annotations

import click
import msgspec

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.estop import how_taken
from fleetctl.cli.machine_view import found_table, machine_card, machine_table
from fleetctl.cli.output import say, sentence, show_json
from fleetctl.cli.setup_options import Change, pair, setup_options
from fleetctl.fleet.shapes import MachineShape, NewMachine, StopShape
from fleetctl.model.machine import Service
from fleetctl.model.profile import Setup
from fleetctl.plugin.hookspecs import FoundPort

name_argument = click.argument("name", metavar="MACHINE")


@click.group()
def machine() -> None:
    """Machines: what stands in the room, and what a person does with it."""


@machine.command("add")
@name_argument
@click.option("--driver", required=True, metavar="D", help="Whose words it speaks: see `fleetctl plugin list`.")
@click.option(
    "--port", required=True, metavar="P", help="/dev/..., tcp://, telnet://, rfc2217:// or ws://; see the reference."
)
@click.option("--profile", default="", metavar="P", help="What model it is, such as generic-220.")
@click.option("--group", default="", metavar="G", help="Jobs may ask for a group instead of a machine.")
@setup_options
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="A setting of driver or check.")
@click.option("--unattended", is_flag=True, help="Start runs without cycle start; your name stands in the record.")
@click.option("--agent", default="", metavar="A", help="`own` for an agent of its own, or the name of one.")
@json_option
@with_daemon
async def add_machine(
    client: Client,
    name: str,
    driver: str,
    port: str,
    profile: str,
    group: str,
    change: Change,
    options: tuple[str, ...],
    unattended: bool,
    agent: str,
    as_json: bool,
) -> None:
    """Add a machine. It connects at once and moves nothing."""
    new = NewMachine(
        name=name,
        driver=driver,
        port=port,
        profile=profile,
        group=group,
        setup=change(Setup()),
        options=dict(pair(each) for each in options),
        unattended=unattended,
        agent=agent,
    )
    answer = await client.post("machines", new)
    if as_json:
        show_json(answer)
        return
    say(f"{name} is added and is being connected. See how it is: `fleetctl machine show {name}`.")


@machine.command("list")
@json_option
@with_daemon
async def list_machines(client: Client, as_json: bool) -> None:
    """List the machines, those that need somebody first."""
    answer = await client.get("machines")
    show_json(answer) if as_json else say(machine_table(decode(answer, list[MachineShape])))


@machine.command("show")
@name_argument
@json_option
@with_daemon
async def show_machine(client: Client, name: str, as_json: bool) -> None:
    """Show one machine: what it does, what is on it, what it needs."""
    answer = await client.get(f"machines/{name}")
    show_json(answer) if as_json else say(machine_card(decode(answer, MachineShape)))


@machine.command("discover")
@json_option
@with_daemon
async def discover_machines(client: Client, as_json: bool) -> None:
    """List ports of the daemon's computer where a machine may be. Opens nothing, moves nothing."""
    answer = await client.get("machines/discover")
    show_json(answer) if as_json else say(found_table(decode(answer, list[FoundPort])))


@machine.command("remove")
@name_argument
@with_daemon
async def remove_machine(client: Client, name: str) -> None:
    """Remove a machine that never ran anything; one with runs on record is locked out instead."""
    await client.delete(f"machines/{name}")
    say(f"{name} is removed.")


@machine.command("clear")
@name_argument
@click.option("--good", type=click.IntRange(min=0), metavar="N", help="How many parts are good, if you counted.")
@click.option("--bad", multiple=True, metavar="PART", help="A part that is scrap; may be given several times.")
@json_option
@with_daemon
async def clear_machine(client: Client, name: str, good: int | None, bad: tuple[str, ...], as_json: bool) -> None:
    """Say that bed or vise is clear for the next part."""
    tell(await client.post(f"machines/{name}/clear", {"good": good, "bad": bad}), as_json)


@machine.command("reset")
@name_argument
@json_option
@with_daemon
async def reset_machine(client: Client, name: str, as_json: bool) -> None:
    """Clear a fault after you have looked at the machine."""
    tell(await client.post(f"machines/{name}/reset"), as_json)


@machine.command("home")
@name_argument
@json_option
@with_daemon
async def home_machine(client: Client, name: str, as_json: bool) -> None:
    """Home all axes. The machine moves: look that nobody's hand is in it."""
    tell(await client.post(f"machines/{name}/home"), as_json)


@machine.command("trust-position")
@name_argument
@json_option
@with_daemon
async def trust_machine_position(client: Client, name: str, as_json: bool) -> None:
    """Vouch for where the tool is, if the machine cannot home. You looked; your name stands in the record."""
    tell(await client.post(f"machines/{name}/trust-position"), as_json)


@machine.command("confirm-board")
@name_argument
@json_option
@with_daemon
async def confirm_machine_board(client: Client, name: str, as_json: bool) -> None:
    """Accept the new board of a machine that was refused because another one answers. You looked at the cable."""
    tell(await client.post(f"machines/{name}/confirm-board"), as_json)


@machine.command("reconnect")
@name_argument
@json_option
@with_daemon
async def reconnect_machine(client: Client, name: str, as_json: bool) -> None:
    """Open the link anew, now; nothing moves."""
    tell(await client.post(f"machines/{name}/reconnect"), as_json)


@machine.command("command")
@name_argument
@click.argument("text")
@json_option
@with_daemon
async def command_machine(client: Client, name: str, text: str, as_json: bool) -> None:
    """Send one line and print what the machine answers. It may move; in a run it takes only questions."""
    answer = await client.post(f"machines/{name}/command", {"text": text})
    if as_json:
        show_json(answer)
        return
    for line in decode(answer, CommandAnswer).lines:
        say(line)


class CommandAnswer(msgspec.Struct, frozen=True):
    """What the machine said, line by line."""

    lines: tuple[str, ...]


@machine.command("lockout")
@name_argument
@click.option("--maintenance", is_flag=True, help="Only out of the queue, for maintenance.")
@click.option("--release", is_flag=True, help="Back into service.")
@json_option
@with_daemon
async def lockout_machine(client: Client, name: str, maintenance: bool, release: bool, as_json: bool) -> None:
    """Lock a machine out: nothing starts on it until it is back in service."""
    if maintenance and release:
        raise click.UsageError("Give either --maintenance or --release.")
    service = Service.IN_SERVICE if release else Service.MAINTENANCE if maintenance else Service.LOCKED_OUT
    tell(await client.post(f"machines/{name}/service", {"service": service}), as_json)


@machine.command("estop")
@name_argument
@json_option
@with_daemon
async def estop_machine(client: Client, name: str, as_json: bool) -> None:
    """Stop one machine now. This is a software stop, not a safety-rated emergency stop."""
    answer = await client.post(f"machines/{name}/stop")
    show_json(answer) if as_json else say(how_taken(decode(answer, StopShape)))


def tell(answer: bytes, as_json: bool) -> None:
    """The machine's state after a verb, as a sentence or as JSON."""
    if as_json:
        show_json(answer)
        return
    shown = decode(answer, MachineShape)
    say(sentence(shown.why, f"{shown.name}: {shown.sentence}."))
