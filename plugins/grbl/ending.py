"""What the Grbl engine sends besides verbs: questions, identification, the program, and the ways to an end.

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
from .dialects import recognised, signs_of
from .sender import Ask
from .state import GrblState, Phase

POLL_ACTIVE_S = 0.2
"""Grbl's interface document advises against more than 5 queries a second."""
POLL_IDLE_S = 1.0
SILENT_S = 5.0
HOLD_PATIENCE_S = 5.0
RESET_TRIES = 3
RESET_AGAIN_S = 1.0
"""A board that was just writing its settings memory did not hear the reset; else it answers within this time."""
IDENTIFY_PATIENCE_S = 3.0
ASK_AGAIN = "Ask it for $# and $G, then release the job again."
IDENTIFY_TRIES = 3
SYNC = "G4P0.01"


class Ending(GrblState):
    """Everything that leads to bytes."""

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
        self._tell_progress()

    def _tell_progress(self) -> None:
        progress = (self._acknowledged_line, self._sender.sent_line)
        if self._in_run and progress != self._progress_told:
            self._progress_told = progress
            self._events.append(Progress(*progress, self._acknowledged_bytes))

    def _poll(self, now: float) -> None:
        """Ask for the state now, and again in time."""
        self._urgent += self._signs.query
        self._watch.asked(self._sender.sent_bytes - self._sender.unwritten_bytes, now)
        resting = self._shown is not None and self._shown[0] in (Activity.WAITING, Activity.PAUSED)
        restless = self._phase is not Phase.IDLE and self._phase is not Phase.FAULT and not resting
        self._poll_due_s = now + (POLL_ACTIVE_S if restless or self._occupied else POLL_IDLE_S)
        if self._silent_due_s is None:
            self._silent_due_s = now + SILENT_S

    def _ask(self, ask: Ask, now: float) -> None:
        self._occupied = True
        self._sender.asks.append(ask)
        self._step(now)

    def _command_done(self, ask: Ask, error: int) -> None:
        self._occupied = False
        setting = words.SETTING.match(ask.text.replace(" ", ""))
        if not error and setting is not None:
            self._facts[f"${setting[1]}"] = setting[2]
            if setting[1] == "13":
                self._reader.inches = setting[2].strip("0.") != ""
        lines = (*ask.lines, self._dialect.error_text(error)) if error else tuple(ask.lines)
        self._events.append(CommandDone(ask.ticket, lines, ok=not error))

    def _sync_answered(self, ask: Ask, error: int) -> None:
        """A dwell is answered when the planner is empty; the next report must say Idle."""
        self._synced = True
        self._urgent += self._signs.query

    # Identification

    def _identify(self, now: float) -> None:
        self._go(Phase.IDENTIFYING, now)
        self._phase_due_s = now + IDENTIFY_PATIENCE_S
        self._knows_who = False
        unlock = [Ask("$X", self._unlocked)] if self._unlock else []
        self._unlock = False
        self._sender.asks = [
            *unlock,
            Ask("$I", self._keep, expects="[VER:"),
            Ask("$$", self._keep, expects="$"),
            Ask("$#", self._keep, expects="["),
            Ask("$G", self._identified, expects="[GC:"),
        ]
        self._poll(now)

    def _unlocked(self, ask: Ask, error: int) -> None:
        """What it reports from now on tells whether it is."""
        self._keep(ask, error)
        self._state = ""
        self._poll(self._now)

    def _keep(self, ask: Ask, error: int) -> None:
        self._told += ask.lines

    def _identified(self, ask: Ask, error: int) -> None:
        self._told += ask.lines
        self._knows_who = True
        if self._state:  # else the next report concludes it: one that reports by itself ignores queries
            self._conclude_identity()

    def _conclude_identity(self) -> None:
        self._knows_who = False
        self._facts = words.facts(self._told)
        self._reader.inches = self._facts.get("$13") == "1"
        self._dialect = recognised(self._told)
        self._signs = signs_of(self._dialect, self._told)
        self._facts["dialect"] = self._dialect.name
        self._set_budget()
        version = self._facts.get("version", "").rpartition("FluidNC ")[2].strip()
        self._events.append(Identified(self._dialect.firmware, version, self._facts))
        self._phase_due_s = None
        self._identify_tries = 0
        first, locked = not self._ready_told, self._state == "Alarm"
        if first and self._reset_on_opening and self._facts.get("$22") == "0":
            self._events.append(PositionSuspect("the controller was reset by opening its port, and it cannot home"))
        self._phase = Phase.IDLE
        self._shown = None
        alarm, self._alarm_on_opening = self._alarm_on_opening, 0
        if locked:
            self._fault = f"alarm:{alarm}" if alarm else "locked"
            self._phase = Phase.FAULT
            text = self._dialect.alarm_text(alarm) if alarm else f"{self._dialect.firmware} is locked"
            self._tell_fault(self._fault, f"{text}; home it or clear the fault", position_lost=first)
            text = f"{text}; it is still locked"
        else:
            text = ""
            self._show(Activity.IDLE, "")
        self._tell_ready()
        for verb in self._verbs_after_reset:
            self._events.append(VerbDone(verb, text if locked and verb is Verb.CLEAR_FAULT else ""))
        self._verbs_after_reset = []

    def _set_budget(self) -> None:
        """How much may be in flight: what `$I` says, or the most room that a report told, else the least there is."""
        told = int(self._facts.get("rx_bytes", "0"))
        if self._dialect.rx_told_by == "bf":
            told = self._most_free_bytes
            self._facts["rx_bytes"] = str(told or self._dialect.rx_default_bytes)
        elif told and self._watch.room_bytes is None:
            self._watch.at_rest(told - self._dialect.bf_short_bytes)
        self._sender.set_budget(told or self._dialect.rx_default_bytes)

    # Ends

    def _finished(self, now: float) -> None:
        self._in_run = False
        self._events.append(RunFinished(self._acknowledged_line, self._acknowledged_bytes))
        self._go(Phase.IDLE, now)
        self._show(Activity.IDLE, "")

    def _out_of_step(self, reason: str, now: float) -> None:
        """Answers and lines no longer fit together: nobody knows which lines it has (I6)."""
        if self._phase is Phase.RUNNING:
            self._events.append(PositionSuspect(f"{reason}{self._at()}"))
            self._end_run(RunEndKind.INTERRUPTED, f"{reason}{self._at()}", now)

    def _end_run(self, kind: RunEndKind, reason: str, now: float) -> None:
        """Controlled: feed hold; the reset follows when it is at rest."""
        if self._phase is not Phase.RUNNING:
            return
        self._end = (kind, reason)
        self._sender.end()
        self._urgent += self._signs.hold
        self._go(Phase.HOLDING, now)
        self._phase_due_s = now + HOLD_PATIENCE_S
        self._poll(now)

    def _reset_after_hold(self, now: float) -> None:
        self._urgent += self._signs.reset
        self._await_banner(now)

    def _await_banner(self, now: float, verb: Verb | None = None) -> None:
        if verb is not None and verb not in self._verbs_after_reset:
            self._verbs_after_reset.append(verb)
        self._go(Phase.RESETTING, now)
        self._phase_due_s = now + RESET_AGAIN_S
        self._resets_left = RESET_TRIES - 1

    def _phase_overdue(self, now: float) -> None:
        """What a phase waits for did not come."""
        self._phase_due_s = None
        if self._phase is Phase.HOLDING:
            self._events.append(PositionSuspect("the feed hold did not come to rest; the controller was reset"))
            self._reset_after_hold(now)
        elif self._phase is Phase.RESETTING and self._resets_left > 0:
            self._resets_left -= 1
            self._urgent += self._signs.reset
            self._phase_due_s = now + RESET_AGAIN_S
        elif self._phase is Phase.RESETTING:
            # Whenever it boots now, it was not because we asked: nothing is unlocked then, and nothing confirmed.
            self._unlock = False
            self._verbs_after_reset = []
            self._ended(self._end[0], f"{self._end[1]}; the controller did not answer the reset")
            self._fail("no-answer", "no answer to the reset; look at the machine", True, now)
        elif self._phase is Phase.CHECKING:
            self._refuse("It did not say in time how its offsets and modes stand.", ASK_AGAIN)
            self._abandon("no answer")
            self._identify(now)
        elif self._phase is Phase.IDENTIFYING:
            self._abandon("no answer")
            self._identify_tries += 1
            if self._ready_told and self._identify_tries >= IDENTIFY_TRIES:
                self._fail("no-answer", "no answer from the controller; look at the machine", False, now)
            else:
                self._identify(now)

    def _silent(self, now: float) -> None:
        """No report although we asked: homing and an alarm that wants a reset are silent, else the link is dead."""
        self._silent_due_s = None
        if self._occupied or self._phase in (Phase.GREETING, Phase.FAULT, Phase.IDENTIFYING):
            return
        reason = f"no answer from the controller{self._at()}"
        moved = self._in_run
        self._urgent += self._signs.hold
        self._ended(RunEndKind.INTERRUPTED, reason)
        self._fail("no-answer", reason, moved, now)
