"""The Marlin protocol without input and output: one state machine over numbered, checksummed lines.

It must not know transports, files or runs' ids. Lines in flight are `link`, the greeting `identify`, the words
`words`, the clocks for a missing answer `watch`. The facts behind the rules are in this folder's README.
"""

from __future__ import annotations

from enum import Enum, auto

from fleetctl.driver.outcome import Verb, VerbDone
from fleetctl.errors import FleetctlError, MachineBusy, MachineError, UsageError
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
    Temperatures,
    WaitingForPerson,
)
from fleetctl.protocol.feeder import Feeder, frame_line
from fleetctl.protocol.lines import LineSplitter
from fleetctl.protocol.numbering import Request

from . import words
from .identify import Greeting
from .link import Ask, Done, NumberedLink, Sent
from .watch import AnswerWatch, Overdue, Pace
from .words import Word

PLANNER_DEPTH = 16
"""BLOCK_BUFFER_SIZE of Marlin's defaults: acknowledged moves that may not have been executed."""

RESEND_OK_S = 0.5
"""Of two Marlin sources one follows `Resend:` with an `ok` and the other does not; OctoPrint waits as long."""

POLL_S = 5.0
CLEARING_S = 10.0


class Phase(Enum):
    """What the engine is doing."""

    CLOSED = auto()
    GREETING = auto()
    IDENTIFYING = auto()
    IDLE = auto()
    RUNNING = auto()
    PAUSED = auto()
    FINISHING = auto()
    ENDING = auto()
    FAULT = auto()


RUN_IN_HAND = frozenset({Phase.RUNNING, Phase.PAUSED, Phase.FINISHING, Phase.ENDING})


class MarlinEngine:
    """`fleetctl.protocol.engine.Engine` for the Marlin family."""

    urgent_is_lines = True

    def __init__(self) -> None:
        self._phase = Phase.CLOSED
        self._lines = LineSplitter()
        self._link = NumberedLink()
        self._greeting = Greeting()
        self._watch = AnswerWatch()
        self._events: list[EngineEvent] = []
        self._urgent: list[bytes] = []
        self._raw: list[bytes] = []
        self._discard = False
        self._asks: list[Ask] = []
        self._tickets = 0
        self._occupied = False
        self._facts: dict[str, str] = {}
        self._targets_degc = {"T0": 0.0}
        self._reheat: list[str] = []
        self._ok_has_temperature = False
        self._poll_due_s: float | None = None
        self._resend_ok_due_s: float | None = None
        self._clearing_due_s: float | None = None
        self._waiting = False
        self._prompt = ""
        self._feeder: Feeder | None = None
        self._acknowledged_line = 0
        self._acknowledged_bytes = 0
        self._sent_line = 0
        self._told = (0, 0)
        self._end = (RunEndKind.CANCELLED, "")

    # Bytes and time

    def connected(self, now: float) -> None:
        """Greet the board."""
        self._greet(now)

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the board."""
        for line in self._lines.feed(data):
            self._line(line, now)
        self._step(now)

    def elapse(self, now: float) -> None:
        """Act on what is due."""
        self._greeting.elapse(now)
        if self._resend_ok_due_s is not None and now >= self._resend_ok_due_s:
            self._resend_ok_due_s = None
        if self._clearing_due_s is not None and now >= self._clearing_due_s:
            self._not_cleared()
        overdue = self._watch.overdue(now)
        if overdue is Overdue.ASK and self._pace() is Pace.PERSON:
            self._wait_for_person()
        elif overdue is Overdue.ASK:
            self._ask_again()
        elif overdue is Overdue.GIVE_UP:
            self._answer_lost()
        if self._poll_due_s is not None and now >= self._poll_due_s:
            self._poll_due_s = now + POLL_S
            if self._phase in RUN_IN_HAND or self._phase is Phase.IDLE:
                self._add_polls()
        self._step(now)

    def next_deadline(self) -> float | None:
        """The earliest of all that is due."""
        due = (
            self._greeting.due_s,
            self._resend_ok_due_s,
            self._clearing_due_s,
            self._watch.due_s,
            self._poll_due_s,
        )
        return min((time for time in due if time is not None), default=None)

    def take_output(self) -> bytes:
        """What must go out now."""
        output = b"".join((*self._raw, *self._greeting.output, *self._link.output))
        self._raw.clear()
        self._greeting.output.clear()
        self._link.output.clear()
        return output

    def take_urgent(self) -> bytes:
        """Emergency lines."""
        urgent = b"".join(self._urgent)
        self._urgent.clear()
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
        self._feeder = feeder
        self._reheat = []
        self._acknowledged_line = self._acknowledged_bytes = self._sent_line = 0
        self._told = (0, 0)
        self._enter(Phase.RUNNING, "")
        self._step(now)

    def pause(self, now: float) -> None:
        """Feed no more, let the planner run dry (M400), then say so."""
        if self._phase is not Phase.RUNNING:
            raise MachineError("There is no running program to pause.")
        self._hold("paused")
        self._step(now)

    def resume(self, now: float) -> None:
        """Feed on, or wake the firmware from its wait."""
        if self._waiting:
            self._wake()
        elif self._phase is Phase.PAUSED:
            self._go_on()
        else:
            raise MachineError("There is no paused program.")
        self._step(now)

    def cancel(self, now: float) -> None:
        """Feed no more; heaters off; done when the planner is dry."""
        if self._phase not in RUN_IN_HAND:
            raise MachineError("There is no run to cancel.")
        self._end_run(RunEndKind.CANCELLED, "cancelled")
        self._step(now)

    def stop(self, now: float) -> None:
        """M112 as plain text for those that look at every byte, and numbered for those that check numbers."""
        self._discard = True
        numbered = frame_line(self._link.history.next_number, b"M112")
        self._urgent = [b"\nM112\n", numbered, b"M104 S0\nM140 S0\n"]
        self._raw.clear()
        self._break_off(RunEndKind.INTERRUPTED, "software stop", fault="stop", position_lost=True)

    def command(self, text: str, now: float) -> int:
        """One line outside a run."""
        line = text.strip()
        if not line or not line.isascii() or not line.isprintable() or line[0] in "Nn" or "M110" in line.upper():
            raise UsageError(f"{text!r} cannot be sent.", hint="Give one command without line number, and not M110.")
        self._need_idle()
        return self._ask(line, self._command_done, ticket=True, now=now)

    def clear_fault(self, now: float) -> None:
        """M999 for firmware that only stopped, then greet anew; a board that was killed needs its reset."""
        if self._phase in RUN_IN_HAND:
            raise MachineBusy("A run is in hand.")
        self._raw.append(b"\nM999 S1\n")
        self._clearing_due_s = now + CLEARING_S
        self._greet(now)

    def home(self, now: float) -> None:
        """G28."""
        self._need_idle()
        self._ask("G28", self._homed, now=now)
        self._tell(Activity.RUNNING, "homing")

    def make_safe(self, now: float) -> None:
        """Heaters and fan off."""
        if self._phase in (Phase.FAULT, Phase.GREETING, Phase.CLOSED):
            self._raw.append("\n".join(["", *self._safe_lines(), ""]).encode())
            self._events.append(
                VerbDone(Verb.MAKE_SAFE, "Heaters off was sent; a halted firmware does not answer. Look at the machine.")
            )
            return
        if self._waiting:
            self._events.append(
                VerbDone(Verb.MAKE_SAFE, "The firmware waits for a person and takes no command; its heat stays on.")
            )
            return
        if self._phase is Phase.PAUSED and not self._reheat:
            self._reheat = self._heating_lines()
        for line in self._safe_lines():
            self._asks.append(Ask(line))
        self._asks[-1].done = lambda ask, now: self._events.append(VerbDone(Verb.MAKE_SAFE))
        self._step(now)

    # Lines from the board

    def _line(self, line: bytes, now: float) -> None:
        word = words.classify(line)
        if self._resend_ok_due_s is not None:
            self._resend_ok_due_s = None
            if word is Word.OK:
                return
        if word is Word.OK:
            self._ok(line, now)
        elif word is Word.BANNER:
            self._banner(now)
        elif word is Word.HALT:
            self._halted(line.decode("latin-1"))
        elif self._phase in (Phase.GREETING, Phase.FAULT, Phase.CLOSED):
            return
        elif word is Word.BUSY:
            self._watch.busy_seen = True
            self._watch.alive()
        elif word is Word.WAITS_FOR_PERSON:
            self._watch.busy_seen = True
            self._wait_for_person()
        elif word is Word.RESEND:
            self._resend(line, now)
        elif word is Word.TEMPERATURES:
            self._temperatures(line)
        elif word is Word.ACTION:
            self._action(line.decode("latin-1").partition("action:")[2].strip())
        elif word is Word.ERROR:
            self._error(line.decode("latin-1"))
        elif word is Word.TEXT:
            self._text(line)

    def _ok(self, line: bytes, now: float) -> None:
        if self._phase is Phase.GREETING:
            if self._greeting.ok(now):
                self._identify()
            return
        if self._phase is Phase.FAULT or self._proves_nothing(line, now):
            return
        tag = self._link.answered()
        if (free := words.free_buffer(line)) is not None:
            self._link.learn_window(free)
        self._watch.alive()
        if self._waiting:
            self._waiting = False
            self._tell(Activity.PAUSED if self._phase is Phase.PAUSED else Activity.RUNNING, "")
        self._answered(tag, now)

    def _proves_nothing(self, line: bytes, now: float) -> bool:
        """Use what only one kind of line can be answered with to tell a lost ok and a surplus one (see README)."""
        if b"T:" in line:
            self._temperatures(line)
            if not any(isinstance(tag, Ask) and tag.text == "M105" for tag in self._link.window.tags()):
                return self._ok_has_temperature
            while not (isinstance(oldest := self._link.oldest, Ask) and oldest.text == "M105"):
                self._answered(self._link.answered(), now)
            self._ok_has_temperature = True
            return False
        oldest = self._link.oldest
        if not isinstance(oldest, Ask):
            return oldest is None and not self._link.window
        if oldest.text == "M105":
            return self._ok_has_temperature
        return oldest.wants_answer and not oldest.lines

    def _answered(self, tag: Sent, now: float) -> None:
        if isinstance(tag, tuple):
            self._acknowledged_line = tag[1]
            self._acknowledged_bytes = tag[2]
        elif isinstance(tag, Ask) and tag.done is not None:
            tag.done(tag, now)

    def _resend(self, line: bytes, now: float) -> None:
        number = words.resend_number(line)
        if number is None:
            return
        self._resend_ok_due_s = now + RESEND_OK_S
        self._watch.alive()
        request = self._link.requested(number)
        if request is Request.LOST or request is Request.GIVE_UP:
            why = "a line that was never sent" if request is Request.LOST else "the same line too often"
            reason = f"the firmware asks for {why} ({number}){self._at()}"
            self._break_off(RunEndKind.INTERRUPTED, reason, fault="resend", position_lost=self._moving())

    def _temperatures(self, line: bytes) -> None:
        readings = words.temperatures(line)
        if readings:
            self._targets_degc.update((name, target) for name, (_, target) in readings.items())
            self._events.append(Temperatures(readings))
        if b" W:" in line:  # only M109 and M190 say how long they still wait; automatic reports come always
            self._watch.alive()

    def _text(self, line: bytes) -> None:
        position = words.position(line)
        if position is not None:
            self._events.append(Position(position))
        oldest = self._link.oldest
        if isinstance(oldest, Ask):
            oldest.lines.append(line.decode("latin-1"))

    def _error(self, text: str) -> None:
        """An error that nobody has classified: stop in a controlled way rather than make a bad part."""
        oldest = self._link.oldest
        if isinstance(oldest, Ask):
            oldest.lines.append(text)
            oldest.failed = True
        elif self._phase in RUN_IN_HAND:
            self._end_run(RunEndKind.FAILED, f"{text}{self._at()}")

    def _banner(self, now: float) -> None:
        """The board was reset: nothing in flight exists any more."""
        if self._phase is Phase.GREETING:
            self._greeting.banner(now)
            return
        moved = self._phase in RUN_IN_HAND
        self._ended(RunEndKind.INTERRUPTED, f"the board was reset{self._at()}")
        self._events.append(PositionSuspect("the board was reset" + (" during a run" if moved else "")))
        self._greet(now)
        self._greeting.banner(now)

    def _halted(self, text: str) -> None:
        kind = words.halt_kind(text)
        if self._phase is Phase.FAULT:
            if kind == "kill":
                self._events.append(VerbDone(Verb.STOP))
            return
        self._break_off(RunEndKind.FAILED, f"{text}{self._at()}", fault=kind, position_lost=True, text=text)

    def _action(self, action: str) -> None:
        """What the machine's own panel or firmware tells the host (Marlin, host_actions.cpp)."""
        verb, _, text = action.partition(" ")
        if verb == "prompt_begin":
            self._prompt = text
        elif verb == "prompt_show":
            self._wait_for_person()
        elif verb in ("pause", "paused") and self._phase is Phase.RUNNING:
            self._hold("paused at the machine")
        elif verb in ("resume", "resumed") and self._phase is Phase.PAUSED:
            self._go_on()
        elif verb == "cancel" and self._phase in RUN_IN_HAND:
            self._end_run(RunEndKind.CANCELLED, "cancelled at the machine")

    # Greeting

    def _greet(self, now: float) -> None:
        self._abandon("the board is greeted anew")
        self._phase = Phase.GREETING
        self._lines.reset()
        self._greeting.begin(now)
        self._poll_due_s = self._resend_ok_due_s = None
        self._waiting = False

    def _identify(self) -> None:
        self._abandon("numbers begin anew")
        self._phase = Phase.IDENTIFYING
        self._asks = [Ask("M115", self._identified, wants_answer=True)]

    def _identified(self, ask: Ask, now: float) -> None:
        firmware, version, self._facts = words.firmware_facts(ask.lines)
        self._events.append(Identified(firmware, version, self._facts))
        if self._can("AUTOREPORT_TEMP"):
            self._asks.append(Ask("M155 S2"))
        if self._can("AUTOREPORT_POS"):
            self._asks.append(Ask("M154 S2"))
        self._asks += [Ask("M113 S2"), Ask("M105"), Ask("M114", self._in_step, wants_answer=True)]

    def _in_step(self, ask: Ask, now: float) -> None:
        self._clearing_due_s = None
        self._poll_due_s = now + POLL_S
        self._enter(Phase.IDLE, "")
        self._events += [Ready(), VerbDone(Verb.CLEAR_FAULT)]

    def _can(self, capability: str) -> bool:
        return self._facts.get(f"cap:{capability}") == "1"

    def _not_cleared(self) -> None:
        self._clearing_due_s = None
        hint = "The board does not answer. Press its reset button or switch it off and on."
        self._events.append(VerbDone(Verb.CLEAR_FAULT, hint))

    # What goes out

    def _step(self, now: float) -> None:
        """Send what may be sent, then see what that leaves to wait for."""
        if self._phase not in (Phase.GREETING, Phase.FAULT, Phase.CLOSED) and self._resend_ok_due_s is None:
            self._fill()
            self._finish_program()
        told = (self._acknowledged_line, self._sent_line)
        if told != self._told and self._phase in RUN_IN_HAND:
            self._told = told
            self._events.append(Progress(self._acknowledged_line, self._sent_line, self._acknowledged_bytes))
        if self._waiting or not self._link.window:
            self._watch.alive()
        else:
            self._watch.arm(now, self._pace())

    def _fill(self) -> None:
        link = self._link
        if link.repeating:
            link.repeat()
        while self._asks and link.room() > 0 and not link.repeating:
            link.send(self._asks.pop(0))
        if self._phase is Phase.RUNNING and self._feeder is not None and link.room() > 0 and not link.repeating:
            try:
                last = link.feed(self._feeder)
            except FleetctlError as error:
                self._end_run(RunEndKind.FAILED, str(error))
                return
            if last is not None:
                self._sent_line = last[1]

    def _finish_program(self) -> None:
        """An ok means accepted: the program is done when the planner has run dry."""
        if self._phase is Phase.RUNNING and self._feeder is not None and self._feeder.exhausted:
            self._phase = Phase.FINISHING
            self._drain(self._finished)
            self._fill()

    def _drain(self, done: Done) -> None:
        self._asks += [Ask("M400"), Ask("M114", done, wants_answer=True)]

    def _finished(self, ask: Ask, now: float) -> None:
        if self._phase is Phase.FINISHING:
            self._events.append(RunFinished(self._acknowledged_line))
            self._feeder = None
            self._enter(Phase.IDLE, "")

    def _add_polls(self) -> None:
        """Readings that the firmware does not report by itself, and at least one as a sign of life; never more
        than one of a kind under way."""
        under_way = {ask.text for ask in (*self._asks, *self._link.window.tags()) if isinstance(ask, Ask)}
        unreported = ["M114"] if not self._can("AUTOREPORT_POS") else []
        if not self._can("AUTOREPORT_TEMP") or not unreported:
            unreported.append("M105")
        self._asks += [self._poll(question) for question in unreported if question not in under_way]

    def _poll(self, question: str) -> Ask:
        return Ask(question, wants_answer=question == "M114", is_poll=True)

    def _pace(self) -> Pace:
        oldest = self._link.oldest
        if oldest is None:
            return Pace.QUICK
        code = words.code(oldest.text.encode() if isinstance(oldest, Ask) else oldest[0])
        if code in words.SLOW_CODES:
            return Pace.SLOW
        return Pace.PERSON if code in words.PERSON_CODES else Pace.QUICK

    # Commands of a person

    def _need_idle(self) -> None:
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase is not Phase.IDLE or self._occupied:
            raise MachineBusy("The machine is doing something else.")

    def _ask(self, text: str, done: Done, *, ticket: bool = False, now: float) -> int:
        self._tickets += ticket
        self._occupied = True
        self._asks.append(Ask(text, done, ticket=self._tickets if ticket else 0))
        self._step(now)
        return self._tickets

    def _command_done(self, ask: Ask, now: float) -> None:
        self._occupied = False
        self._events.append(CommandDone(ask.ticket, tuple(ask.lines), not ask.failed))

    def _homed(self, ask: Ask, now: float) -> None:
        self._occupied = False
        self._tell(Activity.IDLE, "")
        self._events.append(VerbDone(Verb.HOME, " ".join(ask.lines) if ask.failed else ""))

    def _safe_lines(self) -> list[str]:
        tools = sorted(name[1:] for name in self._targets_degc if name[0] == "T")
        lines = ["M104 S0"] if len(tools) < 2 else [f"M104 T{tool} S0" for tool in tools]
        chamber = ["M141 S0"] if "C" in self._targets_degc else []
        fan = [] if self._phase is Phase.PAUSED else ["M107"]
        return [*lines, "M140 S0", *chamber, *fan]

    def _heating_lines(self) -> list[str]:
        """What brings the heat back that is asked for now."""
        lines = []
        for name, target in sorted(self._targets_degc.items()):
            if target > 0:
                tool = f" T{name[1:]}" if name != "T0" else ""
                code = {"B": "M190", "C": "M191"}.get(name[0], "M109")
                lines.append(f"{code}{tool if code == 'M109' else ''} S{target:g}")
        return lines

    def _abandon(self, reason: str) -> None:
        """Nothing that was asked or sent will be answered."""
        for ask in (*self._link.reset(), *self._asks):
            if isinstance(ask, Ask) and ask.ticket:
                self._events.append(CommandDone(ask.ticket, (reason,), ok=False))
            elif isinstance(ask, Ask) and ask.done == self._homed:
                self._events.append(VerbDone(Verb.HOME, reason))
        self._asks = []
        self._occupied = False

    # Waits and ends

    def _hold(self, reason: str) -> None:
        self._phase = Phase.PAUSED

        def at_rest(ask: Ask, now: float) -> None:
            if self._phase is Phase.PAUSED:
                self._tell(Activity.PAUSED, reason)

        self._drain(at_rest)

    def _go_on(self) -> None:
        """After a pause that was too long for the heat, it comes back first: bed, then tools."""
        self._asks += [Ask(line) for line in self._reheat]
        self._reheat = []
        self._enter(Phase.RUNNING, "")

    def _wait_for_person(self) -> None:
        if not self._waiting and self._link.window:
            self._waiting = True
            self._events.append(WaitingForPerson(self._prompt or "the machine waits for a person"))
            self._prompt = ""

    def _wake(self) -> None:
        if not self._can("EMERGENCY_PARSER"):
            raise MachineError("This firmware hears nothing while it waits.", hint="Press the button at the machine.")
        self._urgent.append(b"M108\n")

    def _end_run(self, kind: RunEndKind, reason: str) -> None:
        """Controlled: heaters off, planner dry, then the end is told."""
        if self._phase is Phase.ENDING:
            return
        self._end = (kind, reason)
        self._phase = Phase.ENDING
        self._feeder = None
        if self._can("EMERGENCY_PARSER") and (self._waiting or self._pace() is not Pace.QUICK):
            self._urgent.append(b"M108\n")
        self._asks = [ask for ask in self._asks if not ask.is_poll] + [Ask(line) for line in self._safe_lines()]
        self._drain(self._run_is_over)

    def _run_is_over(self, ask: Ask, now: float) -> None:
        if self._phase is Phase.ENDING:
            kind, reason = self._end
            self._ended(kind, reason, depth=0)
            self._enter(Phase.IDLE, "")

    def _ended(self, kind: RunEndKind, reason: str, *, depth: int = PLANNER_DEPTH) -> None:
        if self._phase in RUN_IN_HAND:
            self._events.append(RunEnded(kind, reason, self._acknowledged_line, depth))
            self._feeder = None

    def _break_off(
        self, kind: RunEndKind, reason: str, *, fault: str, position_lost: bool, text: str = ""
    ) -> None:
        """At once: the machine does not listen any more, or must not be fed."""
        self._ended(kind, reason)
        self._abandon(reason)
        self._phase = Phase.FAULT
        self._greeting.due_s = self._poll_due_s = self._resend_ok_due_s = None
        self._watch.alive()
        self._waiting = False
        self._events.append(MachineFault(fault, text or reason, position_lost))

    def _ask_again(self) -> None:
        """No answer in time. A poll that went unanswered is given up, so that the next answer is not taken for its."""
        self._lines.reset()  # the beginning of a line whose end was lost would spoil the next one
        while isinstance(oldest := self._link.oldest, Ask) and oldest.is_poll:
            self._link.answered()
        self._link.ask_over_the_window(self._poll("M105"))

    def _answer_lost(self) -> None:
        if self._phase is Phase.IDENTIFYING:
            return
        reason = f"no answer from the firmware{self._at()}"
        self._break_off(RunEndKind.INTERRUPTED, reason, fault="no-answer", position_lost=self._moving())

    def _moving(self) -> bool:
        return self._phase in RUN_IN_HAND

    def _at(self) -> str:
        """Where in the program, for a reason."""
        if self._phase not in RUN_IN_HAND:
            return ""
        return f" after line {self._acknowledged_line} of the program"

    def _enter(self, phase: Phase, reason: str) -> None:
        self._phase = phase
        self._tell(Activity.RUNNING if phase is Phase.RUNNING else Activity.IDLE, reason)

    def _tell(self, activity: Activity, reason: str) -> None:
        self._events.append(StateChanged(activity, reason))
