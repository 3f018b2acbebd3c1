"""What the Marlin engine remembers, and how it tells what became of a run or a fault.

The lowest of its four layers: `state`, `sending`, `answers`, `engine`; each calls only those below. It must not know
what the board said or what is sent next.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from fleetctl.errors import MachineBusy, MachineError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    EngineEvent,
    MachineFault,
    RunEnded,
    RunEndKind,
    StateChanged,
    Verb,
    VerbDone,
)
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lines import LineSplitter

from . import words
from .identify import Greeting
from .link import MOST_LINES, Ask, NumberedLink
from .quirks import UNKNOWN
from .watch import AnswerWatch, Pace

POLL_S = 5.0
"""How often what a firmware does not report by itself is asked for."""

TAKEN_LINES = 4
"""How far back a slow line may still hold up a firmware that says ok when it has read one (Repetier: one in work, one
or two in its buffer)."""


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


# Tuples: an enum hashes in Python, and these are asked with every line of the board.
RUN_IN_HAND = (Phase.RUNNING, Phase.PAUSED, Phase.FINISHING, Phase.ENDING)
DEAF = (Phase.CLOSED, Phase.GREETING, Phase.FAULT)
"""Phases in which no numbered line may go out."""


class MarlinState:
    """The fields of the engine; see `fleetctl.protocol.engine.Engine` for what they serve."""

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        """`most_lines`: in flight at once at the most, whatever the firmware says of its room."""
        self._phase = Phase.CLOSED
        self._lines = LineSplitter()
        self._link = NumberedLink(most_lines)
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
        self._quirks = UNKNOWN
        self._was_asked = False
        self._oks_are_named = False
        self._late: deque[Ask] = deque()
        self._late_due_s: float | None = None
        self._collector: Ask | None = None
        self._answer_over_s: float | None = None
        self._half_error = ""
        self._half_error_due_s: float | None = None
        self._idle_at_number = -1
        self._card_prints = False
        self._has_card = False
        """Whether it has answered to M27."""
        self._stopped_by_us = False
        self._targets_degc = {"T0": 0.0}
        self._reheat: list[str] = []
        self._ok_has_temperature = False
        self._poll_due_s: float | None = None
        self.first_poll_s = POLL_S
        self._resend_ok_due_s: float | None = None
        self._in_step_by_s: float | None = None
        self._clearing = False
        self._was_in_step = False
        self._waiting = False
        self._waiting_since_s = 0.0
        self._prompt = ""
        self._choices: list[str] = []
        self._asked_a_person = False
        self._was_woken = False
        self._feeder: Feeder | None = None
        self._acknowledged_line = 0
        self._acknowledged_bytes = 0
        self._sent_line = 0
        self._told = (0, 0)
        self._end = (RunEndKind.CANCELLED, "")

    # Telling

    def _tell(self, activity: Activity, reason: str) -> None:
        self._events.append(StateChanged(activity, reason))

    def _enter(self, phase: Phase, reason: str) -> None:
        self._phase = phase
        if phase is Phase.IDLE:
            self._link.settle()
        self._tell(Activity.RUNNING if phase is Phase.RUNNING else Activity.IDLE, reason)

    def _at(self) -> str:
        """Where in the program, for a reason."""
        if self._phase not in RUN_IN_HAND:
            return ""
        return f" after line {self._acknowledged_line} of the program"

    def _ended(self, kind: RunEndKind, reason: str, *, depth: int | None = None) -> None:
        """`depth`: acknowledged moves that may not have been executed; None: as many as this firmware holds."""
        if self._phase in RUN_IN_HAND:
            held = self._quirks.planner_depth if depth is None else depth
            self._events.append(RunEnded(kind, reason, self._acknowledged_line, held, self._acknowledged_bytes))
            self._feeder = None

    def _break_off(self, kind: RunEndKind, reason: str, *, fault: str, position_lost: bool, text: str = "") -> None:
        """At once: the machine does not listen any more, or must not be fed."""
        self._ended(kind, reason)
        self._abandon(reason)
        self._phase = Phase.FAULT
        self._greeting.due_s = self._poll_due_s = self._resend_ok_due_s = None
        self._half_error = ""
        self._half_error_due_s = self._answer_over_s = self._late_due_s = None
        self._watch.alive()
        self._waiting = False
        self._events.append(MachineFault(fault, text or reason, position_lost))

    def _abandon(self, reason: str) -> None:
        """Nothing that was asked or sent will be answered."""
        lost = [ask for ask in (*self._link.reset(), *self._asks) if isinstance(ask, Ask)]
        if self._collector is not None and self._collector not in lost:
            lost.append(self._collector)
        for ask in lost:
            if ask.ticket:
                self._events.append(CommandDone(ask.ticket, (reason,), ok=False))
            elif ask.done == self._homed:
                self._events.append(VerbDone(Verb.HOME, reason))
        self._asks = []
        self._late.clear()
        self._collector = None
        self._occupied = False

    # Asking itself

    def _can(self, capability: str) -> bool:
        return self._facts.get(f"cap:{capability}") == "1"

    @property
    def _checks_order(self) -> bool:
        """Whether the answer to a later line proves that the earlier ones arrived; a firmware that has asked for a
        line by number has shown that it does."""
        return self._quirks.checks_order or self._was_asked

    def _pace(self) -> Pace:
        oldest = self._link.oldest
        if oldest is None:
            return Pace.SLOW if self._late else Pace.QUICK
        if self._quirks.taken_is_ok:
            return self._pace_behind()
        return self._pace_of(words.code(oldest.text.encode() if isinstance(oldest, Ask) else oldest[0]))

    def _pace_behind(self) -> Pace:
        """What was read before may still be in work, and the line in flight waits for it."""
        history = self._link.history
        first = max(history.oldest_number, history.next_number - TAKEN_LINES)
        codes = [words.code(history.line(number)) for number in range(first, history.next_number)]
        return Pace.QUICK if all(self._pace_of(code) is Pace.QUICK for code in codes) else Pace.SLOW

    def _pace_of(self, code: bytes) -> Pace:
        if code in words.PERSON_CODES or code in self._quirks.waits_for_person:
            return Pace.PERSON
        slow = code in words.SLOW_CODES or code in self._quirks.slow
        return Pace.SLOW if slow else Pace.QUICK

    def _need_idle(self) -> None:
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase is not Phase.IDLE or self._occupied:
            raise MachineBusy("It is busy; ask again when it is idle.")
        if self._card_prints:
            raise MachineBusy(
                "It prints a file from its own card.", hint="Wait for its end, or stop it at its panel."
            )

    def _homed(self, ask: Ask, now: float) -> None:
        self._occupied = False
        self._collector = None
        self._tell(Activity.IDLE, "")
        self._events.append(VerbDone(Verb.HOME, " ".join(ask.lines) if ask.failed else ""))
