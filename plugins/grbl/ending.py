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
    RunBegun,
    RunEndKind,
    RunFinished,
    Verb,
    VerbDone,
)

from . import standing, words
from .sender import Ask
from .state import GrblState, Phase

HOLD, RESUME, RESET, QUERY = b"!", b"~", b"\x18", b"?"
SPINDLE_STOP = b"\x9e"
"""Toggles the spindle, in feed hold only; cycle start brings it back (Grbl 1.1, interface.md)."""

POLL_ACTIVE_S = 0.2
"""Grbl's interface document advises against more than 5 queries a second."""
POLL_IDLE_S = 1.0
SILENT_S = 5.0
HOLD_PATIENCE_S = 5.0
RESET_PATIENCE_S = 3.0
CHECK_PATIENCE_S = 3.0
"""For some 400 bytes, read from the settings memory."""
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

    def _command_done(self, ask: Ask, error: int) -> None:
        self._occupied = False
        setting = ask.text.replace(" ", "")
        if not error and setting.startswith("$13="):
            self._reader.inches = setting[4:].strip("0.") != ""
        lines = (*ask.lines, words.error_text(error)) if error else tuple(ask.lines)
        self._events.append(CommandDone(ask.ticket, lines, ok=not error))

    def _sync_answered(self, ask: Ask, error: int) -> None:
        """A dwell is answered when the planner is empty; the next report must say Idle."""
        self._synced = True
        self._urgent += QUERY

    # Identification

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
        self._identify_tries = 0
        first, locked = not self._ready_told, self._state == "Alarm"
        if first and self._reset_on_opening and self._facts.get("$22") == "0":
            self._events.append(PositionSuspect("the controller was reset by opening its port, and it cannot home"))
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

    # Before a program

    def _check(self, now: float) -> None:
        """Ask how the controller stands; the program begins with the second answer, or not at all."""
        self._go(Phase.CHECKING, now)
        self._phase_due_s = now + CHECK_PATIENCE_S
        self._check_asks = [
            Ask("$#", self._offsets_told, expects="[TLO:"),
            Ask("$G", self._modes_told, expects="[GC:"),
        ]
        self._sender.asks += self._check_asks
        self._poll(now)

    def _offsets_told(self, ask: Ask, error: int) -> None:
        if ask not in self._check_asks:
            return  # of a run that was given up meanwhile
        self._offset_lines = ask.lines
        if error:
            self._refuse(f"It does not tell its work offsets: {words.error_text(error)}.", ASK_AGAIN)

    def _modes_told(self, ask: Ask, error: int) -> None:
        if ask not in self._check_asks:
            return  # of a run that was given up meanwhile
        stands = standing.read(self._offset_lines, ask.lines, inches=self._reader.inches)
        if error or stands is None:
            self._refuse("Its answer to $# or $G could not be read.", ASK_AGAIN)
            return
        try:
            found = standing.obstacle(stands, self._expected_mm, self._set_by_program)
        except FleetctlError as refused:
            self._refuse(str(refused))
            return
        if found is not None:
            self._refuse(*found)
        else:
            self._begin()

    def _set_by_program(self) -> frozenset[str]:
        return standing.set_by(self._sender.head(standing.HEAD_LINES))

    def _begin(self) -> None:
        """The first line of the program goes out in this step."""
        self._sender.feeding = self._in_run = True
        self._phase, self._phase_due_s = Phase.RUNNING, None
        self._events.append(RunBegun())
        self._show(Activity.RUNNING, "")

    # Ends

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
        self._urgent += HOLD
        self._ended(RunEndKind.INTERRUPTED, reason)
        self._fail("no-answer", reason, moved, now)
