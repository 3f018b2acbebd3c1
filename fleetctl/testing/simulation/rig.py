"""One physical machine of the simulated world: what it executed, what lies on it, and who may touch it.

Checks what can only be seen at the machine: the executed lines are those of the program that the record says is in
hand, each once and in order (I4); nothing moves by itself (I12, I14); nothing begins on an occupied bed, twice for
one run, or while a known stop holds (I15). It must not know how the controller or the agent work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fleetctl.clock import Clock
from fleetctl.sim.machine import SimulatedMachine
from fleetctl.sim.parts import Part
from fleetctl.sim.record import Executed
from fleetctl.testing.simulation.continuations import Continuation, Follower
from fleetctl.testing.simulation.eyes import ActiveRun
from fleetctl.testing.simulation.kinds import MachineKind
from fleetctl.testing.simulation.programs import Library, SimulatedProgram
from fleetctl.testing.simulation.record import Record
from fleetctl.transport.memory import MemoryMachine

PERMISSION_S = 330.0
"""How long a person's verb may take effect after it was asked for: homing is given 300 s."""


LINES_REMEMBERED = 200


@dataclass
class Attempt:
    """One physical execution of a program, from its first line. `executed` counts its lines."""

    run_id: str
    run_code: str
    program: SimulatedProgram
    executed: int = 0
    plates: int = 0
    parts: list[Part] = field(default_factory=list)
    resumes: Attempt | None = None

    @property
    def complete(self) -> bool:
        """Every line was executed and the plate lies there."""
        return self.executed == len(self.program.lines) and self.plates == 1

    @property
    def whole(self) -> bool:
        """The plate is what the first program makes: nothing was left out where it was continued."""
        return self.complete and self._without_gap()

    def _without_gap(self) -> bool:
        program = self.program
        if not isinstance(program, Continuation):
            return True
        before = self.resumes
        return before is not None and before.executed >= program.first and before._without_gap()


@dataclass(frozen=True)
class Surroundings:
    """What a rig asks about the rest of the world when something begins on it."""

    active_run: Callable[[str], ActiveRun | None]
    stop_known: Callable[[], str]
    withdrawn: Callable[[str], bool]


class Rig:
    """A machine with a cable, a bed and a person beside it."""

    def __init__(
        self,
        name: str,
        kind: MachineKind,
        seed: int,
        lapse: float,
        clock: Clock,
        library: Library,
        record: Record,
        around: Surroundings,
    ) -> None:
        self.name = name
        self.kind = kind
        self.sim: SimulatedMachine = kind.simulator(seed, **kind.options)
        self.memory = MemoryMachine(_Quiet(self.sim) if lapse > 1 else self.sim, clock, speedup=lapse)
        self.attempts: dict[str, Attempt] = {}
        self.attempt: Attempt | None = None
        self.bed: list[Attempt] = []
        self.on_begin: Callable[[], None] = lambda: None
        self._clock = clock
        self._library = library
        self._record = record
        self._around = around
        self._permitted_until_s: dict[str, float] = {}
        self._resets = 0
        self._said: dict[str, None] = {}
        self._follower: Follower | None = None
        self.moved_by_hand = False
        """Whether the newest line that acts was a person's move."""
        self.sim.executed.on_line = self._executed
        self.sim.heard.on_line = self._heard
        self.sim.on_parts = self._plate

    # The person beside it

    def permit(self, verb: str) -> None:
        """A person asks for something that moves or unlocks."""
        self._permitted_until_s[verb] = self._clock.monotonic() + PERMISSION_S

    def at_rest(self) -> bool:
        """Nothing moves and nothing waits to move: a person may put a hand in."""
        return self.sim.activity in ("idle", "killed", "alarm", "sleep") and not self.moving()

    def moving(self) -> bool:
        """The tool moves, or will, without another byte."""
        before = self.sim.position_mm
        self.memory.wake()
        planner = getattr(self.sim, "planner", None)
        return bool(planner is not None and planner.queued) or before != self.sim.position_mm

    def empty_bed(self) -> list[Attempt]:
        """A person takes everything off."""
        taken, self.bed = self.bed, []
        return taken

    def is_dead(self) -> bool:
        """Nobody can reach the board any more: it was halted, or waits for nothing but a reset."""
        return self.sim.activity in self.kind.halted or bool(getattr(self.sim, "critical", False))

    def press_reset(self) -> None:
        """The button on the board."""
        self.sim.reset(self.memory.now_s())
        self.memory.wake()

    def suffer(self, fault: str) -> None:
        """The machine itself fails."""
        self.sim.inject(fault, self.memory.now_s())
        self.memory.wake()

    # What it executes

    def was_told(self, text: str) -> None:
        """A session sends a line of its own."""
        self._said.pop(text, None)
        self._said[text] = None
        if len(self._said) > LINES_REMEMBERED:
            del self._said[next(iter(self._said))]

    def is_sent(self, program: SimulatedProgram) -> None:
        """The first line of a program leaves the agent: what is on the wire before a stop comes cannot be held back,
        what leaves after it must not."""
        if stop := self._around.stop_known():
            self._record.violation("I15", f"{program.name} goes to {self.name} though the stop {stop} holds")
        run = self._around.active_run(self.name)
        if run is not None and self._around.withdrawn(run.id):
            self._record.violation("I2", f"{program.name} goes to {self.name} for {run.code}, which was withdrawn")

    def _executed(self, line: Executed) -> None:
        self._forget_after_reset()
        if self._continues(line.text):
            self.moved_by_hand = False
            return
        found = self._library.by_line.get(line.text)
        if found is None:
            self._own_line(line.text)
            return
        self.moved_by_hand = False
        program, number = found
        attempt = self.attempt
        if attempt is not None and attempt.program is program and attempt.executed == number:
            attempt.executed += 1
        elif number == 0:
            self._begin(program)
        else:
            before = f"line {attempt.executed - 1} of {attempt.program.name}" if attempt else "nothing"
            self._record.violation(
                "I4", f"{self.name} executed line {number} of {program.name} ({line.text!r}) after {before}"
            )

    def _forget_after_reset(self) -> None:
        if self.sim.resets != self._resets:
            self._resets = self.sim.resets
            self.attempt = self._follower = None

    def continuation(self) -> Continuation | None:
        """What the run on record continues, if it does."""
        run = self._around.active_run(self.name)
        program = self._library.named(run.program_sha256) if run is not None else None
        return program if isinstance(program, Continuation) else None

    def _continues(self, text: str) -> bool:
        """Whether this is the next line of a program that begins in the middle of another one. Its preamble has lines
        that other programs have too, so it is followed from its first line."""
        follower = self._follower
        if follower is not None and follower.begun:
            if self.attempt is None or self.attempt.program is not follower.program:
                self._follower = None
                return False
            if follower.passes(text):
                self.attempt.executed = follower.at
                return True
        program = self.continuation()
        if program is None or (follower is not None and follower.begun and follower.program is program):
            return False
        if follower is None or follower.program is not program:
            follower = Follower(program)  # of a rest too there may be a rest
        if not follower.passes(text):
            return False
        self._follower = follower
        if follower.begun:
            self._begin(program, follower.at)
        return True

    def _look_where_it_begins(self, program: Continuation, resumed: Attempt | None) -> None:
        """What the record takes for surely executed was executed: whoever goes on behind it leaves nothing out."""
        executed = 0 if resumed is None else resumed.executed
        if program.first > executed:
            self._record.violation(
                "I6", f"{self.name} goes on at line {program.first} of {program.parent.name}; it executed {executed}"
            )

    def _begin(self, program: SimulatedProgram, executed: int = 1) -> None:
        run = self._around.active_run(self.name)
        if run is None or run.program_sha256 != program.sha256:
            found = f"{run.code} of another program" if run else "no run"
            self._record.violation("I2", f"{self.name} begins {program.name}; on record {found} is active there")
            run = run or ActiveRun("unknown", "unknown", program.sha256, "", started=False)
        if run.id in self.attempts:
            self._record.violation("I1", f"{self.name} executes the program of {run.code} a second time")
        resumed = self.attempts.get(run.resumes) if run.resumes else None
        if foreign := [attempt for attempt in self.bed if not _is_before(attempt, resumed)]:
            on_it = ", ".join(attempt.run_code for attempt in foreign)
            self._record.violation("I2", f"{self.name} begins {run.code} while {on_it} still lies on it")
        self.attempt = self.attempts[run.id] = Attempt(run.id, run.code, program, executed, resumes=resumed)
        self.bed.append(self.attempt)
        if isinstance(program, Continuation):
            self._look_where_it_begins(program, resumed)
        self._record.log(f"{self.name} begins {program.name} for {run.code}")
        self.on_begin()

    def _own_line(self, text: str) -> None:
        if self.kind.harmless.match(text) or not self.kind.acts.match(text):
            return
        self.moved_by_hand = self.kind.by_hand.match(text) is not None
        if self.moved_by_hand:
            self.attempt = None  # moved by hand: no program may go on after it as if nothing had been
        if text not in self._said:
            # A line without a checksum that was garbled on the wire: nobody said this.
            self._record.count("lines made of noise")
            return
        verbs = self.kind.permission(text)
        now_s = self._clock.monotonic()
        if not any(self._permitted_until_s.get(verb, 0.0) >= now_s for verb in verbs):
            self._record.violation("I14", f"{self.name} executed {text!r}, which nobody asked for")

    def _heard(self, line: Executed) -> None:
        """Lines that a firmware acts on outside programs are not in `executed` everywhere (Grbl's `$` lines)."""
        if line.text.startswith("$"):
            self._own_line(line.text)

    def _plate(self, parts: list[Part]) -> None:
        attempt = self.attempt
        if attempt is None:
            self._record.violation("I4", f"{self.name} laid a plate outside any program")
            return
        attempt.plates += 1
        attempt.parts += parts
        self._record.log(f"{self.name} laid a plate of {attempt.run_code}")


def _is_before(attempt: Attempt, resumed: Attempt | None) -> bool:
    """Whether it is the attempt that is taken up again, or one that this one took up."""
    while resumed is not None and resumed is not attempt:
        resumed = resumed.resumes
    return resumed is attempt


class _Quiet:
    """A machine whose firmware was built without the busy keep-alive: under a lapse it would fill the link.

    A firmware says it every two seconds of its own time, which are 8 ms of the host's at a lapse of 240. The host
    asks for it when it greets the board (M113), so it is put off again after every byte.
    """

    def __init__(self, sim: SimulatedMachine) -> None:
        self._sim = sim
        self.take_output = sim.take_output
        self.next_deadline = sim.next_deadline
        self.elapse = sim.elapse

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the host."""
        self._sim.receive(data, now_s)
        if getattr(self._sim, "busy_s", 0.0):
            self._sim.busy_s = 0.0  # type: ignore[attr-defined]
