"""A controller without web, over a database in memory and a pretend agent, on the virtual clock."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.bus import Bus
from fleetctl.fleet.jobs import Jobs
from fleetctl.fleet.jogging import Jogging
from fleetctl.fleet.link import AgentLink
from fleetctl.fleet.machines import Machines
from fleetctl.fleet.operating import Operating
from fleetctl.fleet.record import Record
from fleetctl.fleet.runs import Runs
from fleetctl.fleet.stop import StopButton
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.views import Views
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Answer,
    Hello,
    MachineReport,
    Stop,
    StopOutcome,
    StopReport,
    ToAgent,
    ToController,
    Verb,
    Welcome,
    decode_to_agent,
    encode,
)
from fleetctl.store.reader import InlineReader
from fleetctl.store.writer import CommitFaults, InlineWriter
from fleetctl.testing.loop import VirtualClock
from fleetctl.transport.peer import PeerLink
from fleetctl.transport.peer_memory import MemoryPeerLink, memory_peer_pair
from tests.unit.fleet.conftest import AGENT, Book

M = TypeVar("M")


class Disk(CommitFaults):
    """`full`: no COMMIT works."""

    full = False

    def before_commit(self) -> None:
        if self.full:
            raise StoreUnavailable("The disk is full.")


class PretendAgent:
    """The agent's end: answers Hello, stops and verbs, keeps what it was told. Without `stop_outcomes` it hangs at a
    stop."""

    def __init__(self) -> None:
        self.heard: list[ToAgent] = []
        self.welcome: dict[str, Any] = {}
        self.stop_outcomes: tuple[StopOutcome, ...] | None = ()
        self.before_welcome: Callable[[], Any] | None = None
        self.answers: dict[str, dict[str, Any]] = {}
        """What a verb is answered with, by its name."""
        self.peer: MemoryPeerLink
        self._tasks: list[asyncio.Task[None]] = []

    async def dial(self) -> PeerLink:
        """A new line."""
        theirs, self.peer = memory_peer_pair()
        self._tasks.append(asyncio.create_task(self._serve(self.peer)))
        return theirs

    def of(self, kind: type[M]) -> list[M]:
        """The messages of one kind."""
        return [message for message in self.heard if isinstance(message, kind)]

    def say(self, message: ToController) -> None:
        self.peer.send(encode(message))

    def reports(self, machine_id: str, sequence: int, **values: Any) -> None:
        """Report a machine that is online and idle."""
        given = {"link": Link.ONLINE, "activity": Activity.IDLE, "position": Position.KNOWN, "at_s": 0.0} | values
        self.say(MachineReport(sequence=sequence, machine_id=machine_id, **given))

    async def _serve(self, peer: MemoryPeerLink) -> None:
        async for data in peer:
            message = decode_to_agent(data)
            self.heard.append(message)
            if isinstance(message, Hello):
                await self._greet()
            elif isinstance(message, Stop):
                if self.stop_outcomes is not None:
                    outcomes = self.stop_outcomes
                    self.say(StopReport(command_id=message.command_id, outcomes=outcomes, last_byte_s=0.001))
            elif isinstance(message, Verb):
                self.say(Answer(command_id=message.command_id, **self.answers.get(message.verb, {})))

    async def _greet(self) -> None:
        if self.before_welcome is not None:
            await self.before_welcome()
        fields: dict[str, Any] = {
            "protocol_version": PROTOCOL_VERSION,
            "agent": AGENT,
            "journal_id": "journal-1",
            "boot_id": "boot-1",
            "version": "0",
            "pid": 1,
            "active_runs": (),
            "last_sequence": 1 << 30,
        }
        self.say(Welcome(**(fields | self.welcome)))

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


class Desk:
    """What a person has before them."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.disk = Disk()
        self.agent = PretendAgent()
        clock = VirtualClock()
        ids = (f"desk-{number:05d}" for number in itertools.count(1))
        bus = Bus()
        writer = InlineWriter(book.database, bus.publish, chance=random.Random(1), faults=self.disk)
        reader = InlineReader(book.database, chance=random.Random(2))
        self.record = Record(writer, reader, clock, lambda: next(ids))
        telemetry = Telemetry(clock)
        self.link = AgentLink(AGENT, "test", self.agent.dial, self.record, telemetry, clock, random.Random(3))
        self.agents = Agents({AGENT: self.link})
        views = Views(self.record, self.agents, telemetry, None)  # type: ignore[arg-type]
        self.machines = Machines(self.record, self.agents, views, {"marlin": ("generic-220",)})
        self.operating = Operating(self.record, self.agents)
        self.jogging = Jogging(self.record, self.agents, clock)
        self.runs = Runs(self.record, self.agents)
        self.jobs = Jobs(self.record)
        self.stop = StopButton(self.record, self.agents, views, clock)
        bus.listen(self.agents.heard)

    async def connected(self) -> None:
        """The agent is here."""
        await until(lambda: self.link.connected)


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for a condition in virtual time."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline_s, "the condition did not come true in time"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def desk_of(book: Book, prepare: Callable[[Desk], None] = lambda desk: None) -> AsyncIterator[Desk]:
    """A running controller."""
    desk = Desk(book)
    prepare(desk)
    tasks = [asyncio.create_task(desk.agents.run()), asyncio.create_task(desk.stop.run())]
    try:
        yield desk
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await desk.agent.end()
