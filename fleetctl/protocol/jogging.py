"""Jogging without input and output: how fast, how far, and how a speed becomes short moves that end by themselves.

Everything that is queued at a machine runs on when we are dead, so the queue is what is bounded: no move goes out
whose end would lie later than `AFTER_S` past the validity of the newest heartbeat. Whoever vanishes (page, command
line, controller, agent, cable), motion is over within `JogLimits.stop_within_s` of the last heartbeat.

Must not know any firmware's words, nor who sends the heartbeats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.profile import Envelope, Profile
from fleetctl.protocol.jog_queue import JogQueue, Latest, PlannedAgain, Queued

AXES = "XYZ"
JOG_AXES = ("X", "Y", "Z", "E")

VALID_S = 0.15
"""How long one heartbeat counts; pages send one every 80 ms."""

AFTER_S = 0.04
"""Motion may end this much after the validity of the last heartbeat, slowing down included. 10 ms of the 200 ms that
are promised are left for the way from page to machine."""

SEGMENT_S = 0.03
"""One short move lasts as long. Grbl's jogging document asks for 25 to 60 ms, and at least 10 ms for parsing."""

PLANNER_BLOCKS_LEAST = 15
"""Grbl's usable planner blocks; Marlin's default is 16."""

DEFAULT_ACCEL_MM_S2 = 100.0
"""When neither firmware nor profile says: low, because a low one makes jogs slow and never long."""

STOP_WITHIN_S = 0.2

UNKNOWN_STEP_MOST_MM = 5.0
UNKNOWN_FEED_MOST_MM_S = 5.0
"""Where nobody knows where the tool is, it may be about to hit something: a person steps and looks."""

STEP_MOST_MM = 100.0
STEP_MOST_S = 30.0
"""A step is not renewed by a heartbeat, so it is short in way and time; so are all that wait together."""

FEED_MOST_MM_S = 1000.0
"""No machine here is faster; where no axis says how fast it is, the number still has to fit a line."""

OPTION = "jog_stop_s"
"""A machine's option: how long after the last heartbeat it may take to come to rest; see the safety page."""


class JogLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine can do, by axis; an axis that is left out is not known."""

    feed_mm_s: dict[str, float] = {}
    accel_mm_s2: dict[str, float] = {}
    stop_within_s: float = STOP_WITHIN_S
    moves_least: int = 2
    """Moves that must fit the queue beside the time to speed up."""
    starts_twice: bool = False
    """The first move is planned to a stop before the second is there, and is not planned again once it runs."""

    @property
    def queue_s(self) -> float:
        """Motion that may be queued, slowing down included: heartbeat and queue together keep `stop_within_s`."""
        return self.stop_within_s - 0.05

    @property
    def ramp_most_s(self) -> float:
        """How long it may take to speed up or slow down, so that there is room for some moves in the queue."""
        return (self.queue_s - self.moves_least * SEGMENT_S) / self.ramps_at_start

    @property
    def ramps_at_start(self) -> int:
        """How often it speeds up and slows down, as a whole, when it starts from rest."""
        return 2 if self.starts_twice else 1

    def allowed(self, velocity_mm_s: Mapping[str, float]) -> dict[str, float]:
        """The same direction, as fast as asked or as the limits allow. Raises UsageError for an unknown axis."""
        asked = {axis: speed for axis, speed in velocity_mm_s.items() if speed}
        for axis, speed in asked.items():
            if axis not in JOG_AXES or not math.isfinite(speed):
                raise UsageError(f"{axis}={speed:g} is no speed of an axis; there are {', '.join(JOG_AXES)}.")
        share = 1.0
        for axis, speed in asked.items():
            ramp_most = self.accel_of(axis) * self.ramp_most_s
            share = min(share, ramp_most / abs(speed), self.feed_mm_s.get(axis, math.inf) / abs(speed))
        return {axis: speed * share for axis, speed in asked.items()}

    def accel_of(self, axis: str) -> float:
        """mm/s2, known or assumed."""
        return self.accel_mm_s2.get(axis, DEFAULT_ACCEL_MM_S2)


def limits_of(profile: Profile, options: Mapping[str, str]) -> JogLimits:
    """The limits that a profile and a machine's options state. Raises UsageError for a senseless option."""
    text = options.get(OPTION, "")
    try:
        stop_within_s = float(text or STOP_WITHIN_S)
    except ValueError:
        stop_within_s = 0.0
    if not STOP_WITHIN_S <= stop_within_s <= 1.0:
        raise UsageError(f"The option {OPTION} is {text!r}; it is a number of seconds from {STOP_WITHIN_S} to 1.")
    return JogLimits(
        feed_mm_s=dict(zip(AXES, profile.max_feed_mm_s or (), strict=False)),
        accel_mm_s2=dict(zip(AXES, profile.max_accel_mm_s2 or (), strict=False)),
        stop_within_s=stop_within_s,
    )


def check_step(
    distance_mm: Mapping[str, float],
    feed_mm_s: float,
    here_mm: Mapping[str, float],
    within: Envelope | None,
    limits: JogLimits,
) -> float:
    """The feed at which this step may be done from `here_mm` (machine coordinates). Raises UsageError for what is no
    step, MachineError with what stands in the way."""
    length_mm = math.sqrt(sum(mm * mm for mm in distance_mm.values()))
    if any(axis not in JOG_AXES for axis in distance_mm):
        raise UsageError(f"A step names axes of {', '.join(JOG_AXES)}.")
    if not (math.isfinite(length_mm) and length_mm > 0 and math.isfinite(feed_mm_s) and feed_mm_s > 0):
        raise UsageError("A step has a length and a feed above 0.")
    along_mm_s = (
        limits.feed_mm_s.get(axis, math.inf) * length_mm / abs(mm) for axis, mm in distance_mm.items() if mm
    )
    feed_mm_s = min([feed_mm_s, FEED_MOST_MM_S, *along_mm_s])
    blind = within is None and any(distance_mm.get(axis) for axis in AXES)
    if blind and (length_mm > UNKNOWN_STEP_MOST_MM or feed_mm_s > UNKNOWN_FEED_MOST_MM_S):
        raise MachineError(
            f"Nobody knows where the tool is, so a step is at most {UNKNOWN_STEP_MOST_MM:g} mm at "
            f"{UNKNOWN_FEED_MOST_MM_S:g} mm/s.",
            hint="Home the machine first, or go in short steps and look.",
        )
    if length_mm > STEP_MOST_MM or length_mm / feed_mm_s > STEP_MOST_S:
        raise UsageError(f"A step is at most {STEP_MOST_MM:g} mm and {STEP_MOST_S:g} s long.")
    if within is not None:
        _check_inside(distance_mm, here_mm, within)
    return feed_mm_s


def step_s(distance_mm: Mapping[str, float], feed_mm_s: float) -> float:
    """How long a step takes without speeding up and slowing down."""
    return math.sqrt(sum(mm * mm for mm in distance_mm.values())) / feed_mm_s


def check_queued(queued_s: float, most_s: float = STEP_MOST_S) -> None:
    """Raises MachineBusy where steps, the new one included, would keep the machine moving for longer."""
    if queued_s > most_s:
        raise MachineBusy(
            f"With the steps before it would move for {queued_s:.0f} s; {most_s:g} s are the most.",
            hint="Let those end first, or stop them.",
        )


def _check_inside(distance_mm: Mapping[str, float], here_mm: Mapping[str, float], within: Envelope) -> None:
    for axis, least, greatest in zip(AXES, within.least_mm, within.greatest_mm, strict=True):
        way_mm = distance_mm.get(axis, 0.0)
        if axis in here_mm and way_mm != inside(way_mm, here_mm[axis], least, greatest):
            raise MachineError(
                f"{axis} would go to {here_mm[axis] + way_mm:.3f} mm; the machine reaches {least:g} to {greatest:g}.",
                hint=f"From {here_mm[axis]:.3f} mm there is less way left.",
            )


def inside(way_mm: float, here_mm: float, least_mm: float, greatest_mm: float) -> float:
    """As much of a way as does not leave the travel; the way back in is always free."""
    if way_mm > 0:
        return max(0.0, min(way_mm, greatest_mm - here_mm))
    return min(0.0, max(way_mm, least_mm - here_mm))


class Move(msgspec.Struct, frozen=True):
    """One short move: distances by axis, none of them 0, and the feed along them."""

    distance_mm: dict[str, float]
    feed_mm_s: float


class JogPlan:
    """Cuts the speed that is asked for into short moves, and knows until when those that went out will last.

    The end is reckoned with the time to speed up and to slow down (v/a at least), so that it is not too early.
    """

    def __init__(self, limits: JogLimits, decimals: int = 3) -> None:
        """`decimals`: of the distances; what is rounded off is kept for the next move."""
        self.limits = limits
        self.ends_s = 0.0
        self._decimals = decimals
        self._asked: dict[str, float] = {}
        self.until_s = 0.0
        self._goes: dict[str, float] = {}
        self._here_mm: dict[str, float] = {}
        self._rest_mm: dict[str, float] = {}
        self._queue = self._empty_queue()
        self._not_before_s = 0.0

    def renew(self, velocity_mm_s: Mapping[str, float], until_s: float) -> None:
        """A heartbeat. Raises UsageError."""
        self._asked = self.limits.allowed(velocity_mm_s)
        self.until_s = until_s

    def halt(self) -> None:
        """No more moves."""
        self._asked = {}

    def begin(self, here_mm: Mapping[str, float]) -> None:
        """The tool rests here, machine coordinates; an axis that is left out is not bounded."""
        self._here_mm = dict(here_mm)
        self._goes, self._rest_mm = {}, {}
        self._queue = self._empty_queue()
        self.ends_s = self._not_before_s = 0.0

    def wanted(self, now: float) -> bool:
        """Whether somebody still holds the key."""
        return bool(self._asked) and now < self.until_s

    def take(self, now: float, within: Envelope | None) -> Move | None:
        """The next move, when it may go out now; None before `due_s`, at the edge, and when nobody asks."""
        latest_s = min(self._latest_s(), now + self.limits.queue_s) + 1e-9
        if not self.wanted(now) or now < self._not_before_s or self._end_after(now) > latest_s:
            return None
        way_mm = {axis: speed * self._segment_s() for axis, speed in self._asked.items()}
        if within is not None:
            for axis, least, greatest in zip(AXES, within.least_mm, within.greatest_mm, strict=True):
                if axis in way_mm and axis in self._here_mm:
                    way_mm[axis] = inside(way_mm[axis], self._here_mm[axis], least, greatest)
        distance_mm = self._rounded(way_mm)
        if not distance_mm:  # at the edge, or slower than one move can say: look again one move later
            self._not_before_s = now + self._segment_s()
            return None
        self._queue.push(self._queued(now), now)
        self.ends_s = self._queue.ends_s()
        self._goes = self._asked
        for axis, mm in distance_mm.items():
            if axis in self._here_mm:
                self._here_mm[axis] += mm
        return Move(distance_mm, math.sqrt(sum(speed * speed for speed in self._asked.values())))

    def due_s(self, now: float) -> float | None:
        """When the next move may go out or the heartbeat runs out; None when nobody asks."""
        if not self.wanted(now):
            return None
        end_s = self._end_after(now)
        if end_s > self._latest_s():
            return self.until_s
        return max(now, self._not_before_s, end_s - self.limits.queue_s)

    def _empty_queue(self) -> JogQueue:
        return Latest() if self.limits.starts_twice else PlannedAgain()

    def _latest_s(self) -> float:
        """Until when motion may last that this heartbeat allows."""
        return self.until_s + AFTER_S + self.limits.stop_within_s - STOP_WITHIN_S

    def _end_after(self, now: float) -> float:
        """When motion would end with one move more."""
        return self._queue.ends_with_s(self._queued(now), now)

    def _queued(self, now: float) -> Queued:
        """The next move as the queue sees it."""
        change_s = self._ramp_s(self._goes) if self.ends_s > now else 0.0
        return Queued(self._segment_s(), self._ramp_s({}), change_s)

    def _ramp_s(self, goes: Mapping[str, float]) -> float:
        """How long it takes from one speed to the one that is asked for."""
        return max(
            (
                abs(self._asked.get(axis, 0.0) - goes.get(axis, 0.0)) / self.limits.accel_of(axis)
                for axis in {*self._asked, *goes}
            ),
            default=0.0,
        )

    def _segment_s(self) -> float:
        """Long enough that the planner's blocks hold the way to stop in: s (N-1) >= v^2 / 2a with s = v dt, hence
        dt >= v / (2a (N-1)). (Grbl's jogging document prints v^2 there, which is the same rule for s, not for dt.)
        """
        ramp_s = max((abs(v) / self.limits.accel_of(axis) for axis, v in self._asked.items()), default=0.0)
        return max(SEGMENT_S, 1.1 * ramp_s / (2 * (PLANNER_BLOCKS_LEAST - 1)))

    def _rounded(self, way_mm: Mapping[str, float]) -> dict[str, float]:
        """What can be said of it; the rest stays for the next move."""
        distance_mm = {}
        for axis, way in way_mm.items():
            exact = way + self._rest_mm.get(axis, 0.0) if way else 0.0
            said = round(exact, self._decimals)
            self._rest_mm[axis] = exact - said
            if said:
                distance_mm[axis] = said
        return distance_mm
