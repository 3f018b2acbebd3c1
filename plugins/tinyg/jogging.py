"""How TinyG is jogged: short relative moves while a person holds a key, single steps, and coming to rest.

A layer of the engine above `modes`. TinyG has no jog that ends by itself and leaves the modes alone (its
`{"jogx":..}` runs to a place, and only a feed hold and flush ends it), so the queue is what is bounded, as on Marlin:
no move goes out whose end would lie later than `protocol.jogging` allows, and the planner stops at its end without
us. A step is ended by `!%`, which slows down and keeps the position (canonical_machine.c,
cm_feedhold_sequencing_callback).

Speeds change with limited jerk: from v to rest takes 2 sqrt(v/J) at least (plan_zoid.c), which no constant
acceleration describes. It is told as the one that takes as long at this speed, sqrt(v J) / 2. A block that runs is
not planned again, so the first move ends in a stop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.protocol.engine import CommandDone
from fleetctl.protocol.jog_steps import JogSteps
from fleetctl.protocol.jogging import AXES, JogLimits, JogPlan, Move

from . import words
from .modes import Modes
from .report import MM_PER_INCH
from .sender import Ask
from .state import Phase
from .words import FLUSH, HOLD

JERKS = ("xjm", "yjm", "zjm")
JERK_UNIT_MM_S3 = 1e6 / 60**3
"""Jerk is told in millions of mm/min3 (settings, `{"xjm":..}`); above a million it is told without the millions."""
MILLION = 1e6
SETTLE_POLL_S = 0.1
SETTLE_PATIENCE_S = 60.0


class Jog(Enum):
    """What becomes of the jog in hand."""

    NONE = auto()
    ASKING = auto()
    """Where does it stand, and in which modes?"""
    MOVING = auto()
    STEPPING = auto()
    SETTLING = auto()
    """No more moves: until it rests."""
    RESTORING = auto()


class Jogging(Modes):
    """`protocol.operating.Jogged`."""

    def __init__(self) -> None:
        super().__init__()
        self._jog = Jog.NONE
        self._limits = JogLimits(starts_twice=True)
        self._plan = JogPlan(self._limits)
        self._jog_within: Envelope | None = None
        self._jog_lines: set[Ask] = set()
        self._steps = JogSteps()
        self._jog_refused = ""
        self._jog_due_s: float | None = None
        self._flush_jog = False

    def limit_jogs(self, limits: JogLimits) -> None:
        """What the profile says; the controller's own jerk comes before it."""
        self._limits = msgspec.structs.replace(limits, starts_twice=True)

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
        if self._jog in (Jog.SETTLING, Jog.RESTORING):
            return  # the next heartbeat finds it at rest
        asked_mm_s = dict(velocity_mm_s)
        self._plan.limits = self._limits_at(asked_mm_s)
        self._plan.renew(asked_mm_s, until_s)
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
        begun = self._jog is Jog.STEPPING
        feed_mm_s = self._steps.feed(distance_mm, feed_mm_s, within, self._limits, begun=begun)
        self._steps.add(distance_mm, feed_mm_s, self._tickets + 1, now)
        self._tickets += 1
        self._jog_within = within
        if self._jog is Jog.NONE:
            self._ask_where(now)
        self._step(now)
        return self._tickets

    def _need_jog(self, axes: Mapping[str, float]) -> None:
        if unknown := sorted(axis for axis in axes if axis not in AXES):
            raise UsageError(f"{self._dialect.firmware} is jogged in X, Y and Z; not in {unknown[0]}.")
        if self._jog is Jog.NONE:
            self._need_idle()

    def _need_idle(self) -> None:
        super()._need_idle()
        if self._jog is not Jog.NONE:
            raise MachineBusy("It is being jogged.", hint="Let go of it first.")

    def _limits_at(self, velocity_mm_s: Mapping[str, float]) -> JogLimits:
        """For these speeds: the acceleration that takes as long as the jerk allows, and no more speed than can be
        reached in the time there is."""
        accel, feed = dict(self._limits.accel_mm_s2), dict(self._limits.feed_mm_s)
        for axis, name in zip(AXES, JERKS, strict=True):
            jerk = jerk_mm_s3(self._facts.get(name, ""))
            if jerk is None:
                continue
            most = jerk * (self._limits.ramp_most_s / 2) ** 2
            speed = min(abs(velocity_mm_s.get(axis, 0.0)) or most, most, feed.get(axis, most))
            feed[axis] = min(feed.get(axis, most), most)
            accel[axis] = math.sqrt(speed * jerk) / 2
        return msgspec.structs.replace(self._limits, accel_mm_s2=accel, feed_mm_s=feed)

    # What goes out

    def _ask_where(self, now: float) -> None:
        self._jog = Jog.ASKING
        more = () if "xjm" in self._facts else JERKS
        self._ask_modes(self._where_told, self._where_failed, "sr", *more)

    def _where_failed(self, reason: str) -> None:
        if self._jog is Jog.ASKING:
            self._jog_refused = reason
            self._drop_jog(reason)

    def _where_told(self) -> None:
        if self._jog is not Jog.ASKING:
            return
        for name in JERKS:
            if name in self._modes:
                scale = MM_PER_INCH if self._modes.get("unit") == 0 else 1.0
                self._facts[name] = str(self._modes[name] * scale)
        place = self._report.position_mm
        if place is None or self._report.stat not in words.AT_REST:
            self._where_failed(f"{self._dialect.firmware} is {self._dialect.state_text(self._report.stat)}")
            return
        here_mm = dict(zip(AXES, place, strict=True))
        if self._steps:
            self._jog = Jog.STEPPING
            self._steps.begin(here_mm)
        else:
            self._jog = Jog.MOVING
            self._plan.begin(here_mm)
        self._show(Activity.RUNNING, "moved by hand")

    def _poll(self, now: float) -> None:
        super()._poll(now)
        if self._jog is not Jog.NONE:
            self._poll_due_s = now + SETTLE_POLL_S

    def _step(self, now: float) -> None:
        self._feed_jog(now)
        super()._step(now)

    def _feed_jog(self, now: float) -> None:
        self._jog_due_s = None
        if self._jog is Jog.MOVING:
            if not self._plan.wanted(now):
                self._stop_jog(now)
                return
            move = None if self._jog_lines or self._sender.asks else self._plan.take(now, self._jog_within)
            if move is not None:
                self._send_move(move.distance_mm, move.feed_mm_s, 0)
            # One line at a time: the answer to it brings the next.
            self._jog_due_s = self._plan.until_s if self._jog_lines else self._plan.due_s(now)
        elif self._jog is Jog.STEPPING:
            while (step := self._steps.take(self._jog_within, self._limits, now)) is not None:
                if isinstance(step, CommandDone):
                    self._events.append(step)
                else:
                    self._send_move(step.distance_mm, step.feed_mm_s, step.ticket)

    def _send_move(self, distance_mm: Mapping[str, float], feed_mm_s: float, ticket: int) -> None:
        ask = Ask(jog_line(Move(dict(distance_mm), feed_mm_s)), self._jog_answered, ticket=ticket)
        self._jog_lines.add(ask)
        self._sender.asks.append(ask)

    def _jog_answered(self, ask: Ask, status: int) -> None:
        self._jog_lines.discard(ask)
        if status and not ask.ticket:
            self._jog_refused = self._dialect.status_text(status)
            self._plan.halt()
        if ask.ticket:
            lines = (self._dialect.status_text(status),) if status else ()
            self._events.append(CommandDone(ask.ticket, lines, ok=not status))

    # Coming to rest

    def _stop_jog(self, now: float) -> None:
        """No move goes out any more; what was not sent is forgotten, and a step that runs is held and flushed."""
        self._plan.halt()
        self._events += self._steps.forget("stopped before it began")
        if self._jog is Jog.ASKING:
            self._drop_jog("stopped before it began")
        elif self._jog is Jog.STEPPING:
            self._urgent += HOLD + FLUSH
            for ask in self._sender.reset():
                if ask.ticket:
                    self._events.append(CommandDone(ask.ticket, ("it was stopped",), ok=False))
            self._jog_lines.clear()
            self._report.stat = words.HOLDING  # until it says that it rests
            self._settle(now)
        elif self._jog is Jog.MOVING:
            self._settle(now)

    def _settle(self, now: float) -> None:
        self._jog = Jog.SETTLING
        self._poll_due_s = now

    def _by_state(self, now: float) -> None:
        if self._jog is Jog.NONE:
            super()._by_state(now)
            return
        if self._phase is not Phase.IDLE:
            self._drop_jog("the machine does something else now")
            super()._by_state(now)
            return
        rests = self._report.at_rest and self._sender.drained and not self._jog_lines
        if self._jog is Jog.STEPPING and rests and not self._steps and now >= self._steps.ends_s:
            self._settle(now)
        if self._jog is Jog.SETTLING and rests:
            self._jog = Jog.RESTORING
            self._sender.asks.append(Ask(self._modes_back(), self._restored, lost=self._drop_jog))

    def _restored(self, ask: Ask, status: int) -> None:
        if status:
            self._jog_refused = f"the modes could not be set back: {self._dialect.status_text(status)}"
        self._drop_jog("")
        self._sender.asks.append(Ask('{"mpo":null}'))

    def _drop_jog(self, reason: str) -> None:
        """It is over; `reason` for steps that were not done."""
        self._plan.halt()
        self._events += self._steps.forget(reason or "stopped before it began")
        self._jog_lines.clear()
        self._jog, self._jog_due_s = Jog.NONE, None
        self._steps.ends_s = 0.0
        if self._phase is Phase.IDLE:
            self._show(Activity.IDLE, "")

    def _abandon(self, reason: str) -> None:
        self._drop_jog(reason)
        super()._abandon(reason)


def jog_line(move: Move) -> str:
    """Distances and a feed in mm and minutes, whatever modes are active."""
    axes = "".join(f"{axis}{mm:.3f}".rstrip("0").rstrip(".") for axis, mm in move.distance_mm.items())
    return f"G21G91G1{axes}F{move.feed_mm_s * 60:.1f}"


def jerk_mm_s3(told: str) -> float | None:
    """A jerk setting; None when it is no number above 0."""
    try:
        value = float(told)
    except ValueError:
        return None
    if not (math.isfinite(value) and value > 0):
        return None
    return value * JERK_UNIT_MM_S3 / (MILLION if value > MILLION else 1.0)
