"""What the TinyG engine sends besides verbs: questions, identification, the program, and the ways to an end.

Calls only `state` below it. It must not know how the controller's lines are told apart.
"""

from __future__ import annotations

from fleetctl.errors import FleetctlError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    CommandDone,
    Identified,
    PositionSuspect,
    Progress,
    RunEndKind,
    RunFinished,
    Verb,
    VerbDone,
)

from . import words
from .dialects import recognised
from .sender import Ask
from .state import Phase, TinygState
from .words import FLUSH, HOLD, RESET

POLL_S = 0.25
POLL_IDLE_S = 2.0
POLL_WAITING_S = 8.0
"""While a person is waited for nothing happens; less than `SILENT_S`, so that a dead link shows."""
SILENT_S = 10.0
"""Reports come some times a second while it moves (`{"si":..}`, 100 ms to some seconds)."""
PATIENCE_S = 3.0
GREETING_S = 10.0
AGAIN_S = 0.7
"""At rest a question is answered within milliseconds, and may be asked twice."""
FLUSH_PATIENCE_S = 5.0
LOST_ANSWER_S = 3.0
TRIES = 3

FRAMES = ("g54", "g55", "g56", "g57", "g58", "g59")
QUESTIONS = (
    *(f'{{"{name}":null}}' for name in ("fv", "fb", "hp", "id", "sv", "qv", "unit", "coor", *FRAMES, "g92", "home")),
    '{"qr":null}',
    '{"sr":null}',
)
FACTS = ("fv", "fb", "hp", "id", "sv", "qv", "home")


class Ending(TinygState):
    """Everything that leads to bytes."""

    # What goes out

    def _step(self, now: float) -> None:
        """Send what fits, then tell how far it is."""
        try:
            self._sender.fill()
        except FleetctlError as error:
            self._end_run(RunEndKind.FAILED, str(error), now)
        told = (self._acknowledged[0], self._sender.sent_line)
        if self._in_run and told != self._told:
            self._told = told
            self._events.append(Progress(*told, self._acknowledged[1]))

    def _poll(self, now: float) -> None:
        """State, queue and place, as lines of their own: there is no real-time query."""
        restless = self._phase in (Phase.RUNNING, Phase.FLUSHING, Phase.HOMING, Phase.CHECKING)
        resting = self._waits or (self._shown is not None and self._shown[0] is Activity.PAUSED)
        self._poll_due_s = now + (POLL_WAITING_S if resting else POLL_S if restless else POLL_IDLE_S)
        sender = self._sender
        if self._phase is Phase.IDENTIFYING:
            sender.asks += [Ask('{"qr":null}'), Ask('{"sr":null}', self._identified)]
            self._poll_due_s, self._due_s = None, now + PATIENCE_S
            return
        if self._phase is Phase.CHECKING:
            if now - self._heard_s >= AGAIN_S:
                sender.ask_again()
            return
        ends = self._phase is not Phase.RUNNING or sender.held is not None or sender.program_done
        if sender.drained and ends and not self._paused:
            sender.asks += [Ask('{"qr":null}'), Ask('{"sr":null}')]
            if self._phase is Phase.IDLE:
                sender.asks.append(Ask('{"mpo":null}'))
        unanswered = self._phase is Phase.RUNNING and self._report.stat in words.AT_REST and bool(sender.window)
        if not unanswered or self._paused:
            self._rest_since_s = None
        elif self._rest_since_s is None:
            self._rest_since_s = now

    def _command_done(self, ask: Ask, status: int) -> None:
        self._occupied = False
        lines = (*ask.lines, self._dialect.status_text(status)) if status else tuple(ask.lines)
        self._events.append(CommandDone(ask.ticket, lines, ok=not status))

    # Identification

    def _identify(self, now: float) -> None:
        self._phase, self._due_s, self._poll_due_s = Phase.IDENTIFYING, now + PATIENCE_S, None
        self._moving_since_s = None
        self._sender.asks.clear()
        self._sender.size_extra = None
        self._extras = set()
        self._sender.asks += [Ask(text) for text in QUESTIONS]
        self._sender.asks[-1].done = self._identified
        self._step(now)

    def _identified(self, ask: Ask, status: int) -> None:
        stat = self._report.stat
        dialect = self._dialect = recognised(self._facts)
        self._facts["dialect"] = dialect.name
        self._tries = 0
        if stat in words.MOVING:
            self._still_moving()
            return
        self._due_s, self._phase = None, Phase.IDLE
        self._report.room = max(self._report.room, self._report.free)
        self._sender.size_extra = next(iter(self._extras)) if len(self._extras) == 1 else None
        self._tell_identity()
        self._poll_due_s = self._heard_s + POLL_IDLE_S
        self._shown = None
        fault, self._fault_after = self._fault_after, None
        if stat in dialect.faults:
            text = f"{dialect.firmware} is in state {dialect.state_text(stat)}; clear the fault"
            self._fault("alarm" if stat == dialect.alarm else "shut-down", text, False)
        elif stat == words.HOLDING:
            self._fault("hold", f"{dialect.firmware} is in a feed hold that nobody here asked for", False)
        elif fault is not None:
            self._fault(*fault)
        else:
            self._show(Activity.IDLE, "")
        self._tell_ready()
        self._events += [VerbDone(verb) for verb in self._verbs]
        self._verbs = []

    def _still_moving(self) -> None:
        """Somebody's lines before us. It is asked again until it rests; after a while the link counts, so that a
        person can stop it meanwhile."""
        self._due_s = None
        self._poll_due_s = self._heard_s + POLL_S
        if self._moving_since_s is None:
            self._moving_since_s = self._heard_s
        elif self._heard_s - self._moving_since_s > GREETING_S and not self._ready_told:
            self._tell_identity()
            self._show(Activity.RUNNING, "still moving; nobody here sent what it does")
            self._tell_ready()

    def _tell_identity(self) -> None:
        dialect = self._dialect
        depth = dialect.planner_buffers
        self._events.append(Identified(dialect.firmware, self._facts.get("fb", ""), dict(self._facts), depth))

    # Ends

    def _finished(self) -> None:
        self._in_run, self._phase = False, Phase.IDLE
        self._sender.end()
        self._events.append(RunFinished(*self._acknowledged))
        self._show(Activity.IDLE, "")

    def _end_run(self, kind: RunEndKind, reason: str, now: float, fault: tuple[str, str, bool] | None = None) -> None:
        """Controlled: hold, and flush what is queued and buffered; nothing of that is answered any more. `fault` is
        told once spindle and coolant are off."""
        if self._phase is Phase.CHECKING:
            self._refuse(reason)
            return
        if self._phase is not Phase.RUNNING:
            return
        self._end, self._fault_after = (kind, reason), fault
        self._depth = self._moves_planned()
        self._urgent += HOLD + FLUSH
        self._sender.end()
        self._abandon(reason)
        self._report.stat = words.HOLDING  # until it says that it rests
        self._phase, self._due_s = Phase.FLUSHING, now + FLUSH_PATIENCE_S
        self._poll_due_s = now + POLL_S

    def _switch_off(self) -> None:
        """It rests, and its queue is empty."""
        self._occupied = True
        self._sender.asks.clear()
        self._sender.asks += [Ask("M5", self._switched_off), Ask("M9", self._flushed)]

    def _switched_off(self, ask: Ask, status: int) -> None:
        if status:
            self._reset_instead(f"{ask.text} was refused: {self._dialect.status_text(status)}")

    def _flushed(self, ask: Ask, status: int) -> None:
        if status:
            self._reset_instead(f"{ask.text} was refused: {self._dialect.status_text(status)}")
            return
        self._occupied, self._due_s, self._phase = False, None, Phase.IDLE
        self._conclude()
        fault, self._fault_after = self._fault_after, None
        if fault is not None:
            self._fault(*fault)
        else:
            self._show(Activity.IDLE, "")
        self._events += [VerbDone(verb) for verb in self._verbs]
        self._verbs = []

    def _reset_instead(self, reason: str) -> None:
        self._events.append(PositionSuspect(f"{reason}; the board was reset"))
        self._urgent += RESET
        self._await_reset(None, self._now)

    def _lost(self, fault: str, text: str, now: float) -> None:
        """Nobody knows which lines it has (I6): hold, and send nothing more."""
        self._urgent += HOLD
        self._end = (RunEndKind.INTERRUPTED, text)
        self._conclude()
        self._abandon(text)
        self._fault(fault, text, True)

    def _await_reset(self, verb: Verb | None, now: float) -> None:
        if verb is not None and verb not in self._verbs:
            self._verbs.append(verb)
        self._phase, self._due_s, self._poll_due_s = Phase.RESETTING, now + PATIENCE_S, None

    def _overdue(self, now: float) -> None:
        """What a phase waits for did not come."""
        self._due_s = None
        if self._phase is Phase.FLUSHING:
            self._reset_instead("the queue flush did not come to rest")
        elif self._phase is Phase.RESETTING:
            # Whenever it boots now, it was not because we asked.
            self._end = (self._end[0], f"{self._end[1]}; the controller did not answer the reset")
            self._conclude()
            self._verbs = []
            self._abandon("no answer")
            self._fault("no-answer", "no answer to the reset; look at the machine", True)
        elif self._phase is Phase.CHECKING:
            self._refuse("It did not say in time how its offsets and modes stand.", "Release the job again.")
            self._abandon("no answer")
            self._identify(now)
        elif self._phase is Phase.IDENTIFYING:
            self._abandon("no answer")
            self._tries += 1
            if self._ready_told and self._tries >= TRIES:
                self._verbs = []
                self._fault("no-answer", "no answer from the controller; look at the machine", False)
            else:
                self._identify(now)
