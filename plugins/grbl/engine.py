"""The Grbl 1.1 protocol without input and output: lines by character counting, real-time bytes beside them.

It must not know transports, files or runs' ids. Lines in flight are `sender`, reports `status`, numbers `words`.
What is done in each case, and why, is in this folder's README.
"""

from __future__ import annotations

from enum import Enum, auto

from fleetctl.driver.outcome import Verb, VerbDone
from fleetctl.errors import FleetctlError, ForbiddenByte, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    EngineEvent,
    Identified,
    MachineFault,
    Position,
    PositionSuspect,
    Progress,
    Ready,
    RunEnded,
    RunEndKind,
    RunFinished,
    StateChanged,
    WaitingForPerson,
)
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lines import LineSplitter

from . import words
from .sender import Ask, Sender
from .status import MOVING, Status, StatusReader

HOLD, RESUME, RESET, QUERY = b"!", b"~", b"\x18", b"?"
SPINDLE_STOP = b"\x9e"
"""Toggles the spindle, in feed hold only; cycle start brings it back (Grbl 1.1, interface.md)."""

LINE_MOST_BYTES = 79
"""Grbl 1.1 keeps 80 characters of a line, the closing zero included (config.h, LINE_BUFFER_SIZE)."""

POLL_ACTIVE_S = 0.2
"""Grbl's interface document advises against more than 5 queries a second."""
POLL_IDLE_S = 1.0
SILENT_S = 5.0
HOLD_PATIENCE_S = 5.0
HOLD_IDLE_S = 1.0
RESET_PATIENCE_S = 3.0
STALE_S = 0.5
"""A report that was under way when we asked for something else is older than this at most."""
LOST_ANSWER_S = 0.7
"""More than three reports of Idle with a line unanswered."""
DEFAULT_PLANNER_BLOCKS = 15
SYNC = "G4P0.01"
UNKNOWN_ERROR = 999
"""Stands for an error whose number was garbled."""


class Phase(Enum):
    """What the engine is doing."""

    CLOSED = auto()
    GREETING = auto()
    IDENTIFYING = auto()
    IDLE = auto()
    RUNNING = auto()
    HOLDING = auto()
    RESETTING = auto()
    FAULT = auto()


class GrblEngine:
    """`fleetctl.protocol.engine.Engine` for Grbl 1.1."""

    urgent_is_lines = False

    def __init__(self) -> None:
        self._phase = Phase.CLOSED
        self._lines = LineSplitter()
        self._reader = StatusReader()
        self._sender = Sender()
        self._events: list[EngineEvent] = []
        self._urgent = b""
        self._discard = False
        self._state = ""
        self._shown: tuple[Activity, str] | None = None
        self._facts: dict[str, str] = {}
        self._told: list[str] = []
        self._ready_told = False
        self._tickets = 0
        self._occupied = False
        self._fault = ""
        self._poll_due_s: float | None = None
        self._silent_due_s: float | None = None
        self._phase_due_s: float | None = None
        self._phase_since_s = 0.0
        self._unlock = False
        self._verbs_after_reset: list[Verb] = []
        self._in_run = False
        self._paused = False
        self._synced = False
        self._resting = False
        self._spindle_stopped = False
        self._idle_since_s: float | None = None
        self._resumed_s = 0.0
        self._acknowledged_line = 0
        self._acknowledged_bytes = 0
        self._progress_told = (0, 0)
        self._end = (RunEndKind.CANCELLED, "")

    # Bytes and time

    def connected(self, now: float) -> None:
        """Look what it does before any line is sent: it may still be moving (I12)."""
        self._go(Phase.GREETING, now)
        self._poll(now)

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the controller."""
        for line in self._lines.feed(data):
            self._line(line, now)
        self._step(now)

    def elapse(self, now: float) -> None:
        """Ask for the state, and act on what did not come."""
        if self._poll_due_s is not None and now >= self._poll_due_s:
            self._poll(now)
        if self._phase_due_s is not None and now >= self._phase_due_s:
            self._phase_overdue(now)
        if self._silent_due_s is not None and now >= self._silent_due_s:
            self._silent(now)
        self._step(now)

    def next_deadline(self) -> float | None:
        """The earliest of all that is due."""
        due = (self._poll_due_s, self._phase_due_s, self._silent_due_s)
        return min((time for time in due if time is not None), default=None)

    def take_output(self) -> bytes:
        """Lines that must go out now."""
        output = b"".join(self._sender.output)
        self._sender.output.clear()
        return output

    def take_urgent(self) -> bytes:
        """Real-time bytes."""
        urgent, self._urgent = self._urgent, b""
        return urgent

    def discards_output(self) -> bool:
        """True once after a stop."""
        discard, self._discard = self._discard, False
        return discard

    def events(self) -> list[EngineEvent]:
        """What happened."""
        events, self._events = self._events, []
        return events

    # Verbs

    def start(self, feeder: Feeder, now: float) -> None:
        """Stream a program."""
        self._need_idle()
        if self._state != "Idle":
            raise MachineBusy(f"Grbl is in state {self._state}.")
        self._sender.begin(feeder)
        self._in_run, self._paused, self._synced = True, False, False
        self._spindle_stopped = self._resting = False
        self._acknowledged_line = self._acknowledged_bytes = 0
        self._progress_told = (0, 0)
        self._idle_since_s = None
        self._go(Phase.RUNNING, now)
        self._show(Activity.RUNNING, "")
        self._poll(now)
        self._step(now)

    def pause(self, now: float) -> None:
        """Feed hold."""
        if self._phase is not Phase.RUNNING or self._paused:
            raise MachineError("There is no running program to pause.")
        self._paused = True
        self._sender.feeding = False
        self._urgent += HOLD
        self._poll(now)

    def resume(self, now: float) -> None:
        """Cycle start."""
        if self._phase is not Phase.RUNNING or not (self._paused or self._state in ("Hold", "Door")):
            raise MachineError("There is no paused program.")
        self._paused = self._spindle_stopped = self._resting = False
        self._sender.feeding = True
        self._resumed_s = now
        self._urgent += RESUME
        self._poll(now)
        self._step(now)

    def cancel(self, now: float) -> None:
        """Feed hold, and once at rest a soft reset: the position is kept, spindle and coolant go off."""
        if not self._in_run:
            raise MachineError("There is no run to cancel.")
        self._end_run(RunEndKind.CANCELLED, "cancelled", now)

    def stop(self, now: float) -> None:
        """Feed hold and soft reset in one breath: the reset cuts the spindle, whatever it does to the position."""
        moved = self._in_run or self._occupied or self._state != "Idle"
        self._discard = True
        self._urgent = HOLD + RESET
        self._sender.output.clear()
        self._ended(RunEndKind.INTERRUPTED, "software stop")
        self._fail("stop", "software stop", moved, now)
        self._await_banner(now, Verb.STOP)

    def command(self, text: str, now: float) -> int:
        """One line outside a run."""
        line = text.strip()
        if any(sign in line for sign in "?!~") or not line.isascii() or not line.isprintable():
            raise ForbiddenByte(f"{text!r} holds a real-time command of Grbl.", hint="Use the verbs for those.")
        if not line or len(line) > LINE_MOST_BYTES:
            raise UsageError(f"A command has 1 to {LINE_MOST_BYTES} characters.")
        if self._in_run or self._occupied or self._phase not in (Phase.IDLE, Phase.FAULT):
            raise MachineBusy("The machine is doing something else.")
        self._tickets += 1
        self._ask(Ask(line, self._command_done, ticket=self._tickets), now)
        return self._tickets

    def clear_fault(self, now: float) -> None:
        """Soft reset and unlock, because a person asked; what an alarm did to the position was said then."""
        if self._in_run:
            raise MachineBusy("A run is in hand.")
        self._unlock = True
        self._urgent += RESET
        self._await_banner(now, Verb.CLEAR_FAULT)

    def home(self, now: float) -> None:
        """$H."""
        if self._in_run or self._occupied or self._phase not in (Phase.IDLE, Phase.FAULT):
            raise MachineBusy("The machine is doing something else.")
        self._ask(Ask("$H", self._homed), now)
        self._show(Activity.RUNNING, "homing")

    def make_safe(self, now: float) -> None:
        """Spindle and coolant off: by M5 and M9 at rest, the spindle alone in a feed hold, which the run survives;
        by hold and reset otherwise."""
        if self._phase is Phase.IDLE and self._state == "Idle":
            self._sender.asks += [Ask("M5"), Ask("M9", self._made_safe)]
            self._step(now)
            return
        if self._phase is Phase.RUNNING and self._resting:
            if not self._spindle_stopped and self._state == "Hold":
                self._urgent += SPINDLE_STOP
            self._spindle_stopped = True
            self._events.append(VerbDone(Verb.MAKE_SAFE))
            return
        self._verbs_after_reset.append(Verb.MAKE_SAFE)
        if self._in_run:
            self._end_run(RunEndKind.CANCELLED, "made safe", now)
        elif self._phase is not Phase.RESETTING:
            self._urgent += RESET
            self._await_banner(now)

    # Lines from the controller

    def _line(self, line: bytes, now: float) -> None:
        if line == b"ok":
            self._answer(0, now)
        elif line.startswith(b"<"):
            status = self._reader.read(line)
            if status is not None:
                self._status(status, now)
        elif line.startswith(b"error:"):
            self._answer(_number(line) or UNKNOWN_ERROR, now)
        elif line.startswith(b"Grbl "):
            self._banner(line, now)
        elif line.startswith(b"ALARM:"):
            self._alarm(_number(line), now)
        elif isinstance(ask := self._sender.window.oldest(), Ask):
            ask.lines.append(line.decode("latin-1"))

    def _answer(self, error: int, now: float) -> None:
        oldest = self._sender.window.oldest()
        if oldest is None:
            return
        if isinstance(oldest, Ask) and not error and not oldest.was_heard:
            return  # an answer to a line of somebody before us
        self._sender.window.answered()
        self._idle_since_s = None
        if isinstance(oldest, Ask):
            if oldest.done is not None:
                oldest.done(oldest, error)
        elif error:
            self._end_run(RunEndKind.FAILED, f"line {oldest[1]}: {words.error_text(error)}", now)
        else:
            self._acknowledged_line, self._acknowledged_bytes = oldest[1], oldest[2]

    def _banner(self, line: bytes, now: float) -> None:
        """Everything in flight is gone, and the parser stands at its defaults."""
        found = words.VERSION.match(line)
        self._told = [f"[VER:{found[1].decode('latin-1')}:]"] if found else []
        expected = self._phase is Phase.RESETTING or bool(self._verbs_after_reset)
        was_running = self._in_run
        if self._phase is Phase.RESETTING:
            self._ended(*self._end)
        else:
            self._ended(RunEndKind.INTERRUPTED, f"the controller was reset{self._at()}")
        if not expected and self._phase is not Phase.GREETING:
            self._events.append(PositionSuspect("the controller was reset" + (" during a run" if was_running else "")))
        self._abandon("the controller was reset")
        self._state = ""
        if was_running and not expected:
            # Lines that were on the wire when it booted are taken for new ones: it must drop them.
            self._discard = True
            self._urgent += HOLD + RESET
            self._await_banner(now)
            return
        if Verb.STOP in self._verbs_after_reset:
            self._verbs_after_reset.remove(Verb.STOP)
            self._events.append(VerbDone(Verb.STOP))
        self._identify(now)

    def _alarm(self, number: int, now: float) -> None:
        text = words.alarm_text(number)
        if self._phase is Phase.RESETTING or Verb.STOP in self._verbs_after_reset:
            # The answer to our own reset while it still moved.
            self._events.append(PositionSuspect(text))
            return
        self._ended(RunEndKind.INTERRUPTED, f"{text}{self._at()}")
        self._fail(f"alarm:{number}", text, number not in words.KEEPS_POSITION, now)

    def _status(self, status: Status, now: float) -> None:
        self._silent_due_s = now + SILENT_S
        self._state = status.state
        self._resting = status.at_rest_in_hold or status.state == "Door"
        self._events.append(Position(status.position_mm, status.feed_mm_s, status.spindle_rpm))
        if self._phase is Phase.GREETING:
            self._greeted(status, now)
        elif self._phase is Phase.RUNNING:
            self._status_in_run(status, now)
        elif self._phase is Phase.HOLDING:
            at_rest = status.at_rest_in_hold or status.state in ("Alarm", "Door", "Sleep")
            if at_rest or (status.state == "Idle" and now - self._phase_since_s > HOLD_IDLE_S):
                self._reset_after_hold(now)
        elif not self._occupied and self._phase in (Phase.IDLE, Phase.FAULT):
            self._status_at_rest(status, now)

    def _status_in_run(self, status: Status, now: float) -> None:
        state = status.state
        if state == "Alarm":
            self._alarm(0, now)
        elif state == "Hold" and self._paused:
            if status.at_rest_in_hold:
                self._show(Activity.PAUSED, "paused")
        elif state in ("Hold", "Door", "Tool"):
            if now - self._resumed_s > STALE_S:
                self._show(Activity.WAITING, self._why_waiting(state))
        elif not self._paused:
            self._show(Activity.RUNNING, "")
        if state != "Idle" or self._paused:
            self._idle_since_s = None
        elif self._synced:
            self._finished(now)
        elif self._sender.window:
            self._idle_with_unanswered(now)

    def _why_waiting(self, state: str) -> str:
        if state == "Door":
            return "the safety door is open"
        oldest = self._sender.window.oldest()
        stops = isinstance(oldest, tuple) and oldest[0].startswith((b"M0\n", b"M00\n", b"M1\n", b"M01\n"))
        return "program stop (M0)" if stops else "feed hold"

    def _idle_with_unanswered(self, now: float) -> None:
        """Idle means that every line was parsed; only a dwell looks the same (see README)."""
        oldest = self._sender.window.oldest()
        dwell_s = words.dwell_s(oldest[0] if isinstance(oldest, tuple) else b"")
        if self._idle_since_s is None:
            self._idle_since_s = now
        elif now - self._idle_since_s > LOST_ANSWER_S + dwell_s:
            reason = f"an acknowledgement was lost{self._at()}"
            self._urgent += HOLD
            self._ended(RunEndKind.INTERRUPTED, reason)
            self._fail("acknowledgement-lost", reason, True, now)

    def _status_at_rest(self, status: Status, now: float) -> None:
        state = status.state
        if state == "Idle":
            if self._phase is Phase.IDLE or self._fault in ("locked", "hold"):
                self._go(Phase.IDLE, now)
                self._show(Activity.IDLE, "")
        elif state in MOVING:
            if self._phase is Phase.IDLE:
                self._show(Activity.RUNNING, "moving")
        elif state == "Alarm":
            if self._phase is Phase.IDLE:
                self._fail("locked", "Grbl is locked; home it or clear the fault", False, now)
        elif state != "Check" and self._phase is Phase.IDLE:
            self._fail("hold", f"Grbl is in state {state}; clear the fault", False, now)

    # Greeting

    def _greeted(self, status: Status, now: float) -> None:
        """At rest it can be asked; while it still moves we wait; in a hold it answers no line."""
        if status.state in ("Idle", "Alarm", "Check"):
            self._identify(now)
        elif status.state not in MOVING:
            self._events.append(Identified("Grbl", "", {}))
            self._fail("hold", f"Grbl is in state {status.state}; clear the fault", False, now)
            self._tell_ready()

    def _identify(self, now: float) -> None:
        self._go(Phase.IDENTIFYING, now)
        self._phase_due_s = now + RESET_PATIENCE_S
        unlock = [Ask("$X", self._keep)] if self._unlock else []
        self._unlock = False
        self._sender.asks = [
            *unlock,
            Ask("$I", self._keep, expects="[VER:"),
            Ask("$$", self._keep, expects="$"),
            Ask("$#", self._keep, expects="["),
            Ask("$G", self._identified, expects="[GC:"),
        ]
        self._poll(now)

    def _keep(self, ask: Ask, error: int) -> None:
        self._told += ask.lines

    def _identified(self, ask: Ask, error: int) -> None:
        self._told += ask.lines
        self._facts = words.facts(self._told)
        self._reader.inches = self._facts.get("$13") == "1"
        self._sender.set_budget(int(self._facts.get("rx_bytes", "0")))
        self._events.append(Identified("Grbl", self._facts.get("version", ""), self._facts))
        self._phase_due_s = None
        first, locked = not self._ready_told, self._state == "Alarm"
        self._phase = Phase.IDLE
        self._shown = None
        if locked:
            self._fault = "locked"
            self._phase = Phase.FAULT
            self._tell_fault("locked", "Grbl is locked; home it or clear the fault", position_lost=first)
        else:
            self._show(Activity.IDLE, "")
        self._tell_ready()
        self._events += [VerbDone(verb) for verb in self._verbs_after_reset]
        self._verbs_after_reset = []

    def _tell_ready(self) -> None:
        if not self._ready_told:
            self._ready_told = True
            self._events.append(Ready())

    # What goes out

    def _step(self, now: float) -> None:
        """Send what fits, then tell how far it is."""
        try:
            self._sender.fill()
        except FleetctlError as error:
            self._end_run(RunEndKind.FAILED, str(error), now)
        if self._phase is Phase.RUNNING and self._sender.program_done:
            self._sender.end()
            self._sender.asks.append(Ask(SYNC, self._sync_answered))
            self._sender.fill()
        progress = (self._acknowledged_line, self._sender.sent_line)
        if self._in_run and progress != self._progress_told:
            self._progress_told = progress
            self._events.append(Progress(*progress, self._acknowledged_bytes))

    def _poll(self, now: float) -> None:
        """Ask for the state now, and again in time."""
        self._urgent += QUERY
        restless = self._phase is not Phase.IDLE and self._phase is not Phase.FAULT
        self._poll_due_s = now + (POLL_ACTIVE_S if restless or self._occupied else POLL_IDLE_S)
        if self._silent_due_s is None:
            self._silent_due_s = now + SILENT_S

    def _ask(self, ask: Ask, now: float) -> None:
        self._occupied = True
        self._sender.asks.append(ask)
        self._step(now)

    def _sync_answered(self, ask: Ask, error: int) -> None:
        """A dwell is answered when the planner is empty; the next report must say Idle."""
        self._synced = True
        self._urgent += QUERY

    # Ends of verbs and runs

    def _need_idle(self) -> None:
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase is not Phase.IDLE or self._occupied:
            raise MachineBusy("The machine is doing something else.")

    def _command_done(self, ask: Ask, error: int) -> None:
        self._occupied = False
        lines = (*ask.lines, words.error_text(error)) if error else tuple(ask.lines)
        self._events.append(CommandDone(ask.ticket, lines, ok=not error))

    def _homed(self, ask: Ask, error: int) -> None:
        self._occupied = False
        self._events.append(VerbDone(Verb.HOME, words.error_text(error) if error else ""))
        self._shown = None
        if error:
            self._show(Activity.FAULT if self._phase is Phase.FAULT else Activity.IDLE, "")
        else:
            self._phase = Phase.IDLE
            self._show(Activity.IDLE, "")

    def _made_safe(self, ask: Ask, error: int) -> None:
        self._events.append(VerbDone(Verb.MAKE_SAFE, words.error_text(error) if error else ""))

    def _finished(self, now: float) -> None:
        self._in_run = False
        self._events.append(RunFinished(self._acknowledged_line))
        self._go(Phase.IDLE, now)
        self._show(Activity.IDLE, "")

    def _end_run(self, kind: RunEndKind, reason: str, now: float) -> None:
        """Controlled: feed hold; the reset follows when it is at rest."""
        if self._phase is not Phase.RUNNING:
            return
        self._end = (kind, reason)
        self._sender.end()
        self._urgent += HOLD
        self._go(Phase.HOLDING, now)
        self._phase_due_s = now + HOLD_PATIENCE_S
        self._poll(now)

    def _reset_after_hold(self, now: float) -> None:
        self._urgent += RESET
        self._await_banner(now)

    def _await_banner(self, now: float, verb: Verb | None = None) -> None:
        if verb is not None and verb not in self._verbs_after_reset:
            self._verbs_after_reset.append(verb)
        self._go(Phase.RESETTING, now)
        self._phase_due_s = now + RESET_PATIENCE_S

    def _phase_overdue(self, now: float) -> None:
        """What a phase waits for did not come."""
        self._phase_due_s = None
        if self._phase is Phase.HOLDING:
            self._events.append(PositionSuspect("the feed hold did not come to rest; the controller was reset"))
            self._reset_after_hold(now)
        elif self._phase is Phase.RESETTING:
            self._ended(self._end[0], f"{self._end[1]}; the controller did not answer the reset")
            self._fail("no-answer", "no answer to the reset; look at the machine", True, now)
        elif self._phase is Phase.IDENTIFYING:
            self._abandon("no answer")
            self._identify(now)

    def _silent(self, now: float) -> None:
        """No report although we asked: homing and an alarm that wants a reset are silent, else the link is dead."""
        self._silent_due_s = None
        if self._occupied or self._phase in (Phase.GREETING, Phase.FAULT, Phase.IDENTIFYING):
            return
        reason = f"no answer from the controller{self._at()}"
        moved = self._in_run
        self._urgent += HOLD
        self._ended(RunEndKind.INTERRUPTED, reason)
        self._fail("no-answer", reason, moved, now)

    def _ended(self, kind: RunEndKind, reason: str) -> None:
        if self._in_run:
            self._in_run = False
            self._sender.end()
            depth = int(self._facts.get("planner_blocks", DEFAULT_PLANNER_BLOCKS)) + 1
            self._events.append(RunEnded(kind, reason, self._acknowledged_line, depth))

    def _fail(self, fault: str, text: str, position_lost: bool, now: float) -> None:
        self._abandon(text)
        self._go(Phase.FAULT, now)
        self._fault = fault
        self._tell_fault(fault, text, position_lost)

    def _tell_fault(self, fault: str, text: str, position_lost: bool) -> None:
        self._shown = (Activity.FAULT, text)
        self._events.append(MachineFault(fault, text, position_lost))

    def _abandon(self, reason: str) -> None:
        """Nothing in flight will be answered."""
        for ask in self._sender.reset():
            if ask.ticket:
                self._events.append(CommandDone(ask.ticket, (reason,), ok=False))
            elif ask.done == self._homed:
                self._events.append(VerbDone(Verb.HOME, reason))
            elif ask.done == self._made_safe:
                self._events.append(VerbDone(Verb.MAKE_SAFE, reason))
        self._occupied = False
        self._synced = False

    def _at(self) -> str:
        return f" after line {self._acknowledged_line} of the program" if self._in_run else ""

    def _go(self, phase: Phase, now: float) -> None:
        self._phase = phase
        self._phase_since_s = now
        self._phase_due_s = None

    def _show(self, activity: Activity, reason: str) -> None:
        """Told once per change."""
        if self._shown == (activity, reason):
            return
        self._shown = (activity, reason)
        if activity is Activity.WAITING:
            self._events.append(WaitingForPerson(reason))
        else:
            self._events.append(StateChanged(activity, reason))


def _number(line: bytes) -> int:
    """The number after the colon; 0 when it is garbled."""
    digits = line.partition(b":")[2].strip()
    return int(digits) if digits.isdigit() else 0
