"""The Grbl 1.1 protocol without input and output: lines by character counting, real-time bytes beside them.

It must not know transports, files or runs' ids. This is the top of four layers; `answers` reads the controller's
lines, `ending` sends and ends, `state` remembers. What is done in each case, and why, is in this folder's README.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.errors import ForbiddenByte, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import EngineEvent, RunEndKind, Verb, VerbDone
from fleetctl.protocol.feeder import Feeder

from .ending import HOLD, RESET, RESUME, SPINDLE_STOP
from .probing import Probing
from .sender import Ask
from .state import Phase
from .status import Point

LINE_MOST_BYTES = 79
"""Grbl 1.1 keeps 80 characters of a line, the closing zero included (config.h, LINE_BUFFER_SIZE)."""

DEAF_FAULTS = frozenset({"alarm:1", "alarm:2"})
"""EXEC_ALARM_HARD_LIMIT and EXEC_ALARM_SOFT_LIMIT: "Reset to continue" (gnea/grbl, protocol.c)."""


class GrblEngine(Probing):
    """`fleetctl.protocol.engine.Engine` for Grbl 1.1, with `ChecksFirst`."""

    urgent_is_lines = False

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
        due = (self._poll_due_s, self._phase_due_s, self._silent_due_s, self._jog_due_s)
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
        """Ask the controller how it stands, then stream a program."""
        self._need_idle()
        if self._state != "Idle":
            raise MachineBusy(f"Grbl is in state {self._state}.")
        self._sender.begin(feeder)
        self._sender.feeding = False  # until the controller has answered
        self._paused = self._synced = False
        self._spindle_stopped = self._resting = False
        self._acknowledged_line = self._acknowledged_bytes = 0
        self._progress_told = (0, 0)
        self._idle_since_s = None
        self._check(now)
        self._step(now)

    def expect_offsets(self, offsets_mm: Mapping[str, Point]) -> None:
        """Work offsets on record, compared with the controller's own before each program."""
        self._expected_mm = dict(offsets_mm)

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
        if self._phase is Phase.CHECKING:
            self._refuse("It was cancelled before it began.")
            return
        if not self._in_run:
            raise MachineError("There is no run to cancel.")
        self._end_run(RunEndKind.CANCELLED, "cancelled", now)

    def stop(self, now: float) -> None:
        """Feed hold and soft reset in one breath: the reset cuts the spindle, whatever it does to the position."""
        moved = self._in_run or self._occupied or self._state != "Idle"
        self._unlock = False
        self._discard = True
        self._urgent = HOLD + RESET
        self._sender.output.clear()
        self._ended(RunEndKind.INTERRUPTED, "software stop")
        self._fail("stop", "software stop", moved, now)
        self._await_banner(now, Verb.STOP)

    def command(self, text: str, now: float) -> int:
        """One line outside a run."""
        line = text.strip(" \t\r\n")
        if any(sign in line for sign in "?!~") or not line.isascii() or not line.isprintable():
            raise ForbiddenByte(f"{text!r} holds a real-time command of Grbl.", hint="Use the verbs for those.")
        if not line or len(line) > LINE_MOST_BYTES:
            raise UsageError(f"A command has 1 to {LINE_MOST_BYTES} characters.")
        if self._in_run or self._occupied or self._phase not in (Phase.IDLE, Phase.FAULT):
            raise MachineBusy("The machine is doing something else.")
        self._need_ears()
        self._need_no_jog()
        self._tickets += 1
        self._ask(Ask(line, self._command_done, ticket=self._tickets), now)
        return self._tickets

    def clear_fault(self, now: float) -> None:
        """Soft reset and unlock, because a person asked; what an alarm did to the position was said then."""
        if self._in_run or self._phase is Phase.CHECKING:
            raise MachineBusy("A run is in hand.")
        self._unlock = True
        self._urgent += RESET
        self._await_banner(now, Verb.CLEAR_FAULT)

    def home(self, now: float) -> None:
        """$H."""
        if self._in_run or self._occupied or self._phase not in (Phase.IDLE, Phase.FAULT):
            raise MachineBusy("The machine is doing something else.")
        self._need_ears()
        self._need_no_jog()
        self._ask(Ask("$H", self._homed), now)
        self._show(Activity.RUNNING, "homing")

    def _need_ears(self) -> None:
        """After a limit alarm Grbl hears nothing but a reset: a line would wait for its answer for ever."""
        if self._phase is Phase.FAULT and self._fault in DEAF_FAULTS:
            raise MachineError("Grbl hears nothing after this alarm.", hint="Clear the fault first.")

    def make_safe(self, now: float) -> None:
        """Spindle and coolant off: by M5 and M9 at rest, the spindle alone in a feed hold, which the run survives;
        by hold and reset otherwise."""
        self._refuse("It was made safe before it began.")
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
