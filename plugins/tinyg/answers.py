"""What the TinyG engine makes of each line from the controller.

Calls only the layers below it. Numbers are in `numbers` and `dialects`, reports in `report`; why each case is handled
as it is stands in this folder's README.
"""

from __future__ import annotations

from typing import Any

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import Position, PositionSuspect, RunEndKind, Verb, VerbDone
from fleetctl.protocol.lines import ANSWER_MOST_LINES

from . import words
from .dialects import HARMLESS, KEEPS_POSITION, NOT_SERIOUS
from .ending import FACTS
from .report import FRAME_NAMES
from .sender import Ask, ProgramLine
from .state import Phase
from .waiting import Waiting
from .words import FLUSH, HOLD, LINE_END, Answer

STALE_S = 0.5
"""A report that was under way when we asked for something else is older than this at most."""


class Answers(Waiting):
    """Lines from the controller."""

    def _take(self, answer: Answer, now: float) -> None:
        if words.is_banner(answer):
            self._banner(now)
            return
        told = answer.body if answer.kind != "r" else answer.body.get("sr", answer.body)
        if answer.kind != "er" and isinstance(told, dict):
            self._note(told)
        if answer.kind == "r":
            self._answered(answer, now)
        elif answer.kind == "er":
            self._exception(answer.body, now)
        elif answer.kind == "prb":
            self._probed(answer.body)
        stat = self._report.stat
        if stat in self._dialect.faults and self._phase not in (Phase.FAULT, Phase.RESETTING, Phase.IDENTIFYING):
            self._faulted(self._dialect.state_text(stat), stat, True, now)
        self._by_state(now)

    def _note(self, told: dict[str, Any]) -> None:
        """State, queue and position, wherever they were told."""
        if isinstance(told.get("qr"), int):
            self._since_told = 0
        report = self._report
        if report.take(told) and (place := report.position_mm) is not None:
            self._events.append(Position(place, report.velocity_mm_s, None))

    def _answered(self, answer: Answer, now: float) -> None:
        for name in answer.body:
            if name in self._sender.aside:
                ask = self._sender.aside.pop(name)
                self._finish_ask(ask, answer)
                return
        oldest = self._sender.window.oldest()
        if answer.is_unasked:
            self._unasked(answer, now)
            return
        if isinstance(oldest, Ask):
            if oldest.is_answered_by(answer, self._sender.size_extra):
                self._sender.window.answered()
                self._finish_ask(oldest, answer)
        elif oldest is None:
            if self._phase is Phase.RUNNING:
                self._lost("out-of-step", f"the controller answered more lines than were sent{self._at()}", now)
        else:
            self._line_answered(oldest, answer, now)

    def _finish_ask(self, ask: Ask, answer: Answer) -> None:
        self._rest_since_s = None
        if self._phase is Phase.IDENTIFYING and ask.name:
            self._extras.add(answer.size_bytes - len(ask.text) - 1)
        ask.body = answer.body
        if len(ask.lines) < ANSWER_MOST_LINES:
            ask.lines.append(words.encode(answer.body))
        for name in FACTS:
            if name in answer.body:
                self._facts[name] = str(answer.body[name])
        if ask.name in ("g54", "g55", "g56", "g57", "g58", "g59", "g92"):
            self._keep_offset(ask.name, answer.body.get(ask.name))
        if ask.done is not None:
            ask.done(ask, answer.status)

    def _keep_offset(self, name: str, told: Any) -> None:
        """For reckoning places before the first program; a program's check reads them again."""
        place = words.point(told)
        if place is None:
            return
        scale = 25.4 if self._report.inches and (name != "g92" or self._dialect.converts_places) else 1.0
        scaled = (place[0] * scale, place[1] * scale, place[2] * scale)
        if name == "g92":
            self._report.g92_mm = scaled
        elif name.upper() in FRAME_NAMES.values():
            self._report.frames_mm[name.upper()] = scaled

    def _line_answered(self, line: ProgramLine, answer: Answer, now: float) -> None:
        extra = self._sender.size_extra
        if extra is not None and answer.size_bytes - extra != len(line[0]):
            came = f"line {line[1]} arrived with {answer.size_bytes - extra} bytes and was sent with {len(line[0])}"
            self._events.append(PositionSuspect(came))
            self._end_run(RunEndKind.INTERRUPTED, came, now)
            return
        self._sender.window.answered()
        self._rest_since_s = None
        if answer.status in HARMLESS:
            self._since_told += 1
            # What else is on the line of a stop comes before it: nobody who continues may carry it out again.
            self._acknowledged = (line[1], line[2])
        else:
            reason = f"line {line[1]}: {self._dialect.status_text(answer.status)}"
            self._end_run(RunEndKind.FAILED, reason, now)

    def _unasked(self, answer: Answer, now: float) -> None:
        """It answers no line: a homing or probing cycle ended, or could not begin."""
        told = answer.body.get("prb")
        if isinstance(told, dict):
            self._probed(told)
        elif answer.status:
            text = f"{self._dialect.status_text(answer.status)} ({answer.body.get('msg', 'no text')})"
            self._cycle_failed(text)
            self._end_run(RunEndKind.FAILED, f"{text}{self._at()}", now)

    def _cycle_failed(self, text: str) -> None:
        """Homing or probing by hand came to nothing."""
        if self._phase is Phase.HOMING:
            self._phase = Phase.IDLE
            self._show(Activity.IDLE, "")
            self._events.append(VerbDone(Verb.HOME, text))

    def _probed(self, told: dict[str, Any]) -> None:
        """A probing cycle ended; of interest to the layer that began it."""

    # Exceptions

    def _exception(self, body: dict[str, Any], now: float) -> None:
        """`er`: the firmware stopped by itself, or says that it could not do something."""
        status = body.get("st")
        if not isinstance(status, int) or status in NOT_SERIOUS or self._phase is Phase.IDENTIFYING:
            return
        text = f"{self._dialect.status_text(status)} ({body.get('msg', 'no text')})"
        stat = self._dialect.stat_of(status)
        self._faulted(text, stat, stat != self._dialect.alarm or status not in KEEPS_POSITION, now)

    def _faulted(self, text: str, stat: int, position_lost: bool, now: float) -> None:
        """TinyG goes on with what is planned in a soft alarm, so it is held and flushed; else it stopped itself."""
        if self._phase in (Phase.RESETTING, Phase.FAULT):
            return
        self._cycle_failed(text)
        alarmed = stat == self._dialect.alarm
        kind = "alarm" if alarmed else "shut-down"
        reason = f"{text}{self._at()}"
        if self._phase is Phase.FLUSHING:
            self._fault_after = self._fault_after or (kind, text, position_lost)
            if alarmed and not self._dialect.stops_in_alarm:
                return
        if alarmed and not self._dialect.stops_in_alarm and self._phase is Phase.RUNNING:
            self._end_run(RunEndKind.INTERRUPTED, reason, now, (kind, text, position_lost))
            return
        self._report.stat = stat
        if self._phase is not Phase.FLUSHING:
            self._end = (RunEndKind.INTERRUPTED, reason)
        self._conclude()
        self._abandon(text)
        self._fault(kind, text, position_lost)

    def _banner(self, now: float) -> None:
        """Everything in flight is gone, and it counts from where it stands."""
        expected = self._phase is Phase.RESETTING
        running = self._in_run
        if not expected:
            self._end = (RunEndKind.INTERRUPTED, f"the controller was reset{self._at()}")
            self._events.append(PositionSuspect("the controller was reset"))
        self._conclude()
        self._abandon("the controller was reset")
        self._cycle_failed("the controller was reset")
        self._report.forget()
        if running and not expected:
            # Lines that were on the wire when it booted are taken for new ones: it must drop them.
            self._discard = True
            self._urgent += LINE_END + HOLD + FLUSH
        if Verb.STOP in self._verbs:
            self._verbs.remove(Verb.STOP)
            self._events.append(VerbDone(Verb.STOP))
        self._identify(now)

    # States

    def _by_state(self, now: float) -> None:
        stat, phase = self._report.stat, self._phase
        if phase is Phase.FLUSHING:
            if stat in words.AT_REST and not self._occupied:
                self._switch_off()
        elif phase is Phase.RUNNING:
            self._state_in_run(stat, now)
        elif phase is Phase.IDLE and not self._in_run and not self._occupied:
            self._show(*((Activity.RUNNING, "moving") if stat in words.MOVING else (Activity.IDLE, "")))

    def _state_in_run(self, stat: int, now: float) -> None:
        if self._paused:
            self._state_in_pause(stat)
            return
        if stat in words.AT_REST and self._sender.held is not None:
            self._wait_if_reached()
        elif self._report.at_rest and self._report.free >= 0 and self._sender.program_done:
            self._finished()
        elif self._waits or now - self._resumed_s <= STALE_S:
            return
        elif stat == words.HOLDING:
            self._show(Activity.WAITING, "feed hold")
        elif self._dialect.states.get(stat, "").startswith("interlock"):
            self._show(Activity.WAITING, "the interlock is open")
        elif stat in words.MOVING:
            self._show(Activity.RUNNING, "")

    def _state_in_pause(self, stat: int) -> None:
        if self._start_due_s is not None:
            return
        if stat == words.HOLDING:
            self._show(Activity.PAUSED, "paused")
        elif stat in words.MOVING:
            if self._shown is not None and self._shown[0] is not Activity.PAUSED:
                self._urgent += HOLD  # it rested when the first came, which counts for nothing then
        elif stat in words.AT_REST and self._sender.drained:
            self._show(Activity.PAUSED, "paused")
