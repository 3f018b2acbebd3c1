"""The two processes of a site as they live and die: built from the real parts, killed, and started again.

Responsible for what survives what: the database and the journal survive a kill, the journal's unsynced tail does not
survive a power cut, machines go on moving. It must not know when anybody dies.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from fleetctl.agent.agent import Agent, Surroundings
from fleetctl.agent.blocking import inline
from fleetctl.agent.files import MemoryJournalFile
from fleetctl.agent.programs import ProgramCache
from fleetctl.app import Seams, build_controller
from fleetctl.driver.api import DriverType
from fleetctl.errors import LinkUnavailable
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.hooks import HookSource
from fleetctl.model.identity import fresh_ids
from fleetctl.model.messages import MachineAssignment
from fleetctl.store.blobs import BlobStore
from fleetctl.store.database import Database
from fleetctl.store.writer import OnCommit
from fleetctl.testing.faults import ChunkFaults, FaultyTransport, LinkFaults
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.simulation.invariants import Invariants
from fleetctl.testing.simulation.line import AgentDoor, Serve, Switchboard
from fleetctl.testing.simulation.process import Process
from fleetctl.testing.simulation.programs import Library
from fleetctl.testing.simulation.record import Record
from fleetctl.testing.simulation.rig import Rig
from fleetctl.testing.simulation.scenario import Luck
from fleetctl.testing.simulation.storage import Disk, InspectedReader, InspectedWriter
from fleetctl.testing.simulation.wire import WatchedTransport
from fleetctl.transport.base import Transport
from fleetctl.transport.memory import MemoryTransport
from fleetctl.transport.probing import KnownSpeed

T = TypeVar("T")
P = ParamSpec("P")

AGENT = "local"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What both processes stand on and what outlives them."""

    clock: VirtualClock
    rng: random.Random
    database: Database
    blobs: BlobStore
    drivers: Mapping[str, DriverType]
    hooks: HookSource
    rigs: dict[str, Rig]
    library: Library
    switchboard: Switchboard
    disk: Disk
    invariants: Invariants
    record: Record
    reader_turns: int
    ended: Callable[[Process, BaseException | None], None]


class ControllerLife:
    """One life of the controller."""

    def __init__(self, ground: Ground) -> None:
        self.process = Process("controller")
        self._ground = ground
        self._writer: InspectedWriter | None = None
        with self.process.inside():
            self.controller = self._build()
        self.process.on_death.append(self._die)
        _begin(self.process, self.controller.run(), ground)

    def _build(self) -> Controller:
        ground = self._ground
        rng = random.Random(ground.rng.getrandbits(64))

        def open_writer(publish: OnCommit) -> InspectedWriter:
            def on_commit(events: list[Any]) -> None:
                ground.invariants.published(events)
                with self.process.inside():
                    publish(events)

            self._writer = InspectedWriter(ground.database, on_commit, rng, ground.disk, ground.invariants.unit)
            return self._writer

        return build_controller(
            "simulated",
            Seams(
                clock=ground.clock,
                rng=rng,
                new_id=fresh_ids(ground.clock.wall, rng.getrandbits),
                new_secret=lambda: f"{rng.getrandbits(256):064x}",
                open_writer=open_writer,
                reader=InspectedReader(ground.database, rng, ground.invariants.explained, ground.reader_turns),
                blobs=ground.blobs,
                dials={AGENT: lambda: ground.switchboard.dial(self.process)},
                drivers=ground.drivers,
                hooks=ground.hooks,
                off_loop=_off_loop,
                run_in_thread=_off_loop,
            ),
        )

    def _die(self) -> None:
        if self._writer is not None:
            self._writer.die()


class AgentLife:
    """One life of the agent, on the journal that the one before left. `loses`: some time in its life the line to the
    controller may lose single messages, which the real one never does."""

    def __init__(self, ground: Ground, journal: MemoryJournalFile, luck: Luck, *, loses: bool) -> None:
        self.process = Process("agent")
        self.journal = journal
        self._ground = ground
        self._luck = luck
        rng = random.Random(ground.rng.getrandbits(64))
        self._rng = rng
        with self.process.inside():
            self.agent = Agent(
                Surroundings(
                    name=AGENT,
                    version="0",
                    clock=ground.clock,
                    rng=rng,
                    new_id=fresh_ids(ground.clock.wall, rng.getrandbits),
                    journal_file=journal,
                    journal_blocking=self._on_disk,
                    programs=ProgramCache(ground.blobs.root, inline),
                    drivers=ground.drivers,
                    open_transport=self._open,
                    listen=self._listen,
                    reports_in_flight=1 if loses else 16,  # a later one that arrives counts for all before it
                )
            )
        self.process.on_death.append(self._die)
        _begin(self.process, self.agent.run(), ground)

    def after_kill(self) -> MemoryJournalFile:
        """The journal that the next life finds after a kill."""
        return self.journal.after_kill()

    def after_power_cut(self) -> MemoryJournalFile:
        """The journal that the next life finds after a power cut: a torn tail of what was not synced."""
        return self.journal.after_power_cut(self._ground.rng.randint(0, self.journal.unsynced_bytes))

    async def _on_disk(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The journal's disk: an SD card takes its time."""
        if self._luck.journal_slow_s:
            await self._ground.clock.sleep(self._rng.uniform(0.0, self._luck.journal_slow_s))
        return await inline(work, *args, **kwargs)

    def _die(self) -> None:
        if self._ground.switchboard.door is not None and self._ground.switchboard.door.process is self.process:
            self._ground.switchboard.door = None

    async def _listen(self, serve: Serve) -> AgentDoor:
        door = self._ground.switchboard.door = AgentDoor(self.process, serve)
        return door

    def _open(self, machine: MachineAssignment, _driver: DriverType, _known: KnownSpeed) -> Transport:
        port = machine.port
        rig = self._ground.rigs.get(port.removeprefix("memory://"))
        if rig is None:
            raise LinkUnavailable(f"There is no port {port}.")
        plain: Transport = MemoryTransport(port, rig.memory, self._ground.clock)
        if self._luck.wire_rate:
            plain = FaultyTransport(plain, self._wire_faults(rig), self._rng)
        return WatchedTransport(plain, rig, self.process, self._ground.library, self._ground.record)

    def _wire_faults(self, rig: Rig) -> LinkFaults:
        """A line of Grbl has no checksum: nobody could tell a garbled one, so only answers are spoiled there."""
        rate = self._luck.wire_rate
        into = ChunkFaults(drop=rate, garble=rate, reset=rate / 10, delay_s=0.05)
        if rig.kind.wire_out_faults:
            return LinkFaults(out=ChunkFaults(drop=rate, garble=rate, reset=rate / 10, delay_s=0.05), into=into)
        return LinkFaults(out=ChunkFaults(reset=rate / 10), into=into)


def _begin(process: Process, main: Any, ground: Ground) -> None:
    async def live() -> None:
        error: BaseException | None = None
        try:
            await main
        except asyncio.CancelledError:
            if not process.alive:
                raise
        except Exception as raised:  # noqa: BLE001 - a process that ends by itself is a finding, told by `ended`
            error = raised
        if process.alive:
            ground.ended(process, error)

    task = process.spawn(live(), process.name)
    task.add_done_callback(lambda _: main.close())  # it never began when the process was killed first


async def _off_loop(work: Callable[[], T]) -> T:
    await asyncio.sleep(0)
    value = work()
    return await value if isinstance(value, Awaitable) else value
