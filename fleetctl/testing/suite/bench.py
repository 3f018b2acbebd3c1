"""A driver on a bench: one simulated machine in memory, its driver, and a listener that writes everything down.

Runs on the virtual clock. It must not know firmwares, nor what a test expects.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from fleetctl.clock import Clock
from fleetctl.driver.api import Driver, EndKind, Identity, MachineSpec, Progress, Telemetry
from fleetctl.model.machine import Activity
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.suite.subject import Subject
from fleetctl.transport.base import Transport
from fleetctl.transport.memory import MemoryMachine, MemoryTransport

Wrap = Callable[[Transport], Transport]

LATENCY_S = 0.001
BLOCK_BYTES = 512
CONNECT_S = 30.0
PATIENCE_S = 3600.0


@dataclass
class Recorder:
    """A `Listener` that keeps what it is told, in order."""

    calls: list[str] = field(default_factory=list)
    activities: list[tuple[Activity, str, bool]] = field(default_factory=list)
    progresses: list[tuple[float, Progress]] = field(default_factory=list)
    ends: list[tuple[EndKind, str, Progress]] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    latest: Telemetry = field(default_factory=Telemetry)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    since: int = 0
    """How many activities were told while it connected."""

    def activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        """Keep it."""
        self.activities.append((activity, reason, position_lost))
        self._note("activity")

    def telemetry(self, telemetry: Telemetry) -> None:
        """Keep the latest."""
        self.latest = telemetry
        self._note("telemetry")

    def progress(self, progress: Progress) -> None:
        """Keep it with its time."""
        self.progresses.append((asyncio.get_running_loop().time(), progress))
        self._note("progress")

    def ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """Keep it."""
        self.ends.append((kind, reason, progress))
        self._note("ended")

    def lost(self, reason: str) -> None:
        """Keep it."""
        self.losses.append(reason)
        self._note("lost")

    @property
    def position_lost(self) -> bool:
        """It was said since connecting that the position cannot be trusted. A board that its opening resets, and
        that cannot home, says so at once."""
        return any(lost for _, _, lost in self.activities[self.since :])

    @property
    def now(self) -> Activity | None:
        """The last activity told."""
        return self.activities[-1][0] if self.activities else None

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.changed.set()


class Source:
    """A `ProgramSource` over bytes, given in small blocks. `fails_at` is the offset at which reading fails, as a bad
    disk does."""

    def __init__(self, program: bytes, *, fails_at: int | None = None) -> None:
        self.sha256 = hashlib.sha256(program).hexdigest()
        self.size_bytes = len(program)
        self._program = program
        self._fails_at = fails_at
        self._offset = 0

    async def read(self, limit_bytes: int) -> bytes:
        """The next block."""
        await asyncio.sleep(0)
        end = self._offset + min(limit_bytes, BLOCK_BYTES)
        if self._fails_at is not None:
            if self._offset >= self._fails_at:
                raise OSError("the disk cannot be read")
            end = min(end, self._fails_at)
        block = self._program[self._offset : end]
        self._offset += len(block)
        return block


class Bench:
    """One machine, switched on, with one driver at a time. `executed` are the lines it executed so far."""

    def __init__(self, subject: Subject, *, seed: int = 1, wrap: Wrap | None = None) -> None:
        self.subject = subject
        self.clock: Clock = VirtualClock()
        self.machine = subject.make_machine(seed)
        self.link = MemoryMachine(self.machine, self.clock, latency_s=LATENCY_S)
        self.executed: list[str] = []
        self.machine.executed.on_line = lambda line: self.executed.append(line.text)
        self.recorder = Recorder()
        self._wrap = wrap
        self.driver = self.make_driver()

    def make_driver(self) -> Driver:
        """A new driver with a new link and a new recorder, as after a loss."""
        self.recorder = Recorder()
        transport: Transport = MemoryTransport("memory://bench", self.link, self.clock)
        if self._wrap is not None:
            transport = self._wrap(transport)
        spec = MachineSpec(name="bench", port="memory://bench", profile=self.subject.profile)
        self.driver = self.subject.driver.make(spec, transport, self.clock, self.recorder)
        return self.driver

    async def connect(self) -> Identity:
        """Connect within half a minute."""
        identity = await self.driver.connect(self.clock.monotonic() + CONNECT_S)
        self.recorder.since = len(self.recorder.activities)
        return identity

    async def start(self, program: bytes | None = None) -> None:
        """Start the subject's program, or this one."""
        await self.driver.start(Source(self.subject.program if program is None else program))

    async def until(self, condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Wait until the recorder was told something that makes `condition` true."""
        async with asyncio.timeout(patience_s):
            while not condition():
                self.recorder.changed.clear()
                await self.recorder.changed.wait()

    async def until_lines(self, count: int) -> None:
        """Wait until so many lines of the program were acknowledged."""
        told = self.recorder.progresses
        await self.until(lambda: told and told[-1][1].acknowledged_line >= count)

    async def end(self) -> tuple[EndKind, str, Progress]:
        """Wait for the end of the run; it must be told once."""
        await self.until(lambda: self.recorder.ends)
        await self.clock.sleep(5.0)
        assert len(self.recorder.ends) == 1, self.recorder.ends
        return self.recorder.ends[0]

    def program_lines(self) -> list[str]:
        """What was executed, without what the driver adds on its own at an end, and without noise that is no
        command at all."""
        own = self.subject.sync_lines | self.subject.safe_lines
        expected = self.subject.cleaned(self.subject.program)
        done = [line for line in self.executed if not re.match(self.subject.noise, line)]
        while done and done[-1] in own and done != expected[: len(done)]:
            done.pop()
        return done

    def finish(self) -> None:
        """Switch the machine off: no timer is left."""
        self.link.power_off()


def ends_with_its_line(progress: Progress, program: bytes) -> bool:
    """Whether the bytes that are told, if any, end with the line that is told: they say where a run stopped."""
    text = program[: progress.acknowledged_bytes]
    return not text or len(text.splitlines()) == progress.acknowledged_line
