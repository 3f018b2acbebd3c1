"""The Grbl family's protocol without input and output: lines by character counting, real-time bytes beside them.

It must not know transports, files or runs' ids. This is the top of the layers; `answers` reads the controller's
lines, `changing` and `checking` are parts of a run, `ending` sends and ends, `state` remembers. What is done in each
case, and why, is in this folder's README.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetctl.errors import ForbiddenByte, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import EngineEvent, RunEndKind, Verb, VerbDone
from fleetctl.protocol.feeder import Feeder

from . import words
from .dialects import Dialect
from .probing import Probing
from .sender import Ask, Done
from .state import Phase
from .status import Point, Status

FLUSHED = 998
"""Given to `Done` for a line that was taken back, or flushed, before it was answered."""


class GrblEngine(Probing):
    """`fleetctl.protocol.engine.Engine` for Grbl 1.1, grblHAL and FluidNC, with `ChecksFirst`."""

    urgent_is_lines = False

    @property
    def dialect(self) -> Dialect:
        """The firmware that answered; Grbl 1.1 until it did."""
        return self._dialect

    @property
    def line_most_bytes(self) -> int:
        """The longest line without its end: what the firmware reads whole, and what fits its receive buffer."""
        return min(self._dialect.line_most_bytes, self._sender.budget_bytes - 1)

    @property
    def status(self) -> Status | None:
        """The latest report; None before the first."""
        return self._status_now

    # Bytes and time

    def connected(self, now: float) -> None:
        """Look what it does before any line is sent: it may still be moving (I12)."""
        self._go(Phase.GREETING, now)
        self._poll(now)

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the controller."""
        self._now = now
        for line in self._lines.feed(data):
            self._line(line, now)
        self._step(now)

    def elapse(self, now: float) -> None:
        """Ask for the state, and act on what did not come."""
        self._now = now
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
            raise MachineBusy(f"{self._dialect.firmware} is in state {self._state}.")
        self._need_fit()
        self._sender.begin(feeder)
        self._sender.feeding = False  # until the controller has answered
        self._paused = self._synced = False
        self._spindle_stopped = self._resting = False
        self._acknowledged_line = self._acknowledged_bytes = 0
        self._noted = (0, "")
        self._progress_told = (0, 0)
        self._idle_since_s = None
        self._check(now)
        self._step(now)

    def expect_offsets(self, offsets_mm: Mapping[str, Point]) -> None:
        """Work offsets on record, compared with the controller's own before each program."""
        self._expected_mm = dict(offsets_mm)

    def expect(
        self,
        *,
        dialect: str = "",
        laser: bool | None = None,
        full_speed: float | None = None,
        changes_tools_itself: bool = False,
        stops_at_m1: bool = True,
    ) -> None:
        """What is on record and compared before each program: the dialect of the profile, whether it is a laser
        ($32), and S at full speed ($30); empty and None are not compared. `changes_tools_itself`: M6 is sent.
        `stops_at_m1`: an optional stop is one."""
        self._expected_dialect, self._expected_laser, self._expected_full_speed = dialect, laser, full_speed
        self._sender.hosts_changes = not changes_tools_itself
        self._sender.stops_at_m1 = stops_at_m1

    def pause(self, now: float) -> None:
        """Feed hold."""
        if self._phase is not Phase.RUNNING or self._paused:
            raise MachineError("There is no running program to pause.")
        if self._change_waits:
            raise MachineError("It waits for a person already.")
        self._paused = True
        self._sender.feeding = False
        self._urgent += self._signs.hold
        self._poll(now)

    def resume(self, now: float) -> None:
        """Cycle start."""
        if self._phase is Phase.RUNNING and self._change_waits and self._state not in ("Hold", "Door", "Tool"):
            self._go_on_after_change(now)
            return
        if self._phase is not Phase.RUNNING or not (self._paused or self._state in ("Hold", "Door", "Tool")):
            raise MachineError("There is no paused program.")
        self._paused = self._spindle_stopped = self._resting = False
        self._sender.feeding = True
        self._resumed_s = now
        self._urgent += self._signs.start
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
        self._urgent = self._signs.hold + self._signs.reset
        self._sender.output.clear()
        self._ended(RunEndKind.INTERRUPTED, "software stop")
        self._fail("stop", "software stop", moved, now)
        self._await_banner(now, Verb.STOP)

    def command(self, text: str, now: float) -> int:
        """One line outside a run."""
        line = text.strip(" \t\r\n")
        if any(sign in line for sign in "?!~") or not line.isascii() or not line.isprintable():
            raise ForbiddenByte(f"{text!r} holds a real-time command of Grbl.", hint="Use the verbs for those.")
        most_bytes = self.line_most_bytes
        if not line or len(line) > most_bytes:
            raise UsageError(f"A command has 1 to {most_bytes} characters.")
        if self._in_run or self._occupied or self._phase not in (Phase.IDLE, Phase.FAULT):
            raise MachineBusy("The machine is doing something else.")
        self._need_ears()
        if self._state == "Check" and words.STORING.search(line.upper().replace(" ", "").encode()):
            raise MachineError(f"{line!r} would be written in check mode all the same.", hint="Leave check mode: $C.")
        self._need_no_jog()
        self._tickets += 1
        if line.upper() == "$C":
            self._ask_check_mode(self._tickets, now)
        else:
            self._ask(Ask(line, self._command_done, ticket=self._tickets), now)
        return self._tickets

    def clear_fault(self, now: float) -> None:
        """Soft reset and unlock, because a person asked; what an alarm did to the position was said then."""
        if self._in_run or self._phase is Phase.CHECKING:
            raise MachineBusy("A run is in hand.")
        self._unlock = True
        self._urgent += self._signs.reset
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
        if self._phase is Phase.FAULT and self._fault in {f"alarm:{each}" for each in self._dialect.deaf_alarms}:
            raise MachineError(
                f"{self._dialect.firmware} hears nothing after this alarm.", hint="Clear the fault first."
            )

    def make_safe(self, now: float) -> None:
        """Spindle and coolant off: by M5 and M9 at rest, the spindle alone in a feed hold, which the run survives;
        by hold and reset otherwise."""
        self._refuse("It was made safe before it began.")
        if self._phase is Phase.IDLE and self._state == "Idle":
            self._sender.asks += [Ask("M5"), Ask("M9", self._made_safe)]
            self._step(now)
            return
        if self._phase is Phase.RUNNING and self._change_waits:
            self._events.append(VerbDone(Verb.MAKE_SAFE))  # all is off while a person is waited for
            return
        if self._phase is Phase.RUNNING and self._resting:
            if not self._spindle_stopped and self._state == "Hold":
                self._urgent += self._signs.spindle_stop
            self._spindle_stopped = True
            self._events.append(VerbDone(Verb.MAKE_SAFE))
            return
        self._verbs_after_reset.append(Verb.MAKE_SAFE)
        if self._in_run:
            self._end_run(RunEndKind.CANCELLED, "made safe", now)
        elif self._phase is not Phase.RESETTING:
            self._urgent += self._signs.reset
            self._await_banner(now)

    # For what a person does at the machine: jogging, overrides, probing, offsets

    def real_time(self, data: bytes) -> None:
        """Real-time bytes, ahead of every line. The caller knows what they do to this dialect, and when."""
        self._urgent += data

    def ask_alone(
        self, text: str, done: Done, now: float, *, expects: str = "", lost: Callable[[str], None] | None = None
    ) -> None:
        """Send one line when everything before it was answered, and nothing behind it until it is answered.

        `done` gets the `Ask` with its answer lines and the error number, 0 for ok, FLUSHED when it was taken back;
        `lost` the reason when it will never be answered. Raises MachineBusy in a run or while another verb is in
        progress, MachineError in a fault that needs a reset first.
        """
        if self._in_run or self._occupied or self._phase is not Phase.IDLE:
            raise MachineBusy("The machine is doing something else.")
        self._need_ears()
        self._sender.asks.append(Ask(text, done, expects=expects, lost=lost))
        self._step(now)

    def cancel_jog(self, now: float) -> None:
        """0x85, and no line of ours that is still to go out. Grbl 1.1 and FluidNC answer what they have; grblHAL
        flushes it unanswered, so counting begins anew there behind a `$G`."""
        self._urgent += self._signs.jog_cancel
        waiting, self._sender.asks = self._sender.asks, []
        if self._dialect.cancel_flushes:
            waiting = self._sender.reset() + waiting
            self._sender.asks = [Ask("$G", expects="[GC:")]
        for ask in waiting:
            if ask.done is not None:
                ask.done(ask, FLUSHED)
        self._poll(now)
        self._step(now)
