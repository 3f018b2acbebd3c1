"""The base of every simulated machine: bytes and time in, bytes and a deadline out.

Sans-I/O: no clock, socket, file or global randomness, so that the very same object runs behind a pseudo-terminal in
its own process, behind TCP, and in memory under a virtual clock. It must not know who carries its bytes.

All times are seconds of *machine* time from one origin that the caller chooses; a caller that runs a machine faster
than life multiplies before it passes them in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

from fleetctl.errors import UsageError
from fleetctl.sim.parts import Part, PartMaker, PartSpec
from fleetctl.sim.record import ExecutionRecord

OUTPUT_LIMIT_BYTES = 262_144
"""A wire keeps nothing for a host that does not listen; beyond this the oldest output is gone."""

MADE_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Wait:
    """What a command in progress waits for: until `done()` is true or the time is `at_s`, whichever is first.

    A wait on motion has no time of its own: set `motion`, and the planner's next deadline is looked at too.
    """

    done: Callable[[], bool]
    at_s: float | None = None
    motion: bool = False


Task = Generator[Wait, None, None]
"""A command that takes time: it yields each thing it waits for."""


class SimulatedMachine(ABC):
    """One pretend machine. It is powered on at time 0: its banner is in the output from the start.

    Call order: any of the methods at any time, with `now_s` never decreasing (an earlier time counts as the latest
    one seen). After `receive`, `elapse`, `reset` or `inject`, call `take_output` and `next_deadline`; call `elapse`
    at that deadline for replies in time. Lateness delays replies but never stretches the motion itself: events
    happen at their own time.

    The same seed, bytes and times give the same outputs, and any way of splitting the bytes of one moment into
    `receive` calls gives the same output.

    Attributes that tests read:
        executed: program lines executed, in order; questions of the host (temperatures, position, `$` commands) are
            not in it. `executed.on_line` receives each one.
        heard: every line acted on, questions included.
        made: the newest parts made (bounded); `maker.parts_made` counts all. `on_parts` receives each plate.
        resets: how often the machine was reset since it was built.
    """

    LINE_END = b"\n"

    faults: tuple[str, ...] = ()
    """The kinds that `inject` accepts."""

    def __init__(self, *, seed: int, parts: PartSpec | None = None) -> None:
        self.seed = seed
        self.now_s = 0.0
        self.executed = ExecutionRecord()
        self.heard = ExecutionRecord()
        self.maker = PartMaker(parts or PartSpec(), seed)
        self.made: deque[Part] = deque(maxlen=MADE_KEPT)
        self.on_parts: Callable[[list[Part]], None] | None = None
        self.resets = 0
        self._out = bytearray()

    # What a carrier of bytes calls

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the host that arrived at `now_s`."""
        self.elapse(now_s)
        self._hear(data)

    def take_output(self) -> bytes:
        """What the machine has sent since the last call, oldest first; empty when it is silent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    @abstractmethod
    def next_deadline(self) -> float | None:
        """The machine time at which something will happen by itself; None when only bytes can do that."""

    def elapse(self, now_s: float) -> None:
        """Let time pass up to and including `now_s`, each event at its own moment and in order."""
        while (deadline := self.next_deadline()) is not None and deadline <= now_s:
            self.now_s = max(self.now_s, deadline)
            self._wake()
        self.now_s = max(self.now_s, now_s)
        self._settle()

    def reset(self, now_s: float) -> None:
        """Power cycle, or the reset that some boards do when a port is opened: banner, volatile state lost."""
        self.elapse(now_s)
        self.resets += 1
        self._boot()

    def inject(self, kind: str, now_s: float) -> None:
        """A fault of the machine itself, one of `faults`. Raises UsageError for a kind it cannot have."""
        if kind not in self.faults:
            raise UsageError(f"This simulator cannot have the fault {kind!r}; it knows {', '.join(self.faults)}.")
        self.elapse(now_s)
        self._fail(kind)

    # What an observer of the physical world reads

    @property
    @abstractmethod
    def activity(self) -> str:
        """One word for what it does, in the firmware's terms, for example 'idle', 'busy' or 'killed'."""

    @property
    @abstractmethod
    def position_mm(self) -> tuple[float, float, float]:
        """Where the tool really is at the latest time seen, machine coordinates."""

    @property
    @abstractmethod
    def outputs(self) -> dict[str, float]:
        """Everything that is hot, turns, flows or blows, by name: target or power, 0 when off."""

    @property
    def is_safe(self) -> bool:
        """True when no heater has a target and no spindle, laser or coolant is on; a fan may blow."""
        return not any(value for name, value in self.outputs.items() if name != "fan")

    def snapshot(self) -> dict[str, object]:
        """The physical state in plain JSON values, as `--state FILE` writes it."""
        return {
            "at_s": round(self.now_s, 3),
            "activity": self.activity,
            "position_mm": [round(value, 4) for value in self.position_mm],
            "outputs": self.outputs,
            "executed": self.executed.count,
            "executed_sha256": self.executed.sha256,
            "executed_tail": list(self.executed.tail)[-8:],
            "parts_made": self.maker.parts_made,
            "runs_made": self.maker.runs_made,
            "resets": self.resets,
        }

    # What a machine type implements

    @abstractmethod
    def _hear(self, data: bytes) -> None:
        """Act on bytes at `self.now_s`."""

    @abstractmethod
    def _wake(self) -> None:
        """Do all that is due at `self.now_s`; afterwards the deadline must be later or none."""

    @abstractmethod
    def _boot(self) -> None:
        """Start as after power-on at `self.now_s`."""

    @abstractmethod
    def _fail(self, kind: str) -> None:
        """Have the fault now."""

    @abstractmethod
    def _settle(self) -> None:
        """Bring up to now what changes without an event anybody waits for, as moves that end."""

    # What they share

    def _say(self, text: str) -> None:
        """Send one line of text; characters outside Latin-1 become question marks."""
        self._out += text.encode("latin-1", "replace")
        self._out += self.LINE_END
        excess = len(self._out) - OUTPUT_LIMIT_BYTES
        if excess > 0:
            del self._out[:excess]

    def _make_parts(self) -> None:
        parts = self.maker.make(self.now_s)
        self.made.extend(parts)
        if self.on_parts is not None:
            self.on_parts(parts)
