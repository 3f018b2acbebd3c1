"""How Grbl is jogged: `$J=` moves while a person holds a key, single steps, and coming to rest.

A layer of the engine above `answers`. Facts: `$J=` is taken in Idle and Jog only, leaves the modal state alone, and
answers error:15 instead of an alarm when it would leave the travel; 0x85 slows down and drops the planned jogs, but a
`$J` line that still waits for room is executed after it (gnea/grbl issues 95, 423, 837), so we stop issuing, wait for
the answers that are due, send it, and look whether it rests, again and again. grblHAL drops its whole input buffer at
0x85, in any state: lines in it are never answered (Grbl 1.1, jogging.md; grblHAL, stream drivers).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.profile import Envelope
from fleetctl.protocol.engine import CommandDone
from fleetctl.protocol.jog_steps import JogSteps
from fleetctl.protocol.jogging import AXES, JogLimits, JogPlan, Move

from .answers import Answers
from .sender import Ask
from .state import Phase
from .status import Status

JOG_POLL_S = 0.1
CANCEL_POLL_S = 0.05
"""Until it rests: a handful of queries, more often than the 5 a second that are good for a long time."""

ANSWER_PATIENCE_S = 0.05
"""A `$J` line is answered within a few milliseconds as long as the planner has room, which our short queue leaves."""

SETTINGS_FEED = ("$110", "$111", "$112")
SETTINGS_ACCEL = ("$120", "$121", "$122")


class Jog(Enum):
    """What becomes of the jog in hand."""

    NONE = auto()
    ASKING = auto()
    """Where does it stand, and does it rest?"""
    MOVING = auto()
    STEPPING = auto()
    ANSWERS_DUE = auto()
    """No more moves; lines that it has must be answered first."""
    CANCELLING = auto()


class Jogging(Answers):
    """`protocol.operating.Jogged`."""

    def __init__(self) -> None:
        super().__init__()
        self._jog = Jog.NONE
        self._limits = JogLimits()
        self._plan = JogPlan(self._limits)
        self._jog_within: Envelope | None = None
        self._jog_lines: set[Ask] = set()
        self._steps = JogSteps()
        self._jog_refused = ""
        self._jog_due_s: float | None = None
        self._answers_due_s = 0.0

    def limit_jogs(self, limits: JogLimits) -> None:
        """What the profile says; the controller's own settings come before it."""
        self._limits = limits

    # Verbs

    def jog(self, velocity_mm_s: Mapping[str, float], until_s: float, within: Envelope | None, now: float) -> None:
        """Move like this until `until_s`; without speed, come to rest."""
        if not any(velocity_mm_s.values()):
            self._jog_refused = ""
            self._stop_jog(now)
            self._step(now)
            return
        self._need_jog(velocity_mm_s)
        if within is None:
            raise MachineError(
                "Nobody knows where the tool is.", hint="Home it first, or go in short steps and look."
            )
        if self._jog_refused:
            raise MachineError(self._jog_refused)
        if self._jog is Jog.STEPPING:
            raise MachineBusy("It still does the steps before; stop them first.")
        if self._jog in (Jog.ANSWERS_DUE, Jog.CANCELLING):
            return  # the next heartbeat finds it at rest
        if self._jog is Jog.NONE:
            self._plan = JogPlan(self._known_limits())
        self._plan.renew(velocity_mm_s, until_s)
        self._jog_within = within
        if self._jog is Jog.NONE:
            self._ask_where(now)
        self._step(now)

    def jog_step(
        self, distance_mm: Mapping[str, float], feed_mm_s: float, within: Envelope | None, now: float
    ) -> int:
        """One move; answered when it is planned."""
        self._need_jog(distance_mm)
        if self._jog not in (Jog.NONE, Jog.STEPPING) and not self._steps:
            raise MachineBusy("It is being jogged.")
        limits = self._known_limits()
        begun = self._jog is Jog.STEPPING
        feed_mm_s = self._steps.feed(distance_mm, feed_mm_s, within, limits, begun=begun)
        self._steps.add(distance_mm, feed_mm_s, self._tickets + 1, now)
        self._tickets += 1
        self._jog_within = within
        if self._jog is Jog.NONE:
            self._plan = JogPlan(limits)
            self._ask_where(now)
        self._step(now)
        return self._tickets

    def _need_jog(self, axes: Mapping[str, float]) -> None:
        if unknown := sorted(axis for axis in axes if axis not in AXES):
            raise UsageError(f"Grbl has no axis {unknown[0]}; it has X, Y and Z.")
        if self._jog is Jog.NONE:
            self._need_idle()  # a question of ours that is still to be answered goes first and is no obstacle

    def _need_idle(self) -> None:
        super()._need_idle()
        self._need_no_jog()

    def _need_no_jog(self) -> None:
        if self._jog is not Jog.NONE:
            raise MachineBusy("It is being jogged.", hint="Let go of it first.")

    def _known_limits(self) -> JogLimits:
        """The controller's own settings ($110 mm/min, $120 mm/s2), else the profile's."""
        feed, accel = dict(self._limits.feed_mm_s), dict(self._limits.accel_mm_s2)
        for axis, feed_setting, accel_setting in zip(AXES, SETTINGS_FEED, SETTINGS_ACCEL, strict=True):
            if (mm_min := _positive(self._facts.get(feed_setting, ""))) is not None:
                feed[axis] = mm_min / 60
            if (mm_s2 := _positive(self._facts.get(accel_setting, ""))) is not None:
                accel[axis] = mm_s2
        return JogLimits(feed_mm_s=feed, accel_mm_s2=accel, stop_within_s=self._limits.stop_within_s)

    # What goes out

    def _ask_where(self, now: float) -> None:
        """The last report may be a second old, and a command may have moved it since."""
        self._jog = Jog.ASKING
        self._poll(now)

    def _poll(self, now: float) -> None:
        super()._poll(now)
        if self._jog is not Jog.NONE:
            self._poll_due_s = now + (CANCEL_POLL_S if self._jog is Jog.CANCELLING else JOG_POLL_S)

    def _step(self, now: float) -> None:
        self._feed_jog(now)
        super()._step(now)

    def _feed_jog(self, now: float) -> None:
        self._jog_due_s = None
        if self._jog is Jog.MOVING:
            if not self._plan.wanted(now):
                self._stop_jog(now)
            else:
                move = None if self._jog_lines else self._plan.take(now, self._jog_within)
                if move is not None:
                    self._send_move(move.distance_mm, move.feed_mm_s, 0)
                # One line at a time: the answer to it brings the next.
                self._jog_due_s = self._plan.until_s if self._jog_lines else self._plan.due_s(now)
        elif self._jog is Jog.STEPPING:
            while (step := self._steps.take(self._jog_within, self._plan.limits, now)) is not None:
                if isinstance(step, CommandDone):
                    self._events.append(step)
                else:
                    self._send_move(step.distance_mm, step.feed_mm_s, step.ticket)
        if self._jog is Jog.ANSWERS_DUE:
            self._cancel_when_answered(now)

    def _send_move(self, distance_mm: Mapping[str, float], feed_mm_s: float, ticket: int) -> None:
        ask = Ask(jog_line(Move(dict(distance_mm), feed_mm_s)), self._jog_answered, ticket=ticket)
        self._jog_lines.add(ask)
        self._sender.asks.append(ask)

    def _jog_answered(self, ask: Ask, error: int) -> None:
        self._jog_lines.discard(ask)
        if error and not ask.ticket:
            self._jog_refused = self._dialect.error_text(error)
            self._plan.halt()
        if ask.ticket:
            lines = (self._dialect.error_text(error),) if error else ()
            self._events.append(CommandDone(ask.ticket, lines, ok=not error))

    # Coming to rest

    def _stop_jog(self, now: float) -> None:
        """No move goes out any more; what was not sent is forgotten."""
        self._plan.halt()
        self._events += self._steps.forget("stopped before it began")
        if self._jog is Jog.ASKING:
            self._jog = Jog.NONE
        elif self._jog in (Jog.MOVING, Jog.STEPPING):
            self._sender.asks = [ask for ask in self._sender.asks if not self._taken_back(ask)]
            self._jog = Jog.ANSWERS_DUE
            self._answers_due_s = now + ANSWER_PATIENCE_S

    def _taken_back(self, ask: Ask) -> bool:
        if ask not in self._jog_lines:
            return False
        self._jog_lines.discard(ask)
        if ask.ticket:
            self._events.append(CommandDone(ask.ticket, ("stopped before it began",), ok=False))
        return True

    def _cancel_when_answered(self, now: float) -> None:
        if self._jog_lines and now < self._answers_due_s:
            self._jog_due_s = self._answers_due_s
            return
        self._jog = Jog.CANCELLING
        self._cancel(now)

    def _cancel(self, now: float) -> None:
        self._urgent += self._signs.jog_cancel
        if self._jog_lines and self._dialect.cancel_flushes:
            for ask in self._sender.reset():
                if ask.ticket:
                    self._events.append(CommandDone(ask.ticket, ("it was stopped",), ok=False))
            self._jog_lines.clear()
            self._sender.asks = [Ask("$G", expects="[GC:")]  # an answer that was under way is not taken for another
        self._poll(now)

    def _status(self, status: Status, now: float) -> None:
        super()._status(status, now)
        if self._jog is Jog.NONE:
            return
        if self._phase is not Phase.IDLE:
            self._drop_jog("the machine does something else now")
        elif self._jog is Jog.ASKING:
            self._answered_where(status)
        elif self._jog in (Jog.CANCELLING, Jog.STEPPING) and not self._jog_lines and status.state == "Idle":
            self._drop_jog("")
        elif self._jog is Jog.CANCELLING:
            self._cancel(now)

    def _answered_where(self, status: Status) -> None:
        if status.state != "Idle" or status.position_mm is None:
            self._jog_refused = f"Grbl is in state {status.state}."
            self._drop_jog(self._jog_refused)
            return
        here_mm = dict(zip(AXES, status.position_mm, strict=True))
        if self._steps:
            self._jog = Jog.STEPPING
            self._steps.begin(here_mm)
        else:
            self._jog = Jog.MOVING
            self._plan.begin(here_mm)

    def _drop_jog(self, reason: str) -> None:
        """It is over; `reason` for steps that were not done."""
        self._plan.halt()
        self._events += self._steps.forget(reason or "stopped before it began")
        self._jog_lines.clear()
        self._jog, self._jog_due_s = Jog.NONE, None
        self._steps.ends_s = 0.0

    def _abandon(self, reason: str) -> None:
        self._drop_jog(reason)
        super()._abandon(reason)


def jog_line(move: Move) -> str:
    """`$J=` with distances and a feed in mm and minutes, whatever modes are active."""
    axes = "".join(f"{axis}{mm:.3f}".rstrip("0").rstrip(".") for axis, mm in move.distance_mm.items())
    return f"$J=G91G21{axes}F{move.feed_mm_s * 60:.1f}"


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value > 0 else None
