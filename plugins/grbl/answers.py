"""What the Grbl engine makes of each line from the controller.

Calls only the layers below it. Numbers are in `dialects`, words in `words`, reports in `status`; why each case is
handled as it is stands in this folder's README.
"""

from __future__ import annotations

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    Identified,
    Position,
    PositionSuspect,
    RunEndKind,
    Switches,
    Verb,
    VerbDone,
)
from fleetctl.protocol.lines import ANSWER_MOST_LINES

from . import switches, words
from .changing import Changing
from .dialects import is_banner
from .ending import SILENT_S
from .sender import Ask
from .state import Phase
from .status import MOVING, Status
from .switching import switching_s

GREETING_S = 10.0
"""A machine that moves when we come is listened to so long before the link counts as usable."""
HOLD_IDLE_S = 1.0
STALE_S = 0.5
"""A report that was under way when we asked for something else is older than this at most."""
LOST_ANSWER_S = 0.7
"""More than three reports of Idle with a line unanswered."""
DWELL_STRETCH = 1.15
"""A dwell is counted down in steps of 50 ms, and each report that it gives meanwhile comes on top (nuts_bolts.c)."""
ENDS_A_RUN = {
    "Sleep": "it went to sleep and switched everything off",
    "Check": "it was set to check mode and moves nothing",
    "Home": "it was told to home by somebody else",
    "Jog": "it is being jogged by somebody else",
    "Starting": "it starts anew",
}
UNKNOWN_WHO = (Phase.GREETING, Phase.IDENTIFYING)
"""Until it said who it is nobody knows what its letters mean."""
UNKNOWN_ERROR = 999
"""Stands for an error whose number was garbled."""


class Answers(Changing):
    """Lines from the controller."""

    def _line(self, line: bytes, now: float) -> None:
        if line == b"ok":
            self._answer(0, now)
        elif line.startswith(b"<"):
            status = self._reader.read(line)
            if status is not None:
                self._status(status, now)
        elif line.startswith(b"error:"):
            self._answer(_number(line) or UNKNOWN_ERROR, now)
        elif is_banner(line):
            self._banner(line, now)
        elif line.startswith(b"ALARM:"):
            self._alarm(_number(line), now)
        elif line.startswith(b"[echo:"):
            self._echo(line[len(b"[echo:") : -1], now)
        elif isinstance(ask := self._sender.window.oldest(), Ask) and len(ask.lines) < ANSWER_MOST_LINES:
            ask.lines.append(line.decode("latin-1"))

    def _echo(self, echo: bytes, now: float) -> None:
        """The line as the controller read it: the only thing by which a garbled line that still makes sense shows."""
        oldest = self._sender.window.oldest()
        if self._phase is not Phase.RUNNING or oldest is None:
            return
        sent = oldest.text.encode("ascii") if isinstance(oldest, Ask) else oldest[0].rstrip(b"\n")
        came = echo.translate(None, b" \t\r").upper()
        if came != sent.translate(None, b" "):
            where = f"line {oldest[1]}" if isinstance(oldest, tuple) else "a line of our own"
            arrived = f"{where} arrived as {came.decode('latin-1')!r} and not as {sent.decode('latin-1')!r}"
            self._events.append(PositionSuspect(arrived))
            self._end_run(RunEndKind.INTERRUPTED, arrived, now)

    def _answer(self, error: int, now: float) -> None:
        oldest = self._sender.window.oldest()
        if oldest is None:
            self._strays += 1
            self._out_of_step("the controller answered more lines than were sent", now)
            return
        if isinstance(oldest, Ask) and not error and not oldest.was_heard:
            self._strays += 1  # an answer to a line of somebody before us, or one that came twice
            return
        self._sender.answered()
        self._idle_since_s = None
        if isinstance(oldest, Ask):
            if error and self._dialect.locks_after_error:
                self._sender.asks.insert(0, Ask(""))  # else the next line would be answered with the same error
            if oldest.done is not None:
                oldest.done(oldest, error)
        elif error:
            self._end_run(RunEndKind.FAILED, f"line {oldest[1]}: {self._dialect.error_text(error)}", now)
        else:
            self._acknowledged_line, self._acknowledged_bytes = oldest[1], oldest[2]

    def _banner(self, line: bytes, now: float) -> None:
        """Everything in flight is gone, and the parser stands at its defaults."""
        found = words.VERSION.match(line)
        self._told = [line.decode("latin-1")] + ([f"[VER:{found[1].decode('latin-1')}:]"] if found else [])
        expected = self._phase is Phase.RESETTING or bool(self._verbs_after_reset) or self._leaves_check_mode
        self._in_check_mode = self._leaves_check_mode = False
        self._alarm_on_opening = 0
        self._reader.forget()
        self._reset_on_opening |= not self._ready_told
        was_running = self._in_run
        if self._phase is Phase.RESETTING:
            self._ended(*self._end)
        else:
            self._ended(RunEndKind.INTERRUPTED, f"the controller was reset{self._at()}")
        if not expected and self._phase is not Phase.GREETING:
            during = " during a run" if was_running else ""
            self._events.append(PositionSuspect(f"the controller was reset{during}"))
        self._abandon("the controller was reset")
        self._state = ""
        if was_running and not expected:
            # Lines that were on the wire when it booted are taken for new ones: it must drop them.
            self._discard = True
            self._urgent += self._signs.hold + self._signs.reset
            self._await_banner(now)
            return
        if Verb.STOP in self._verbs_after_reset:
            self._verbs_after_reset.remove(Verb.STOP)
            self._events.append(VerbDone(Verb.STOP))
        self._identify(now)

    def _alarm(self, number: int, now: float) -> None:
        text = self._dialect.alarm_text(number)
        if self._phase is Phase.RESETTING or Verb.STOP in self._verbs_after_reset:
            # The answer to our own reset while it still moved.
            self._events.append(PositionSuspect(text))
            return
        if self._phase in (Phase.GREETING, Phase.IDENTIFYING):
            # Some say at every start why they are locked (grblHAL 11, FluidNC 14). It is told with the identity.
            self._alarm_on_opening = number
            if number in self._dialect.deaf_alarms and not self._dialect.answers_when_deaf:
                self._deaf_on_opening(number, now)
            return
        self._ended(RunEndKind.INTERRUPTED, f"{text}{self._at()}")
        self._fail(f"alarm:{number}", text, number not in self._dialect.keeps_position, now)

    def _deaf_on_opening(self, number: int, now: float) -> None:
        """It will not say who it is before it is reset."""
        self._events.append(Identified(self._dialect.firmware, "", {}))
        self._fail(f"alarm:{number}", self._dialect.alarm_text(number), True, now)
        self._tell_ready()

    # Reports

    def _status(self, status: Status, now: float) -> None:
        self._silent_due_s = now + SILENT_S
        self._state = status.state
        self._status_now = status
        self._resting = status.at_rest_in_hold or status.state in ("Door", "Tool")
        self._events.append(Position(status.position_mm, status.feed_mm_s, status.spindle_rpm))
        if (status.pins, status.on) != self._switches_told and self._phase not in UNKNOWN_WHO:
            self._tell_switches(status)
        arrived_bytes = self._watch.answered(now)
        if status.rx_free_bytes is not None:
            self._compare_buffer(status.rx_free_bytes, arrived_bytes, now)
        if self._phase is Phase.GREETING:
            self._greeted(status, now)
        elif self._phase is Phase.IDENTIFYING and self._knows_who:
            self._conclude_identity()
        elif self._phase is Phase.CHECKING:
            if status.state != "Idle":
                self._refuse(f"Grbl is in state {status.state}.", "Bring it to rest at the machine first.")
                self._status_at_rest(status, now)
        elif self._phase is Phase.RUNNING:
            self._status_in_run(status, arrived_bytes, now)
        elif self._phase is Phase.HOLDING:
            at_rest = status.at_rest_in_hold or status.state in ("Alarm", "Door", "Sleep", "Check")
            if at_rest or (status.state == "Idle" and now - self._phase_since_s > HOLD_IDLE_S):
                self._reset_after_hold(now)
        elif not self._occupied and self._phase in (Phase.IDLE, Phase.FAULT):
            self._status_at_rest(status, now)

    def _tell_switches(self, status: Status) -> None:
        self._switches_told = (status.pins, status.on)
        laser = self._facts.get("$32", "").strip("0.") != ""
        closed = switches.closed(status.pins, self._dialect.name)
        self._events.append(Switches(closed, switches.running(status.on, laser=laser)))

    def _in_state(self, status: Status) -> str:
        """That it is in this state, and what at the machine holds it there, as far as its inputs say."""
        held = switches.why_held(status.pins, self._dialect.name)
        return f"{self._dialect.firmware} is in state {status.state}" + (f": {held}" if held else "")

    def _compare_buffer(self, free_bytes: int, arrived_bytes: int | None, now: float) -> None:
        sender = self._sender
        if self._phase is not Phase.RUNNING:
            self._most_free_bytes = max(free_bytes, self._most_free_bytes)
            if not sender.window:
                self._watch.at_rest(free_bytes)
            return
        if not sender.window:
            return
        if self._dialect.bf_is_exact:
            wrong = self._watch.look(
                free_bytes,
                arrived_bytes,
                sent_bytes=sender.sent_bytes - sender.unwritten_bytes,
                unanswered_bytes=sender.window.used_bytes - sender.unwritten_bytes,
                oldest_bytes=sender.oldest_bytes,
            )
            if wrong:
                self._out_of_step(f"the controller's buffer does not fit what was sent: {wrong}", now)

    def _greeted(self, status: Status, now: float) -> None:
        """At rest it can be asked; while it still moves we wait; in a hold it answers no line."""
        if status.state in ("Idle", "Alarm", "Check"):
            self._identify(now)
        elif status.state in MOVING:
            if now - self._phase_since_s > GREETING_S and not self._ready_told:
                # With a large buffer it works on for minutes; a person must be able to stop it meanwhile.
                self._events.append(Identified(self._dialect.firmware, "", {}))
                self._show(Activity.RUNNING, "still moving; nobody here sent what it does")
                self._tell_ready()
        else:
            self._events.append(Identified(self._dialect.firmware, "", {}))
            self._fail("hold", f"{self._in_state(status)}; clear the fault", False, now)
            self._tell_ready()

    def _status_in_run(self, status: Status, arrived_bytes: int | None, now: float) -> None:
        state = status.state
        if state == "Alarm":
            self._alarm(status.sub_state, now)
            return
        if state in ENDS_A_RUN or state not in self._dialect.states:
            self._ends_by_state(state, now)
            return
        if state == "Hold" and self._paused:
            if status.at_rest_in_hold:
                self._show(Activity.PAUSED, "paused")
        elif state in ("Hold", "Door", "Tool"):
            if now - self._resumed_s > STALE_S:
                self._show(Activity.WAITING, self._why_waiting(status))
        elif self._change_waits:
            self._show(Activity.WAITING, self._waits_for)
        elif not self._paused:
            self._show(Activity.RUNNING, "")
        if state != "Idle" or self._paused:
            self._idle_since_s = None
        elif self._synced:
            self._finished(now)
        elif self._sender.window and self._oldest_arrived(arrived_bytes):
            self._idle_with_unanswered(now)

    def _ends_by_state(self, state: str, now: float) -> None:
        """It does something else than the program, because somebody told it so elsewhere, or nothing we know."""
        why = ENDS_A_RUN.get(state, f"it is in state {state}, which {self._dialect.firmware} does not have")
        self._end_run(RunEndKind.INTERRUPTED, f"{why}{self._at()}", now)

    def _why_waiting(self, status: Status) -> str:
        """What a person must do; the sub-state of a door says whether it is still ajar (1) or shut (0)."""
        if status.state == "Tool":
            return "tool change (M6): change the tool, then resume"
        held = switches.why_held(status.pins, self._dialect.name)
        if status.state == "Door":
            shut = "the safety door was opened and is shut again; resume"
            return held or (shut if status.sub_state == 0 else "the safety door is open")
        return f"feed hold: {held}" if held else "feed hold"

    def _oldest_arrived(self, arrived_bytes: int | None) -> bool:
        """Whether it had the oldest line when it told this. On a slow link a report answers a query that went out
        seconds ago, before that line; it rests then because nothing came (seen with grblHAL's simulator)."""
        sender = self._sender
        need_bytes = sender.sent_bytes - sender.window.used_bytes + sender.oldest_bytes
        return arrived_bytes is None or arrived_bytes >= need_bytes

    def _idle_with_unanswered(self, now: float) -> None:
        """Idle means that every line was parsed; only a dwell and a spindle that comes up look the same (README)."""
        oldest = self._sender.window.oldest()
        line = oldest[0] if isinstance(oldest, tuple) else oldest.text.encode() if oldest else b""
        dwell_s = words.dwell_s(line) + switching_s(line, self._dialect, self._facts)
        if self._idle_since_s is None:
            self._idle_since_s = now
        elif now - self._idle_since_s > LOST_ANSWER_S + dwell_s * DWELL_STRETCH:
            reason = f"an acknowledgement was lost{self._at()}"
            self._urgent += self._signs.hold
            self._ended(RunEndKind.INTERRUPTED, reason)
            self._fail("acknowledgement-lost", reason, True, now)

    def _status_at_rest(self, status: Status, now: float) -> None:
        state = status.state
        if state == "Idle":
            if self._phase is Phase.IDLE or self._fault in ("locked", "hold", "check"):
                self._go(Phase.IDLE, now)
                self._show(Activity.IDLE, "")
        elif state in MOVING:
            if self._phase is Phase.IDLE:
                self._show(Activity.RUNNING, "moving")
        elif state == "Alarm":
            if self._phase is Phase.IDLE:
                self._locked(status.sub_state, now)
        elif state == "Check" and self._in_check_mode:
            self._show(Activity.RUNNING, "check mode")
        elif self._phase is Phase.IDLE:
            fault = "check" if state == "Check" else "hold"
            self._fail(fault, f"{self._in_state(status)}; clear the fault", False, now)

    def _locked(self, alarm: int, now: float) -> None:
        """It was locked without a word to us; grblHAL may say by which alarm (`Alarm:11`)."""
        text = self._dialect.alarm_text(alarm) if alarm else f"{self._dialect.firmware} is locked"
        fault = f"alarm:{alarm}" if alarm else "locked"
        self._fail(fault, f"{text}; home it or clear the fault", False, now)


def _number(line: bytes) -> int:
    """The number after the colon; 0 when it is garbled."""
    digits = line.partition(b":")[2].strip()
    return int(digits) if digits.isdigit() else 0
