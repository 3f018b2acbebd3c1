"""The TinyG and g2core protocol without input and output: a few lines in flight, each answered by one `r`.

It must not know transports, files or runs' ids. This is the top of the layers (`state` names them). What is done in
each case, and why, is in this folder's README.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.errors import ForbiddenByte, MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import EngineEvent, PositionSuspect, RunEndKind, Verb, VerbDone
from fleetctl.protocol.feeder import Feeder

from . import words
from .ending import LOST_ANSWER_S, POLL_S, SILENT_S
from .overriding import Overriding
from .report import Point
from .sender import LINE_MOST_BYTES, Ask
from .state import Phase
from .words import HOLD, LINE_END, RESET

HOMING_SILENT_S = 60.0
"""Nothing is read while it homes, and reports may be off; axes that move a second are told anyway."""


class TinygEngine(Overriding):
    """`fleetctl.protocol.engine.Engine` for TinyG and g2core, with `ChecksFirst`."""

    urgent_is_lines = True
    """TinyG takes real-time bytes anywhere, g2core at the beginning of a line only (xio.cpp, _scanBuffer), so a line
    that is partly out is finished first."""

    # Bytes and time

    def connected(self, now: float) -> None:
        """Ask who is there, moving nothing (I12, I14)."""
        self._now = self._heard_s = now
        self._identify(now)

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the controller."""
        self._now = self._heard_s = now
        for line in self._splitter.feed(data):
            answer = words.read(line)
            if answer is not None:
                self._take(answer, now)
        self._step(now)

    def elapse(self, now: float) -> None:
        """Ask for the state, and act on what did not come."""
        self._now = now
        if self._poll_due_s is not None and now >= self._poll_due_s:
            self._poll(now)
        if self._start_due_s is not None and now >= self._start_due_s:
            self._cycle_start(now)
        if self._due_s is not None and now >= self._due_s:
            self._overdue(now)
        self._look_for_silence(now)
        self._step(now)

    def _look_for_silence(self, now: float) -> None:
        silent = now - self._heard_s >= SILENT_S
        if self._phase is Phase.RUNNING and self._in_run and not self._waits and not self._paused:
            if silent:
                self._lost("no-answer", f"no answer from the controller{self._at()}", now)
            elif self._rest_since_s is not None and now - self._rest_since_s >= LOST_ANSWER_S:
                self._lost("acknowledgement-lost", f"an acknowledgement was lost{self._at()}", now)
        elif self._phase is Phase.HOMING:
            if now - self._heard_s >= HOMING_SILENT_S:
                self._cycle_failed("no answer from the controller")
                self._lost("no-answer", "no answer from the controller while it was homing", now)
        elif silent and self._phase in (Phase.IDLE, Phase.RUNNING) and self._sender.window and not self._paused:
            self._cycle_failed("no answer from the controller")
            self._lost("no-answer", f"no answer from the controller{self._at()}", now)

    def next_deadline(self) -> float | None:
        """The earliest of all that is due."""
        due = (self._poll_due_s, self._due_s, self._start_due_s, self._jog_due_s)
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
        if self._report.stat not in words.AT_REST:
            raise MachineBusy(f"{self._dialect.firmware} is {self._dialect.state_text(self._report.stat)}.")
        self._sender.begin(feeder)
        self._acknowledged, self._told = (0, 0), (0, 0)
        self._waits = self._paused = self._made_safe_in_hold = False
        self._back_on, self._depth, self._fault_after = [], None, None
        self._rest_since_s, self._start_due_s = None, None
        self._heard_s = now
        self._poll_due_s = now + POLL_S
        self._check(now)
        self._step(now)

    def expect_offsets(self, offsets_mm: Mapping[str, Point]) -> None:
        """Work offsets on record, compared with the controller's own before each program."""
        self._expected_mm = dict(offsets_mm)

    def pause(self, now: float) -> None:
        """Feed hold."""
        if self._phase is not Phase.RUNNING or self._paused:
            raise MachineError("There is no running program to pause.")
        if self._waits or self._sender.held is not None:
            raise MachineError("It waits for a person already, or is about to.")
        self._paused, self._sender.feeding = True, False
        self._rest_since_s = None
        self._urgent += HOLD
        self._poll_due_s = now + POLL_S

    def resume(self, now: float) -> None:
        """Cycle start, or on behind the program stop or tool change at which the host waits."""
        if self._phase is Phase.RUNNING and self._start_due_s is not None:
            raise MachineBusy("The spindle comes up to speed; it goes on by itself then.")
        holds = self._paused or self._report.stat == words.HOLDING
        if self._phase is Phase.RUNNING and self._waits and self._sender.held is not None:
            self._go_on_behind_wait(now)
        elif self._phase is Phase.RUNNING and holds:
            self._leave_hold(now)
            self._step(now)
        else:
            raise MachineError("There is no program that waits or is paused.")

    def cancel(self, now: float) -> None:
        """Feed hold and queue flush: the position is kept; then spindle and coolant off."""
        if self._phase is Phase.CHECKING:
            self._refuse("It was cancelled before it began.")
            return
        if not self._in_run:
            raise MachineError("There is no run to cancel.")
        self._end_run(RunEndKind.CANCELLED, "cancelled", now)

    def stop(self, now: float) -> None:
        """Hold and board reset in one breath: the reset stops everything, and the position is lost."""
        self._discard = True
        self._urgent = LINE_END + HOLD + RESET  # of a line that was partly out the rest is dropped now
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
        if line[:1] in "$?hH":
            raise UsageError(
                f"{text!r} would switch the controller to text mode.", hint='Write it as {"name":value}.'
            )
        if self._phase not in (Phase.IDLE, Phase.FAULT) or self._occupied:
            raise MachineBusy("The machine is doing something else.")
        if self._phase is Phase.IDLE:
            self._need_idle()
        if self._phase is Phase.FAULT and self._fault_kind == "shut-down" and self._dialect.deaf_when_shut_down:
            raise MachineError(
                f"{self._dialect.firmware} hears nothing when shut down.", hint="Clear the fault first."
            )
        self._tickets += 1
        self._occupied = True
        self._sender.asks.append(Ask(line, self._command_done, ticket=self._tickets))
        self._step(now)
        return self._tickets

    def clear_fault(self, now: float) -> None:
        """Because a person asked: `{"clear":null}` after an alarm, which keeps the position; else a board reset,
        which loses it."""
        if self._in_run or self._phase is Phase.CHECKING:
            raise MachineBusy("A run is in hand.")
        listens = self._fault_kind == "alarm" or (
            self._fault_kind == "shut-down"
            and not self._dialect.deaf_when_shut_down
            and self._report.stat != self._dialect.panic
        )
        if self._phase is Phase.FAULT and listens:
            self._verbs.append(Verb.CLEAR_FAULT)
            self._sender.asks.append(Ask('{"clear":null}', self._cleared))
            self._phase, self._due_s = Phase.IDENTIFYING, now + SILENT_S
            self._step(now)
            return
        self._urgent += RESET
        self._events.append(PositionSuspect("the board is reset, and counts from where it stands"))
        self._await_reset(Verb.CLEAR_FAULT, now)

    def _cleared(self, ask: Ask, status: int) -> None:
        self._report.stat = -1
        self._fault_after = None
        self._identify(self._now)

    def home(self, now: float) -> None:
        """G28.2 of X, Y and Z; done when it says that it is homed."""
        self._need_idle()
        self._phase = Phase.HOMING
        self._report.homed.clear()
        self._sender.asks.append(Ask("G28.2X0Y0Z0", self._homing_taken, lost=self._cycle_failed))
        self._poll_due_s = now + POLL_S
        self._show(Activity.RUNNING, "homing")
        self._step(now)

    def _homing_taken(self, ask: Ask, status: int) -> None:
        if status:
            self._cycle_failed(self._dialect.status_text(status))
        else:
            self._sender.asks.append(Ask('{"home":null}', self._homing_ended, lost=self._cycle_failed))

    def _homing_ended(self, ask: Ask, status: int) -> None:
        """Asked behind the cycle and again: nothing is read before it ends (controller.c, cm_homing_callback), but
        g2core reads JSON meanwhile."""
        if self._phase is not Phase.HOMING:
            return
        if self._report.stat in words.MOVING or self._report.stat < 0:
            self._sender.asks += [
                Ask('{"sr":null}'),
                Ask('{"home":null}', self._homing_ended, lost=self._cycle_failed),
            ]
            return
        if ask.body.get("home") != 1:
            self._cycle_failed("it says that it is not homed")
            return
        self._phase = Phase.IDLE
        self._show(Activity.IDLE, "")
        self._events.append(VerbDone(Verb.HOME))

    def make_safe(self, now: float) -> None:
        """Spindle and coolant off: by M5 and M9 at rest; in a feed hold at once where the firmware hears it then,
        and the run survives; else what is queued is flushed first."""
        self._refuse("It was made safe before it began.")
        running = self._phase is Phase.RUNNING
        if self._phase is Phase.IDLE and self._report.stat not in words.MOVING:
            self._sender.asks += [Ask("M5"), Ask("M9", self._made_safe, lost=self._not_made_safe)]
        elif running and self._waits:
            self._events.append(VerbDone(Verb.MAKE_SAFE))  # all is off while a person is waited for
        elif running and self._paused and self._dialect.told_off and self._report.stat == words.HOLDING:
            self._make_safe_in_hold()
        else:
            self._verbs.append(Verb.MAKE_SAFE)
            if self._in_run:
                self._end_run(RunEndKind.CANCELLED, "made safe", now)
            elif self._phase not in (Phase.RESETTING, Phase.FLUSHING):
                self._urgent += RESET
                self._await_reset(None, now)
        self._step(now)

    def _made_safe(self, ask: Ask, status: int) -> None:
        self._events.append(VerbDone(Verb.MAKE_SAFE, self._dialect.status_text(status) if status else ""))

    def _not_made_safe(self, reason: str) -> None:
        self._events.append(VerbDone(Verb.MAKE_SAFE, reason))
