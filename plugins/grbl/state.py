"""What the Grbl engine remembers, and how it tells what became of a run or a fault.

The lowest of its layers: `state`, `ending`, `checking`, `changing`, `answers`, `engine`; each calls only those below.
It must not know what the controller said or what is sent next.
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

from .buffer_watch import BufferWatch
from .dialects import GRBL, LEGACY, Dialect, Signs
from .sender import Ask, Sender
from .status import Point, Status, StatusReader

DEFAULT_PLANNER_BLOCKS = 15


class Phase(Enum):
    """What the engine is doing."""

    CLOSED = auto()
    GREETING = auto()
    IDENTIFYING = auto()
    IDLE = auto()
    CHECKING = auto()
    RUNNING = auto()
    HOLDING = auto()
    RESETTING = auto()
    FAULT = auto()


class GrblState:
    """The fields of the engine; see `fleetctl.protocol.engine.Engine` for what they serve."""

    def __init__(self) -> None:
        self._phase = Phase.CLOSED
        self._now = 0.0
        self._lines = LineSplitter()
        self._reader = StatusReader()
        self._sender = Sender()
        self._watch = BufferWatch()
        self._dialect: Dialect = GRBL
        self._signs: Signs = LEGACY
        self._status_now: Status | None = None
        self._switches_told: tuple[str, str] | None = None
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
        self._resets_left = 0
        self._unlock = False
        self._alarm_on_opening = 0
        self._in_check_mode = self._leaves_check_mode = False
        self._strays = 0
        self._reset_on_opening = False
        self._identify_tries = 0
        self._knows_who = False
        self._most_free_bytes = 0
        self._verbs_after_reset: list[Verb] = []
        self._expected_mm: dict[str, Point] = {}
        self._expected_dialect = ""
        self._expected_laser: bool | None = None
        self._expected_full_speed: float | None = None
        self._offset_lines: list[str] = []
        self._check_asks: list[Ask] = []
        self._changing = self._change_waits = False
        self._waits_for = ""
        self._noted = (0, "")
        self._back_on: list[str] = []
        self._tool = ""
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

    # Telling

    def _show(self, activity: Activity, reason: str) -> None:
        """Told once per change."""
        if self._shown == (activity, reason):
            return
        self._shown = (activity, reason)
        if activity is Activity.WAITING:
            self._events.append(WaitingForPerson(reason))
        else:
            self._events.append(StateChanged(activity, reason))

    def _tell_fault(self, fault: str, text: str, position_lost: bool) -> None:
        self._shown = (Activity.FAULT, text)
        self._events.append(MachineFault(fault, text, position_lost))

    def _tell_ready(self) -> None:
        if not self._ready_told:
            self._ready_told = True
            self._events.append(Ready())

    def _ended(self, kind: RunEndKind, reason: str) -> None:
        if self._in_run:
            self._in_run = False
            self._sender.end()
            # It waits for a person only once everything before is carried out.
            held = 0 if self._change_waits else int(self._facts.get("planner_blocks", DEFAULT_PLANNER_BLOCKS)) + 1
            done = self._acknowledged_line, held, self._acknowledged_bytes
            self._events.append(RunEnded(kind, reason, *done))

    def _fail(self, fault: str, text: str, position_lost: bool, now: float) -> None:
        self._abandon(text)
        self._go(Phase.FAULT, now)
        self._fault = fault
        self._tell_fault(fault, text, position_lost)

    def _refuse(self, reason: str, hint: str = "") -> None:
        """The run for which the controller is being asked does not begin."""
        if self._phase is Phase.CHECKING:
            self._sender.end()
            self._sender.asks = [ask for ask in self._sender.asks if ask not in self._check_asks]
            self._check_asks = []
            self._phase, self._phase_due_s = Phase.IDLE, None
            self._events.append(RunRefused(reason, hint))

    def _abandon(self, reason: str) -> None:
        """Nothing in flight will be answered."""
        self._refuse(f"It did not begin: {reason}.")
        for ask in self._sender.reset():
            if ask.ticket:
                self._events.append(CommandDone(ask.ticket, (reason,), ok=False))
            elif ask.lost is not None:
                ask.lost(reason)
            elif ask.done == self._homed:
                self._events.append(VerbDone(Verb.HOME, reason))
            elif ask.done == self._made_safe:
                self._events.append(VerbDone(Verb.MAKE_SAFE, reason))
        self._occupied = False
        self._synced = False
        self._changing = self._change_waits = False

    def _at(self) -> str:
        return f" after line {self._acknowledged_line} of the program" if self._in_run else ""

    # Phases and verbs

    def _go(self, phase: Phase, now: float) -> None:
        self._phase = phase
        self._phase_since_s = now
        self._phase_due_s = None

    def _need_idle(self) -> None:
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase is not Phase.IDLE or self._occupied:
            raise MachineBusy("The machine is doing something else.")

    def _homed(self, ask: Ask, error: int) -> None:
        self._occupied = False
        self._events.append(VerbDone(Verb.HOME, self._dialect.error_text(error) if error else ""))
        self._shown = None
        if error:
            self._show(Activity.FAULT if self._phase is Phase.FAULT else Activity.IDLE, "")
        else:
            self._phase = Phase.IDLE
            self._show(Activity.IDLE, "")

    def _made_safe(self, ask: Ask, error: int) -> None:
        self._events.append(VerbDone(Verb.MAKE_SAFE, self._dialect.error_text(error) if error else ""))
