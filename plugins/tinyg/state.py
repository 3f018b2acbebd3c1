"""What the TinyG engine remembers, and how it tells what became of a run or a fault.

The lowest of its layers: `state`, `ending`, `checking`, `waiting`, `answers`, `modes`, `jogging`, `offsets`,
`probing`, `overriding`, `engine`; each calls only those below. It must not know what the controller said or what is
sent next.
"""

from __future__ import annotations

from enum import Enum, auto

from fleetctl.errors import MachineBusy, MachineError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    EngineEvent,
    MachineFault,
    Ready,
    RunEnded,
    RunEndKind,
    RunRefused,
    StateChanged,
    Verb,
    VerbDone,
    WaitingForPerson,
)
from fleetctl.protocol.lines import LineSplitter

from .dialects import TINYG, Dialect
from .report import Point, Report
from .sender import Ask, Sender


class Phase(Enum):
    """What the engine is doing."""

    CLOSED = auto()
    IDENTIFYING = auto()
    IDLE = auto()
    HOMING = auto()
    CHECKING = auto()
    RUNNING = auto()
    FLUSHING = auto()
    RESETTING = auto()
    FAULT = auto()


class TinygState:
    """The fields of the engine; see `fleetctl.protocol.engine.Engine` for what they serve."""

    def __init__(self) -> None:
        self._phase = Phase.CLOSED
        self._now = 0.0
        self._splitter = LineSplitter()
        self._sender = Sender()
        self._report = Report()
        self._dialect: Dialect = TINYG
        self._events: list[EngineEvent] = []
        self._urgent = b""
        self._discard = False
        self._facts: dict[str, str] = {}
        self._extras: set[int] = set()
        self._shown: tuple[Activity, str] | None = None
        self._ready_told = self._occupied = False
        self._fault_kind = ""
        self._verbs: list[Verb] = []
        self._tickets = 0
        self._tries = 0
        self._poll_due_s: float | None = None
        self._due_s: float | None = None
        self._heard_s = 0.0
        self._rest_since_s: float | None = None
        self._moving_since_s: float | None = None
        # A run
        self._in_run = self._waits = self._paused = self._made_safe_in_hold = False
        self._expected_mm: dict[str, Point] = {}
        self._check_asks: list[Ask] = []
        self._back_on: list[str] = []
        self._start_due_s: float | None = None
        self._resumed_s = 0.0
        self._end = (RunEndKind.CANCELLED, "")
        self._fault_after: tuple[str, str, bool] | None = None
        self._acknowledged = (0, 0)
        self._told = (0, 0)
        self._since_told = 0
        self._depth: int | None = None

    # Telling

    def _show(self, activity: Activity, reason: str) -> None:
        """Told once per change."""
        if self._shown != (activity, reason):
            self._shown = (activity, reason)
            waiting = activity is Activity.WAITING
            self._events.append(WaitingForPerson(reason) if waiting else StateChanged(activity, reason))

    def _tell_ready(self) -> None:
        if not self._ready_told:
            self._ready_told = True
            self._events.append(Ready())

    def _fault(self, kind: str, text: str, position_lost: bool) -> None:
        self._phase, self._due_s, self._poll_due_s = Phase.FAULT, None, None
        self._fault_kind = kind
        self._shown = (Activity.FAULT, text)
        self._events.append(MachineFault(kind, text, position_lost))

    def _conclude(self) -> None:
        """The run in hand ends as `_end` says."""
        if self._in_run:
            depth = self._moves_planned() if self._depth is None else self._depth
            self._in_run = self._paused = self._waits = False
            self._sender.end()
            line, ends_at_bytes = self._acknowledged
            self._events.append(RunEnded(*self._end, line, depth, ends_at_bytes))

    def _moves_planned(self) -> int:
        """Moves that were answered and may not be carried out: one takes a planner buffer at least, so as many as
        buffers were in use when it last told, and lines answered since; the whole planner where it does not tell.
        None of them while a person is waited for, for everything before is carried out then."""
        if self._waits:
            return 0
        most = self._dialect.planner_buffers
        planned = self._report.planned
        return most if planned is None else max(1, min(most, planned + self._since_told))

    def _refuse(self, reason: str, hint: str = "") -> None:
        """The run for which the controller is being asked does not begin."""
        if self._phase is Phase.CHECKING:
            self._sender.end()
            for ask in self._check_asks:
                if ask in self._sender.asks:
                    self._sender.asks.remove(ask)
            self._check_asks = []
            self._phase, self._due_s = Phase.IDLE, None
            self._events.append(RunRefused(reason, hint))

    def _abandon(self, reason: str) -> None:
        """Nothing in flight will be answered."""
        self._refuse(f"It did not begin: {reason}.")
        for ask in self._sender.reset():
            if ask.lost is not None:
                ask.lost(reason)
            elif ask.ticket:
                self._events.append(CommandDone(ask.ticket, (reason,), ok=False))
        self._occupied = self._waits = self._paused = False
        self._start_due_s = None

    def _verb_lost(self, verb: Verb, reason: str) -> None:
        self._events.append(VerbDone(verb, reason))

    def _at(self) -> str:
        return f" after line {self._acknowledged[0]} of the program" if self._in_run else ""

    def _need_idle(self) -> None:
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase is not Phase.IDLE or self._occupied:
            raise MachineBusy("The machine is doing something else.")

    def _need_rest(self) -> None:
        """Idle, not moving, and nothing else asked for."""
        self._need_idle()
        if not self._report.at_rest:
            raise MachineBusy(f"{self._dialect.firmware} is {self._dialect.state_text(self._report.stat)}.")
