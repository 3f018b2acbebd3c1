"""`fleetctl estop`: stop everything, now; and release the stop. Without a controller the agent is asked directly."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.text import Text

from fleetctl.cli.client import Client, decode
from fleetctl.cli.command import json_option, with_daemon
from fleetctl.cli.output import QUIET, RED, say, show_json, table
from fleetctl.cli.where import DaemonUnavailable, data_directory
from fleetctl.config import Config
from fleetctl.errors import LinkError
from fleetctl.fleet.shapes import StopShape
from fleetctl.model.messages import Stop, StopReport, decode_to_controller, encode
from fleetctl.transport.peer import connect_peer

CONFIRMED = "confirmed"

ANSWER_WITHIN_S = 15.0
"""A controller asks every agent within three seconds and waits five for a busy store; one that takes longer hangs."""

AGENT_WITHIN_S = 5.0
"""The agent gives firmware two seconds to confirm."""


def or_by_the_agent(callback: Callable[..., None]) -> Callable[..., None]:
    """A stop must not depend on the controller: when it does not answer, the agent of this computer is told."""

    @wraps(callback)
    def either(**given: Any) -> None:
        try:
            callback(**given)
        except (DaemonUnavailable, TimeoutError) as error:
            why = error.message if isinstance(error, DaemonUnavailable) else "The controller does not answer."
            if given["release"]:
                raise DaemonUnavailable(
                    f"Nothing was released. {why}", hint="Start it with `fleetctl serve`."
                ) from error
            elsewhere = given["url"] or os.environ.get("FLEETCTL_URL")
            say(_by_the_agent(None if elsewhere else data_directory(given["data"]), why))

    return either


@click.command()
@click.option("--release", is_flag=True, help="Let work start again; nothing that was stopped goes on by itself.")
@json_option
@or_by_the_agent
@with_daemon
async def estop(client: Client, release: bool, as_json: bool) -> None:
    """Stop every machine and start nothing until a person releases the stop.

    This is a software stop, not a safety-rated emergency stop: when somebody is in danger, use the machine's switch.
    """
    async with asyncio.timeout(ANSWER_WITHIN_S):
        answer = await client.post("estop/release" if release else "estop")
    show_json(answer) if as_json else say(stop_report(decode(answer, StopShape)))


def stop_report(stop: StopShape) -> Group:
    """The latch, and how each machine took the stop."""
    if not stop.stopped:
        return Group(Text("The stop is released. Work may start again."))
    head = Text("Everything is stopped. Nothing starts until somebody says `fleetctl estop --release`.", style=RED)
    return Group(head, how_taken(stop))


def how_taken(stop: StopShape) -> Group:
    """How each machine that was told took the stop, whether of one or of all."""
    made = table("machine", "stop")
    for name, outcome in sorted(stop.outcomes.items()):
        made.add_row(name, Text(outcome, style="" if outcome == CONFIRMED else RED))
    return Group(made, Text(stop.note, style=QUIET))


def _by_the_agent(data: Path | None, why: str) -> Group:
    """What the agent said; None: it is on another computer. Raises DaemonUnavailable when nobody was stopped."""
    if data is None:
        raise DaemonUnavailable(f"NOTHING WAS STOPPED. {why}", hint="Use the machines' own switches, now.")
    reports, silent = asyncio.run(_tell_agents(data))
    if not reports:
        raise DaemonUnavailable(
            f"NOTHING WAS STOPPED. {why} The agent does not answer either.",
            hint="Use the machines' own switches, now.",
        )
    counts = Counter(outcome.outcome for report in reports for outcome in report.outcomes)
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "it holds no machine"
    deaf = [
        Text(f"Agent {name} does not answer: use the switches of its machines, now.", style=RED) for name in silent
    ]
    return Group(
        Text(f"{why} The agent of this computer took the stop: {said}.", style=RED),
        *deaf,
        Text("Machines of other computers were not told. Nothing starts here until somebody says"),
        Text("`fleetctl estop --release`, once the controller runs again."),
    )


async def _tell_agents(data: Path) -> tuple[list[StopReport], list[str]]:
    """Tell every agent of this computer at once, one stop by the same name: what they said, and who was silent."""
    stop = Stop(command_id=uuid.uuid4().hex)
    first = Config(data=data).agent_socket
    sockets = [first, *sorted(data.glob("agent-*.sock"))]
    answers = await asyncio.gather(*(_tell_agent(socket, stop) for socket in sockets), return_exceptions=True)
    reports, silent = [], []
    for socket, answer in zip(sockets, answers, strict=True):
        if isinstance(answer, StopReport):
            reports.append(answer)
        elif isinstance(answer, LinkError | TimeoutError):
            silent.append(socket.stem.removeprefix("agent-"))
        else:
            raise answer
    return reports, silent


async def _tell_agent(socket: Path, stop: Stop) -> StopReport:
    """Stop everything that the agent at `socket` holds. Raises LinkError, TimeoutError."""
    async with asyncio.timeout(AGENT_WITHIN_S):
        peer = await connect_peer(socket, asyncio.get_running_loop().time() + AGENT_WITHIN_S)
        try:
            peer.send(encode(stop))
            async for data in peer:
                message = decode_to_controller(data)
                if isinstance(message, StopReport):
                    return message
        finally:
            peer.close()
            await peer.wait_closed()
    raise LinkError("The agent closed the line.")
