"""The TinyG and g2core protocol without input and output: a few lines in flight, each answered by one `r`.

It must not know transports, files or runs' ids. What is done in each case, and why, is in this folder's README.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

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
    Verb,
    VerbDone,
    WaitingForPerson,
)
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lines import LineSplitter
from fleetctl.protocol.window import Window

from . import words
from .words import FLUSH, HOLD, RESET, Answer

LINES_IN_FLIGHT = 4
"""What g2core's wiki recommends for line mode."""
RX_BYTES = 250
"""TinyG's ring holds 254 (xio_usb.c); what does not fit is lost without a word."""
LINE_MOST_BYTES = 120
PLANNER_BUFFERS = 28
POLL_S = 0.25
POLL_IDLE_S = 2.0
SILENT_S = 10.0
"""Reports come every quarter of a second while it moves."""
PATIENCE_S = 3.0
LOST_ANSWER_S = 3.0
TRIES = 3

QUESTIONS = ('{"fv":null}', '{"fb":null}', '{"hp":null}', '{"id":null}', '{"qr":null}', '{"sr":null}')


class Phase(Enum):
    """What the engine is doing."""

    CLOSED = auto()
    IDENTIFYING = auto()
    IDLE = auto()
    HOMING = auto()
    RUNNING = auto()
    FLUSHING = auto()
    RESETTING = auto()
    FAULT = auto()


@dataclass(slots=True, eq=False)
class Ask:
    """One line of our own; `done` gets its status, 0 for ok."""

    text: str
    done: Callable[[Ask, int], None] | None = None
    ticket: int = 0
    lines: list[str] = field(default_factory=list)

    def is_answered_by(self, answer: Answer) -> bool:
        """A question names its answer; one that does not fit was asked before a reset, or by somebody else."""
        if not self.text.startswith('{"') or answer.status:
            return True
        return self.text.split('"')[1] in answer.body


ProgramLine = tuple[bytes, int, int]


class TinygEngine:
    """`fleetctl.protocol.engine.Engine` for TinyG and g2core."""

    urgent_is_lines = False

    def __init__(self) -> None:
        self._phase = Phase.CLOSED
        self._splitter = LineSplitter()
        self._window: Window[ProgramLine | Ask] = Window(max_lines=LINES_IN_FLIGHT, max_bytes=RX_BYTES)
        self._asks: deque[Ask] = deque()
        self._ready: deque[ProgramLine] = deque()
        self._feeder: Feeder | None = None
        self._out: list[bytes] = []
        self._urgent = b""
        self._discard = False
        self._events: list[EngineEvent] = []
        self._facts: dict[str, str] = {}
        self._stat = 0
        self._free = -1
        self._room = -1
        self._position: list[float | None] = [None, None, None]
        self._shown: tuple[Activity, str] | None = None
        self._ready_told = self._in_run = self._waits = self._homed = False
        self._occupied = False
        self._verbs: list[Verb] = []
        self._end = (RunEndKind.CANCELLED, "")
        self._acknowledged = (0, 0)
        self._sent_line = 0
        self._told = (0, 0)
        self._tickets = 0
        self._tries = 0
        self._poll_due_s: float | None = None
        self._due_s: float | None = None
        self._heard_s = 0.0
        self._rest_since_s: float | None = None
        self._held_at: ProgramLine | None = None

    # Bytes and time

    def connected(self, now: float) -> None:
        """Ask who is there, moving nothing (I12, I14)."""
        self._heard_s = now
        self._identify(now)

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the controller."""
        self._heard_s = now
        for line in self._splitter.feed(data):
            answer = words.read(line)
            if answer is not None:
                self._take(answer, now)
        self._step(now)

    def elapse(self, now: float) -> None:
        """Ask for the state, and act on what did not come."""
        if self._poll_due_s is not None and now >= self._poll_due_s:
            self._poll(now)
        if self._due_s is not None and now >= self._due_s:
            self._overdue(now)
        if self._in_run and not self._waits and self._phase is Phase.RUNNING:
            if now - self._heard_s >= SILENT_S:
                self._lost("no-answer", f"no answer from the controller{self._at()}", now)
            elif self._rest_since_s is not None and now - self._rest_since_s >= LOST_ANSWER_S:
                self._lost("acknowledgement-lost", f"an acknowledgement was lost{self._at()}", now)
        self._step(now)

    def next_deadline(self) -> float | None:
        """The earliest of all that is due."""
        return min((time for time in (self._poll_due_s, self._due_s) if time is not None), default=None)

    def take_output(self) -> bytes:
        """Lines that must go out now."""
        out = b"".join(self._out)
        self._out.clear()
        return out

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
        if self._stat not in words.AT_REST:
            raise MachineBusy(f"TinyG is {words.STATES.get(self._stat, self._stat)}.")
        self._feeder = feeder
        self._ready.clear()
        self._in_run, self._waits = True, False
        self._acknowledged, self._told, self._sent_line = (0, 0), (0, 0), 0
        self._rest_since_s, self._held_at = None, None
        self._free = -1
        self._heard_s = now
        self._phase = Phase.RUNNING
        self._poll_due_s = now + POLL_S
        self._show(Activity.RUNNING, "")
        self._step(now)

    def pause(self, now: float) -> None:
        """Not claimed: nothing stops the spindle in a feed hold, so a long pause could not be made safe."""
        raise MachineError("TinyG cannot pause a program safely.")

    def resume(self, now: float) -> None:
        """Go on behind the program stop or tool change at which the host waits."""
        if self._phase is not Phase.RUNNING or not self._waits or self._held_at is None:
            raise MachineError("There is no program that waits.")
        self._acknowledged = (self._held_at[1], self._held_at[2])
        self._held_at, self._waits, self._rest_since_s = None, False, None
        self._heard_s, self._poll_due_s = now, now + POLL_S
        self._show(Activity.RUNNING, "")
        self._step(now)

    def cancel(self, now: float) -> None:
        """Feed hold and queue flush: the position is kept; then spindle and coolant off."""
        if not self._in_run:
            raise MachineError("There is no run to cancel.")
        self._end_run(RunEndKind.CANCELLED, "cancelled", now)

    def stop(self, now: float) -> None:
        """Hold and board reset in one breath: the reset stops everything, and the position is lost."""
        self._discard = True
        self._urgent = HOLD + RESET
        self._end = (RunEndKind.INTERRUPTED, "software stop")
        self._conclude()
        self._abandon("software stop")
        self._fault("stop", "software stop", True)
        self._await_reset(Verb.STOP, now)

    def command(self, text: str, now: float) -> int:
        """One line outside a run."""
        line = text.strip(" \t\r\n")
        if any(sign in line for sign in "!~%") or not line.isascii() or not line.isprintable():
            raise ForbiddenByte(f"{text!r} holds a real-time command of TinyG.", hint="Use the verbs for those.")
        if not 0 < len(line) <= LINE_MOST_BYTES:
            raise UsageError(f"A command has 1 to {LINE_MOST_BYTES} characters.")
        if self._phase not in (Phase.IDLE, Phase.FAULT) or self._occupied:
            raise MachineBusy("The machine is doing something else.")
        self._tickets += 1
        self._occupied = True
        self._asks.append(Ask(line, self._command_done, ticket=self._tickets))
        self._step(now)
        return self._tickets

    def clear_fault(self, now: float) -> None:
        """Board reset, because a person asked; the position is lost by it."""
        if self._in_run:
            raise MachineBusy("A run is in hand.")
        self._urgent += RESET
        self._events.append(PositionSuspect("the board is reset, and counts from where it stands"))
        self._await_reset(Verb.CLEAR_FAULT, now)

    def home(self, now: float) -> None:
        """G28.2 of X, Y and Z."""
        self._need_idle()
        self._phase, self._homed = Phase.HOMING, False
        self._asks.append(Ask("G28.2 X0 Y0 Z0", self._homing_answered))
        self._show(Activity.RUNNING, "homing")
        self._step(now)

    def make_safe(self, now: float) -> None:
        """M5 and M9 at rest; else what is queued is flushed first."""
        if self._phase is Phase.IDLE:
            self._asks += [Ask("M5"), Ask("M9", self._made_safe)]
            self._step(now)
            return
        self._verbs.append(Verb.MAKE_SAFE)
        if self._in_run:
            self._end_run(RunEndKind.CANCELLED, "made safe", now)
        elif self._phase is not Phase.RESETTING:
            self._urgent += RESET
            self._await_reset(None, now)

    # What the controller says

    def _take(self, answer: Answer, now: float) -> None:
        if words.is_banner(answer):
            self._banner(now)
            return
        self._note(answer.body if answer.kind != "r" else answer.body.get("sr", answer.body))
        if answer.kind == "r":
            self._answered(answer, now)
        elif answer.kind == "er":
            self._exception(answer.body, now)
        if self._stat in words.FAULTS and self._phase not in (Phase.FAULT, Phase.RESETTING, Phase.IDENTIFYING):
            self._exception({"st": self._stat, "msg": words.STATES[self._stat]}, now)
        self._by_state(now)

    def _note(self, told: Any) -> None:
        """State, queue and position, wherever they were told."""
        if not isinstance(told, dict):
            return
        if isinstance(told.get("stat"), int):
            self._stat = told["stat"]
        if isinstance(told.get("qr"), int):
            self._free = told["qr"]
        for axis, name in enumerate(("mpox", "mpoy", "mpoz")):
            if (place := words.number(told.get(name))) is not None:
                self._position[axis] = place
        x, y, z = self._position
        if x is not None and y is not None and z is not None and "stat" in told | {"stat": 0}:
            feed = words.number(told.get("vel"))
            self._events.append(Position((x, y, z), None if feed is None else feed / 60, None))

    def _answered(self, answer: Answer, now: float) -> None:
        asked = self._window.oldest()
        if isinstance(asked, Ask) and not asked.is_answered_by(answer):
            return
        oldest = self._window.answered()
        self._rest_since_s = None
        if isinstance(oldest, Ask):
            oldest.lines.append(str(words.encode(answer.body)))
            for name in ("fv", "fb", "hp", "id"):
                if name in answer.body:
                    self._facts[name] = str(answer.body[name])
            if oldest.done is not None:
                oldest.done(oldest, answer.status)
        elif oldest is None:
            if self._phase is Phase.RUNNING:
                self._lost("out-of-step", f"the controller answered more lines than were sent{self._at()}", now)
        elif answer.status:
            self._end_run(RunEndKind.FAILED, f"line {oldest[1]}: status {answer.status}", now)
        else:
            self._acknowledged = (oldest[1], oldest[2])

    def _exception(self, body: dict[str, Any], now: float) -> None:
        """`er`: the firmware stopped by itself, or says that it could not do something."""
        text = words.fault_text(body)
        if self._phase is Phase.HOMING:
            self._phase = Phase.IDLE
            self._events.append(VerbDone(Verb.HOME, text))
        if self._stat in words.FAULTS and self._phase not in (Phase.RESETTING, Phase.FAULT):
            self._end = (RunEndKind.INTERRUPTED, f"{text}{self._at()}")
            self._conclude()
            self._abandon(text)
            self._fault(words.STATES[self._stat], text, True)

    def _by_state(self, now: float) -> None:
        resting = self._stat in words.AT_REST and self._free == self._room
        if self._phase is Phase.HOMING and self._stat == 9:
            self._homed = True
        elif self._phase is Phase.HOMING and self._homed and self._stat in words.AT_REST:
            self._phase = Phase.IDLE
            self._show(Activity.IDLE, "")
            self._events.append(VerbDone(Verb.HOME))
        elif self._phase is Phase.FLUSHING and self._stat in words.AT_REST and not self._occupied:
            self._occupied = True
            self._asks = deque([Ask("M5"), Ask("M9", self._flushed)])
        elif self._phase is Phase.RUNNING and resting and not self._window and self._held_at and not self._waits:
            self._waits = True
            what = "tool change (M6)" if words.changes_tool(self._held_at[0]) else "program stop (M0)"
            self._show(Activity.WAITING, f"{what} in line {self._held_at[1]}")
        elif self._phase is Phase.RUNNING and resting and self._done():
            self._in_run, self._feeder, self._phase = False, None, Phase.IDLE
            self._events.append(RunFinished(self._acknowledged[0]))
            self._show(Activity.IDLE, "")
        elif self._phase is Phase.IDLE and not self._in_run:
            self._show(*((Activity.RUNNING, "moving") if self._stat in words.MOVING else (Activity.IDLE, "")))

    def _done(self) -> bool:
        """Every line of the program went out and was answered."""
        return self._feeder is not None and not (self._ready or self._window or self._asks) and self._feeder.exhausted

    def _banner(self, now: float) -> None:
        """Everything in flight is gone, and it counts from where it stands."""
        expected = self._phase is Phase.RESETTING
        running = self._in_run
        if not expected:
            self._end = (RunEndKind.INTERRUPTED, f"the controller was reset{self._at()}")
            self._events.append(PositionSuspect("the controller was reset"))
        self._conclude()
        self._abandon("the controller was reset")
        if running and not expected:
            # Lines that were on the wire when it booted are taken for new ones: it must drop them.
            self._discard = True
            self._urgent += HOLD + FLUSH
        if Verb.STOP in self._verbs:
            self._verbs.remove(Verb.STOP)
            self._events.append(VerbDone(Verb.STOP))
        self._identify(now)

    # Asking, sending, ending

    def _identify(self, now: float) -> None:
        self._phase, self._due_s, self._poll_due_s = Phase.IDENTIFYING, now + PATIENCE_S, None
        self._asks = deque(Ask(text) for text in QUESTIONS)
        self._asks[-1].done = self._identified
        self._step(now)

    def _identified(self, ask: Ask, status: int) -> None:
        if self._stat in words.MOVING:  # somebody's lines before us: it is asked again when it rests
            self._asks.append(Ask('{"qr":null}'))
            self._asks.append(Ask('{"sr":null}', self._identified))
            self._due_s = self._heard_s + PATIENCE_S
            return
        self._due_s, self._tries, self._phase = None, 0, Phase.IDLE
        self._room = max(self._room, self._free)
        name = "g2core" if self._facts.get("hp", "1") not in ("1", "1.0") else "TinyG"
        self._events.append(Identified(name, self._facts.get("fb", ""), dict(self._facts)))
        self._poll_due_s = self._heard_s + POLL_IDLE_S
        self._shown = None
        if self._stat in words.FAULTS:
            self._fault(words.STATES[self._stat], f"TinyG is in state {words.STATES[self._stat]}", False)
        else:
            self._show(Activity.IDLE, "")
        if not self._ready_told:
            self._ready_told = True
            self._events.append(Ready())
        self._events += [VerbDone(verb) for verb in self._verbs]
        self._verbs = []

    def _poll(self, now: float) -> None:
        """State and queue, as lines of their own: there is no real-time query on TinyG."""
        restless = self._phase in (Phase.RUNNING, Phase.FLUSHING, Phase.HOMING)
        self._poll_due_s = now + (POLL_S if restless and not self._waits else POLL_IDLE_S)
        drained = not self._window and not self._asks
        if drained and (self._phase is not Phase.RUNNING or self._held_at is not None or self._done()):
            self._asks += [Ask('{"qr":null}'), Ask('{"sr":null}')]
        resting = self._phase is Phase.RUNNING and self._stat in words.AT_REST and bool(self._window)
        if not resting:
            self._rest_since_s = None
        elif self._rest_since_s is None:
            self._rest_since_s = now

    def _step(self, now: float) -> None:
        """Send what fits, then tell how far it is."""
        try:
            self._fill()
        except FleetctlError as error:
            self._end_run(RunEndKind.FAILED, str(error), now)
        told = (self._acknowledged[0], self._sent_line)
        if self._in_run and told != self._told:
            self._told = told
            self._events.append(Progress(*told, self._acknowledged[1]))

    def _fill(self) -> None:
        if self._asks:
            if not self._window:
                ask = self._asks.popleft()
                self._send(ask.text.encode() + b"\n", ask)
            return
        if self._phase is not Phase.RUNNING or self._feeder is None or self._held_at is not None:
            return
        while True:
            if not self._ready:
                self._ready.extend(self._feeder.take(LINES_IN_FLIGHT))
                if not self._ready:
                    return
            line = self._ready[0]
            if not self._window.fits(len(line[0])):
                return
            if why := words.refusal(line[0]):
                raise MachineError(f"{why}: {line[0].decode('latin-1').strip()}.", line=line[1])
            self._ready.popleft()
            self._sent_line = line[1]
            if words.waits(line[0]):
                self._held_at = line
                return
            self._send(line[0], line)

    def _send(self, data: bytes, tag: ProgramLine | Ask) -> None:
        self._window.sent(len(data), tag)
        self._out.append(data)

    def _end_run(self, kind: RunEndKind, reason: str, now: float) -> None:
        """Controlled: hold, and flush what is queued and buffered; nothing of that is answered any more."""
        if self._phase is not Phase.RUNNING:
            return
        self._end = (kind, reason)
        self._urgent += HOLD + FLUSH
        self._feeder = None
        self._abandon(reason)
        self._phase, self._stat, self._due_s = Phase.FLUSHING, 6, now + PATIENCE_S
        self._poll_due_s = now + POLL_S

    def _flushed(self, ask: Ask, status: int) -> None:
        self._occupied, self._due_s, self._phase = False, None, Phase.IDLE
        self._conclude()
        self._show(Activity.IDLE, "")
        self._events += [VerbDone(verb) for verb in self._verbs]
        self._verbs = []

    def _conclude(self) -> None:
        if self._in_run:
            self._in_run, self._feeder = False, None
            self._events.append(RunEnded(*self._end, self._acknowledged[0], PLANNER_BUFFERS))

    def _lost(self, fault: str, text: str, now: float) -> None:
        self._urgent += HOLD
        self._end = (RunEndKind.INTERRUPTED, text)
        self._conclude()
        self._abandon(text)
        self._fault(fault, text, True)

    def _await_reset(self, verb: Verb | None, now: float) -> None:
        if verb is not None and verb not in self._verbs:
            self._verbs.append(verb)
        self._phase, self._due_s = Phase.RESETTING, now + PATIENCE_S

    def _overdue(self, now: float) -> None:
        self._due_s = None
        if self._phase is Phase.FLUSHING:
            self._urgent += RESET
            self._events.append(PositionSuspect("the queue flush did not come to rest; the board was reset"))
            self._await_reset(None, now)
        elif self._phase is Phase.RESETTING:
            self._conclude()
            self._verbs = []
            self._fault("no-answer", "no answer to the reset; look at the machine", True)
        elif self._phase is Phase.IDENTIFYING:
            self._abandon("no answer")
            self._tries += 1
            if self._ready_told and self._tries >= TRIES:
                self._fault("no-answer", "no answer from the controller; look at the machine", False)
            else:
                self._identify(now)

    def _abandon(self, reason: str) -> None:
        """Nothing in flight will be answered."""
        lost = [tag for tag in self._window.reset() if isinstance(tag, Ask)] + list(self._asks)
        self._asks.clear()
        self._ready.clear()
        self._out.clear()
        self._occupied, self._held_at, self._waits = False, None, False
        for ask in lost:
            if ask.ticket:
                self._events.append(CommandDone(ask.ticket, (reason,), ok=False))
            elif ask.done == self._made_safe:
                self._events.append(VerbDone(Verb.MAKE_SAFE, reason))
            elif ask.done == self._homing_answered:
                self._events.append(VerbDone(Verb.HOME, reason))

    # Telling

    def _command_done(self, ask: Ask, status: int) -> None:
        self._occupied = False
        lines = (*ask.lines, f"status {status}") if status else tuple(ask.lines)
        self._events.append(CommandDone(ask.ticket, lines, ok=not status))

    def _made_safe(self, ask: Ask, status: int) -> None:
        self._events.append(VerbDone(Verb.MAKE_SAFE, f"status {status}" if status else ""))

    def _homing_answered(self, ask: Ask, status: int) -> None:
        if status:
            self._phase = Phase.IDLE
            self._events.append(VerbDone(Verb.HOME, f"status {status}"))

    def _need_idle(self) -> None:
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase is not Phase.IDLE or self._occupied:
            raise MachineBusy("The machine is doing something else.")

    def _show(self, activity: Activity, reason: str) -> None:
        if self._shown != (activity, reason):
            self._shown = (activity, reason)
            waiting = activity is Activity.WAITING
            self._events.append(WaitingForPerson(reason) if waiting else StateChanged(activity, reason))

    def _fault(self, kind: str, text: str, position_lost: bool) -> None:
        self._phase, self._due_s = Phase.FAULT, None
        self._poll_due_s = None
        self._shown = (Activity.FAULT, text)
        self._events.append(MachineFault(kind, text, position_lost))

    def _at(self) -> str:
        return f" after line {self._acknowledged[0]} of the program" if self._in_run else ""
