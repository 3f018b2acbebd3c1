"""Wires the agent's process together.

It must not import the store, the controller or the API: the agent lives for months beside them and streams, so it
carries only what it needs.
"""

from __future__ import annotations

import asyncio
import functools
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec

from fleetctl import __version__
from fleetctl.agent.agent import Agent, Surroundings
from fleetctl.agent.blocking import Threads
from fleetctl.agent.files import OsJournalFile
from fleetctl.agent.lag import Blocked
from fleetctl.agent.pauses import collect_regularly, set_up
from fleetctl.agent.programs import ProgramCache
from fleetctl.clock import SystemClock
from fleetctl.config import Config
from fleetctl.driver.api import DriverType
from fleetctl.errors import FleetctlError
from fleetctl.lock import DataDirectoryLock
from fleetctl.model.identity import fresh_ids
from fleetctl.model.messages import MachineAssignment
from fleetctl.plugin.manager import PluginManager
from fleetctl.transport.base import Transport
from fleetctl.transport.opener import PortWish, TransportOpener
from fleetctl.transport.peer import serve_peers
from fleetctl.transport.probing import KnownSpeed


async def run_agent(config: Config) -> None:
    """Run the agent of this computer: the first signal lets runs finish, the second interrupts them."""
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.agent_journal.parent.mkdir(mode=0o700, exist_ok=True)
    config.agent_stuck.unlink(missing_ok=True)
    with DataDirectoryLock(config.data, config.agent_place):
        agent = Agent(_surroundings(config))
        set_up()
        collecting = asyncio.create_task(collect_regularly(), name="collect")
        leave = _leave_gradually(agent)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, leave)
        failed: BaseExceptionGroup[FleetctlError] | None = None
        try:
            await agent.run()
        except* FleetctlError as group:
            failed = group
        finally:
            collecting.cancel()
        if failed is not None:
            raise failed.exceptions[0] from None


def _surroundings(config: Config) -> Surroundings:
    clock = SystemClock()
    rng = random.SystemRandom()
    plugins = PluginManager()
    plugins.load()
    return Surroundings(
        name=config.agent,
        version=__version__,
        clock=clock,
        rng=rng,
        new_id=fresh_ids(clock.wall, rng.getrandbits),
        journal_file=OsJournalFile(config.agent_journal),
        journal_blocking=Threads("journal", 1),
        programs=ProgramCache(config.programs, Threads("programs", 4)),
        drivers=plugins.drivers(),
        open_transport=functools.partial(_open_transport, TransportOpener(clock)),
        listen=functools.partial(serve_peers, config.agent_socket),
        pid=os.getpid(),
        reports_in_flight=64,
        watch_loop=True,
        captures=config.agent_captures,
        captures_blocking=Threads("captures", 1),
        tell_stuck=functools.partial(_write_stuck, config.agent_stuck),
    )


def _write_stuck(path: Path, blocked: Blocked) -> None:
    """For the controller to find: an agent that hangs answers nobody. Whole or not at all."""
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(blocked))
    unfinished.replace(path)


def _open_transport(
    opener: TransportOpener, machine: MachineAssignment, driver: DriverType, known: KnownSpeed
) -> Transport:
    """The transport for a machine, with what its options, profile and driver say where the port says nothing."""
    wish = PortWish(options=machine.options, baud=machine.profile.baud, probe=driver.speed_probe, known=known)
    return opener.make(machine.port, wish)


def _leave_gradually(agent: Agent) -> Callable[[], None]:
    asked = 0

    def leave() -> None:
        nonlocal asked
        asked += 1
        agent.leave("idle" if asked == 1 else "now")

    return leave
