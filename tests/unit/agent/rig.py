"""An agent with pretend machines and a pretend controller, on the virtual clock."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from fleetctl.agent.agent import Agent, Surroundings
from fleetctl.agent.blocking import RunBlocking, inline
from fleetctl.agent.files import MemoryJournalFile
from fleetctl.agent.programs import Stretch
from fleetctl.clock import Clock
from fleetctl.driver.api import (
    Capabilities,
    Driver,
    DriverType,
    EndKind,
    Facet,
    Identity,
    Listener,
    MachineSpec,
    ProgramSource,
    Progress,
)
from fleetctl.errors import FleetctlError, LinkError, NotFound
from fleetctl.model.machine import Activity
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Acknowledge,
    Hello,
    MachineAssignment,
    MachineReport,
    RunReport,
    Start,
    ToAgent,
    ToController,
    Verb,
    decode_to_controller,
    encode,
)
from fleetctl.model.profile import PROFILES, Envelope, Process, Profile
from fleetctl.testing.loop import VirtualClock
from fleetctl.transport.base import Transport
from fleetctl.transport.peer import PeerLink
from fleetctl.transport.peer_memory import MemoryPeerLink, memory_peer_pair
from fleetctl.transport.probing import KnownSpeed

M = TypeVar("M")

SHA = "a" * 64
PRINTER = PROFILES["generic-220"]
MILL = next(profile for profile in PROFILES.values() if profile.process is Process.SUBTRACTIVE)


class FakeMachine:
    """One pretend machine: outlives links and agents. `calls` are the verbs that reached it, in order.

    `work_offsets` are those its drivers were made with and told. While `looking` is pending, a start looks at the
    machine and has sent nothing.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.plugged_in = True
        self.raises: dict[str, Exception] = {}
        self.hangs: set[str] = set()
        self.confirms_stop = True
        self.ends_on_stop = True
        self.driver: FakeDriver | None = None
        self.links = 0
        self.received = b""
        self.work_offsets: list[dict[str, tuple[float, float, float]]] = []
        self.looking: asyncio.Future[None] | None = None
        self.identity = Identity(firmware="Fake", version="1.0")
        self.jogs: list[tuple[dict[str, float], float, Envelope | None]] = []

    @property
    def starts(self) -> int:
        """How often a program was begun."""
        return self.calls.count("start")

    @property
    def listener(self) -> Listener:
        """Who is told; only while linked."""
        assert self.driver is not None
        return self.driver.listener

    def acknowledge(self, line: int, depth: int = 4, ends_at_bytes: int = 0) -> None:
        """Lines up to `line` were acknowledged; the last of them ends there in the program's file."""
        assert self.driver is not None
        self.driver.progress = Progress(line + 1, line, depth, ends_at_bytes)
        self.listener.progress(self.driver.progress)

    def end(self, kind: EndKind, reason: str = "") -> None:
        """The run in hand ends."""
        assert self.driver is not None
        if self.driver.running:
            self.driver.running = False
            self.listener.ended(kind, reason, self.driver.progress)
            self.listener.activity(Activity.IDLE, "", False)

    def unplug(self) -> None:
        """Pull the cable."""
        self.plugged_in = False
        driver, self.driver = self.driver, None
        if driver is not None:
            driver.running = False
            driver.listener.lost("the cable was pulled")


class FakeDriver:
    """A `Driver` of a `FakeMachine`."""

    capabilities = Capabilities(
        facets=frozenset({Facet.STREAM}), jog=True, override=True, heat=True, set_work_offsets=True, probe=True
    )

    def __init__(self, machine: FakeMachine, listener: Listener) -> None:
        self.machine = machine
        self.listener = listener
        self.running = False
        self.progress = Progress(0, 0, 0)

    async def _do(self, verb: str) -> None:
        self.machine.calls.append(verb)
        if verb in self.machine.raises:
            raise self.machine.raises[verb]
        if verb in self.machine.hangs:
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0.01)
        if not self.machine.plugged_in:
            raise LinkError("there is nothing on the port")

    async def connect(self, deadline_s: float) -> Identity:
        await self._do("connect")
        self.machine.driver = self
        self.machine.links += 1
        return self.machine.identity

    async def start(self, program: ProgramSource) -> None:
        await self._do("start")
        if self.machine.looking is not None:
            await self.machine.looking
        self.running = True
        self.progress = Progress(0, 0, 0)
        while block := await program.read(65536):
            self.machine.received += block
        self.listener.activity(Activity.RUNNING, "", False)

    async def pause(self) -> None:
        await self._do("pause")
        self.listener.activity(Activity.PAUSED, "", False)

    async def resume(self) -> None:
        await self._do("resume")
        self.listener.activity(Activity.RUNNING, "", False)

    async def cancel(self) -> None:
        await self._do("cancel")
        self.machine.end(EndKind.CANCELLED, "cancelled")

    def stop(self) -> None:
        self.machine.calls.append("stop")
        if "stop" in self.machine.raises:
            raise self.machine.raises["stop"]
        if self.machine.ends_on_stop:
            self.machine.end(EndKind.FAILED, "stopped")

    async def stopped(self) -> bool:
        await asyncio.sleep(0.05)
        return self.machine.confirms_stop

    async def make_safe(self) -> None:
        await self._do("make_safe")

    async def clear_fault(self) -> None:
        await self._do("clear_fault")
        self.listener.activity(Activity.IDLE, "", False)

    async def home(self) -> None:
        await self._do("home")

    def set_work_offsets(self, offsets_mm: Mapping[str, tuple[float, float, float]]) -> None:
        if "set_work_offsets" in self.machine.raises:
            raise self.machine.raises["set_work_offsets"]
        self.machine.work_offsets.append(dict(offsets_mm))

    def jog(self, velocity_mm_s: Mapping[str, float], valid_s: float, *, within: Envelope | None = None) -> None:
        if "jog" in self.machine.raises:
            raise self.machine.raises["jog"]
        self.machine.jogs.append((dict(velocity_mm_s), valid_s, within))

    async def jog_step(
        self, distance_mm: Mapping[str, float], feed_mm_s: float, *, within: Envelope | None = None
    ) -> None:
        await self._do(f"step {dict(distance_mm)} {feed_mm_s:g} {'bounded' if within else 'blind'}")

    async def override(self, what: str, percent: float) -> None:
        await self._do(f"override {what} {percent:g}")

    async def heat(self, heater: str, target_degc: float) -> None:
        await self._do(f"heat {heater} {target_degc:g}")

    async def work_offsets(self) -> dict[str, tuple[float, float, float]]:
        await self._do("work_offsets")
        return {"G54": (1.0, 2.0, 3.0)}

    async def set_work_offset(
        self, frame: str, axes_mm: Mapping[str, float]
    ) -> dict[str, tuple[float, float, float]]:
        await self._do(f"set_work_offset {frame} {dict(axes_mm)}")
        return {frame: (1.0, 2.0, 3.0)}

    async def set_offset_origin(
        self, frame: str, origin_mm: Mapping[str, float]
    ) -> dict[str, tuple[float, float, float]]:
        await self._do(f"set_offset_origin {frame} {dict(origin_mm)}")
        return {frame: (1.0, 2.0, 3.0)}

    async def probe(
        self, axis: str, direction: int, distance_mm: float, feed_mm_s: float, *, within: Envelope | None = None
    ) -> dict[str, float]:
        await self._do(f"probe {axis} {direction} {distance_mm:g} {feed_mm_s:g}")
        return {"Z": -12.5}

    async def command(self, text: str) -> list[str]:
        await self._do(f"command {text}")
        return [f"echo {text}"]

    async def close(self) -> None:
        await asyncio.sleep(0.01)
        self.machine.calls.append("close")
        self.running = False
        if self.machine.driver is self:
            self.machine.driver = None


class MemoryProgram:
    """A `Program` in memory."""

    def __init__(self, sha256: str, content: bytes) -> None:
        self.sha256 = sha256
        self.size_bytes = len(content)
        self.failure: FleetctlError | None = None
        self.closed = False
        self._whole = self._content = content

    async def read(self, limit_bytes: int) -> bytes:
        block, self._content = self._content[:limit_bytes], self._content[limit_bytes:]
        return block

    def before(self, offset_bytes: int) -> Stretch:
        return Stretch(self._whole[:offset_bytes], 0)

    def close(self) -> None:
        self.closed = True


class MemoryPrograms:
    """`Programs` in memory. `slow_s` is how long verifying takes."""

    def __init__(self) -> None:
        self.content = {SHA: b"G28\nG1 X10\n"}
        self.slow_s = 0.01
        self.opened: list[MemoryProgram] = []

    async def open(self, sha256: str) -> MemoryProgram:
        await asyncio.sleep(self.slow_s)
        if sha256 not in self.content:
            raise NotFound("The program is not here.")
        self.opened.append(MemoryProgram(sha256, self.content[sha256]))
        return self.opened[-1]

    async def before(self, sha256: str, offset_bytes: int) -> Stretch:
        await asyncio.sleep(self.slow_s)
        return Stretch(self.content.get(sha256, b"")[:offset_bytes], 0)


class FakeServer:
    """What the agent listens with."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        for task in list(self.tasks):
            task.cancel()
            await asyncio.wait([task])


class FakeController:
    """One controller's end of a link: keeps what came, acknowledges reports unless told not to."""

    def __init__(self, peer: MemoryPeerLink, acknowledges: bool = True) -> None:
        self.peer = peer
        self.received: list[ToController] = []
        self.acknowledges = acknowledges
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for data in self.peer:
            message = decode_to_controller(data)
            self.received.append(message)
            if self.acknowledges and isinstance(message, MachineReport | RunReport):
                self.say(Acknowledge(sequence=message.sequence))

    def say(self, message: ToAgent) -> None:
        """Send one message."""
        self.peer.send(encode(message))

    def hello(self, *machines: MachineAssignment, stop_id: str = "") -> None:
        """Greet the agent."""
        self.say(Hello(protocol_version=PROTOCOL_VERSION, site="test", stop_id=stop_id, machines=machines))

    def of(self, kind: type[M]) -> list[M]:
        """The messages of one kind that came."""
        return [message for message in self.received if isinstance(message, kind)]

    def states(self, run_id: str = "run-1") -> list[str]:
        """The states of a run as reported, without repetitions by number."""
        seen: dict[int, str] = {r.sequence: r.state for r in self.of(RunReport) if r.run_id == run_id}
        return list(seen.values())

    def last(self, kind: type[M]) -> M:
        """The newest message of one kind."""
        return self.of(kind)[-1]

    async def close(self) -> None:
        """Hang up."""
        self.peer.close()
        await asyncio.wait([self._listening])


class Rig:
    """One agent process over a journal file that outlives it."""

    def __init__(self, machines: dict[str, FakeMachine], file: MemoryJournalFile) -> None:
        self.machines = machines
        self.file = file
        self.clock: Clock = VirtualClock()
        self.programs = MemoryPrograms()
        self.journal_blocking: RunBlocking = inline
        self.server = FakeServer()
        self.opened: list[KnownSpeed] = []
        self.agent: Agent
        self.task: asyncio.Task[None]
        self._welcome: Callable[[PeerLink], Awaitable[None]] | None = None
        self._controllers: list[FakeController] = []

    async def boot(self, boot: str, **settings: Any) -> None:
        """Start the agent."""
        ids = iter(f"{boot}-{number}" for number in range(1000))
        around: dict[str, Any] = {
            "name": "local",
            "version": "0",
            "clock": self.clock,
            "rng": random.Random(1),
            "new_id": lambda: next(ids),
            "journal_file": self.file,
            "journal_blocking": self.journal_blocking,
            "programs": self.programs,
            "drivers": {"fake": DriverType(name="fake", title="Fake", make=self._make)},
            "open_transport": lambda machine, driver, known: self.opened.append(known) or _NoTransport(),
            "listen": self._listen,
        }
        self.agent = Agent(Surroundings(**(around | settings)))
        self.task = asyncio.create_task(self.agent.run())
        await until(lambda: self._welcome is not None)

    def connect(self, acknowledges: bool = True) -> FakeController:
        """A controller dials."""
        ours, theirs = memory_peer_pair()
        assert self._welcome is not None
        task = asyncio.ensure_future(self._welcome(ours))
        self.server.tasks.add(task)
        task.add_done_callback(self.server.tasks.discard)
        controller = FakeController(theirs, acknowledges)
        self._controllers.append(controller)
        return controller

    async def kill(self, file: MemoryJournalFile | None = None) -> MemoryJournalFile:
        """End the process as a kill does; gives the file that the next one finds."""
        survivor = file or self.file.after_kill()
        for controller in self._controllers:
            controller.peer.close()  # in the same moment: a dead process says nothing more
        self.task.cancel()
        await asyncio.wait([self.task])
        for controller in self._controllers:
            await controller.close()
        return survivor

    def _make(self, spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
        machine = self.machines[spec.name]
        if "make" in machine.raises:
            raise machine.raises["make"]
        machine.work_offsets.append(spec.work_offsets_mm)
        return FakeDriver(machine, listener)

    async def _listen(self, welcome: Callable[[PeerLink], Awaitable[None]]) -> FakeServer:
        self._welcome = welcome
        return self.server


class _NoTransport:
    url = "fake"


@contextlib.asynccontextmanager
async def running(
    machines: dict[str, FakeMachine] | None = None,
    file: MemoryJournalFile | None = None,
    boot: str = "boot-1",
    **settings: Any,
) -> AsyncIterator[Rig]:
    """A running agent; killed at the end unless it has ended."""
    rig = Rig(machines or {}, file or MemoryJournalFile())
    prepare = settings.pop("prepare", None)
    if prepare is not None:
        prepare(rig)
    await rig.boot(boot, **settings)
    try:
        yield rig
    finally:
        await rig.kill()


def assigned(name: str = "m1", profile: Profile = PRINTER, **more: Any) -> MachineAssignment:
    """An assignment for the fake driver."""
    return MachineAssignment(
        machine_id=f"id-{name}", name=name, driver="fake", port=f"fake://{name}", profile=profile, **more
    )


def start(clock: Clock, run_id: str = "run-1", name: str = "m1", within_s: float = 60.0, **more: Any) -> Start:
    """A Start of the program in memory."""
    fields: dict[str, Any] = {"command_id": f"start {run_id}", "epoch": 1, "program_sha256": SHA} | more
    return Start(run_id=run_id, machine_id=f"id-{name}", not_after_s=clock.wall().timestamp() + within_s, **fields)


def verb(clock: Clock, what: str, command_id: str = "", name: str = "m1", **more: Any) -> Verb:
    """A Verb that is valid for ten seconds."""
    fields: dict[str, Any] = {"not_after_s": clock.wall().timestamp() + 10.0} | more
    return Verb(command_id=command_id or f"verb {what}", machine_id=f"id-{name}", verb=what, **fields)


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for a condition in virtual time. Raises AssertionError when it does not come true."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline_s, "the condition did not come true in time"
        await asyncio.sleep(0.005)


async def online(rig: Rig, *machines: MachineAssignment, acknowledges: bool = True) -> FakeController:
    """A controller that has greeted the agent, with all its machines online."""
    controller = rig.connect(acknowledges)
    controller.hello(*machines)
    wanted = {machine.machine_id for machine in machines}

    def all_online() -> bool:
        sessions = rig.agent.supervisor.sessions
        return sessions.keys() == wanted and all(s.facts.link == "online" for s in sessions.values())

    await until(all_online)
    return controller


async def at_work(rig: Rig) -> FakeController:
    """A controller whose machine m1 runs run-1."""
    controller = await online(rig, assigned())
    controller.say(start(rig.clock))
    await until(lambda: "running" in controller.states())
    return controller
