"""How long a pretend machine's moves take: a queue of moves, each a trapezoid between junction speeds.

A move begins at the speed that the one before it left it with, and ends at the speed that the corner to the next
one and the way left to stop in allow (junction deviation, as Grbl and Marlin describe it in their settings). It must
not know any dialect: who queues a move gives its ends, speed and acceleration.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float, float]

STRAIGHT_COSINE = 0.999999
EPSILON_S = 1e-9


@dataclass(frozen=True, slots=True)
class Arc:
    """A circle or helix about `centre`; axes `first`, `second` span its plane, `third` runs along. `sweep_rad` > 0 is
    counter-clockwise seen from the positive third axis."""

    centre: tuple[float, float]
    radius_mm: float
    start_rad: float
    sweep_rad: float
    first: int
    second: int
    third: int

    def length_mm(self, rise_mm: float) -> float:
        return math.hypot(self.radius_mm * self.sweep_rad, rise_mm)

    def ends(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Unit vectors along the flat arc at its start and end, in X, Y, Z."""
        return self._tangent(self.start_rad), self._tangent(self.start_rad + self.sweep_rad)

    def _tangent(self, angle_rad: float) -> tuple[float, ...]:
        turn = math.copysign(1.0, self.sweep_rad)
        unit = [0.0, 0.0, 0.0]
        unit[self.first], unit[self.second] = -math.sin(angle_rad) * turn, math.cos(angle_rad) * turn
        return tuple(unit)

    def at(self, start: Point, end: Point, fraction: float) -> Point:
        angle = self.start_rad + self.sweep_rad * fraction
        point = list(start)
        point[self.first] = self.centre[0] + self.radius_mm * math.cos(angle)
        point[self.second] = self.centre[1] + self.radius_mm * math.sin(angle)
        point[self.third] = start[self.third] + (end[self.third] - start[self.third]) * fraction
        return (point[0], point[1], point[2])


@dataclass(slots=True)
class Move:
    """One queued move. `entry` and `leave` are unit vectors at its two ends; `rapid` says which override applies."""

    start: Point
    end: Point
    length_mm: float
    speed_mm_s: float
    accel_mm_s2: float
    entry: Sequence[float]
    leave: Sequence[float]
    rapid: bool = False
    arc: Arc | None = None

    def at(self, fraction: float) -> Point:
        if self.arc is not None:
            return self.arc.at(self.start, self.end, fraction)
        (x0, y0, z0), (x1, y1, z1) = self.start, self.end
        return (x0 + (x1 - x0) * fraction, y0 + (y1 - y0) * fraction, z0 + (z1 - z0) * fraction)


def direction(start: Sequence[float], end: Sequence[float]) -> tuple[tuple[float, ...], float]:
    """Unit vector and length from one point to another, any number of axes; length 0 gives a zero vector."""
    delta = [b - a for a, b in zip(start, end, strict=True)]
    length = math.sqrt(sum(d * d for d in delta))
    if length == 0.0:
        return tuple(delta), 0.0
    return tuple(d / length for d in delta), length


def limited(wanted: float, unit: Sequence[float], per_axis: Sequence[float]) -> float:
    """The greatest value along `unit`, at most `wanted`, that keeps every axis within its own limit."""
    for part, limit in zip(unit, per_axis, strict=False):
        if part:
            allowed = limit / abs(part)
            if allowed < wanted:
                wanted = allowed
    return wanted


def arc_sweep_rad(start_rad: float, end_rad: float, clockwise: bool) -> float:
    """Signed angle from start to end; the same angle is a full turn, as in RS274NGC."""
    sweep = (end_rad - start_rad) % (2 * math.pi)
    if clockwise:
        sweep -= 2 * math.pi
        return sweep if sweep < -1e-6 and sweep > -2 * math.pi + 1e-9 else -2 * math.pi
    return sweep if sweep > 1e-6 else 2 * math.pi


def trapezoid_s(length_mm: float, entry: float, top: float, leave: float, accel: float) -> float:
    """Seconds for a move that speeds up, cruises and slows down; speeds in mm/s, acceleration in mm/s2."""
    top = max(top, entry, leave)
    peak_squared = accel * length_mm + (entry * entry + leave * leave) / 2
    if peak_squared < max(entry, leave) ** 2:  # too short to change speed that much: the firmware would plan the mean
        return 2 * length_mm / (entry + leave)
    if peak_squared <= top * top:
        return (2 * math.sqrt(peak_squared) - entry - leave) / accel
    ramps_mm = (2 * top * top - entry * entry - leave * leave) / (2 * accel)
    return (2 * top - entry - leave) / accel + (length_mm - ramps_mm) / top


def corner_mm_s(before: Move, after: Move, deviation_mm: float) -> float:
    """The speed at which the corner between two moves may be taken, from the deviation allowed there."""
    cosine = sum(a * b for a, b in zip(before.leave, after.entry, strict=False))
    if cosine >= STRAIGHT_COSINE:
        return math.inf
    half = math.sqrt(max(0.0, (1 + cosine) / 2))
    accel = min(before.accel_mm_s2, after.accel_mm_s2)
    return math.sqrt(accel * deviation_mm * half / (1 - half))


def to_go(
    length_mm: float, entry: float, top: float, leave: float, accel: float, left_s: float
) -> tuple[float, float]:
    """The move of `trapezoid_s` so many seconds before its end: mm that are left, and its speed."""
    top = max(top, entry, leave)
    total_s = trapezoid_s(length_mm, entry, top, leave, accel)
    peak = min(top, math.sqrt(accel * length_mm + (entry * entry + leave * leave) / 2))
    if peak <= max(entry, leave):  # one ramp all along
        speed = leave + (entry - leave) * left_s / total_s
        return (speed + leave) / 2 * left_s, speed
    up_s, down_s = (peak - entry) / accel, (peak - leave) / accel
    if left_s <= down_s:
        speed = leave + accel * left_s
        return (speed + leave) / 2 * left_s, speed
    if left_s <= total_s - up_s:
        return (peak + leave) / 2 * down_s + peak * (left_s - down_s), peak
    speed = entry + accel * (total_s - left_s)
    return length_mm - (entry + speed) / 2 * (total_s - left_s), speed


class Planner:
    """A queue of moves that are carried out one after the other. Times are the machine's own seconds.

    `replans_current`: a move that comes late lets the one that is carried out end faster, as Grbl does
    (`plan_recalculate` calls `st_update_plan_block_parameters`); Marlin leaves a block alone once it runs.
    """

    def __init__(
        self,
        capacity: int,
        start: Point = (0.0, 0.0, 0.0),
        deviation_mm: float = 0.02,
        *,
        replans_current: bool = False,
    ) -> None:
        self.capacity = capacity
        self.deviation_mm = deviation_mm
        self._replans_current = replans_current
        self._entry_mm_s = 0.0  # of what is left of the current move since _since_s
        self._way_mm = 0.0
        self.held = False
        self.finished = 0
        self.feed_factor = 1.0
        self.rapid_factor = 1.0
        self._waiting: deque[Move] = deque()
        self._current: Move | None = None
        self._rest = start
        self._total_s = 0.0  # of the current move at factor 1
        self._left_s = 0.0  # of it, at _since_s
        self._since_s = 0.0
        self._exit_mm_s = 0.0
        self._stop_at_s: float | None = None

    @property
    def queued(self) -> int:
        return len(self._waiting) + (self._current is not None)

    @property
    def free(self) -> int:
        return self.capacity - self.queued

    @property
    def moving(self) -> bool:
        """True while something is carried out, and while it slows down into a hold."""
        return self._current is not None and (not self.held or self._stop_at_s is not None)

    @property
    def stopping(self) -> bool:
        return self._stop_at_s is not None

    @property
    def current(self) -> Move | None:
        return self._current

    @property
    def speed_mm_s(self) -> float:
        """The programmed speed of the current move with its override; 0 at rest."""
        if self._current is None or (self.held and self._stop_at_s is None):
            return 0.0
        return self._current.speed_mm_s * self._factor()

    def push(self, move: Move, now_s: float) -> None:
        """Queue a move; the caller has looked at `free`."""
        self._waiting.append(move)
        if self._current is None:
            self._exit_mm_s = 0.0
            if not self.held:
                self._begin(now_s)
        elif self._replans_current and not self.held:
            self._replan(self._current, now_s)

    def next_deadline(self) -> float | None:
        """When the current move ends, or comes to rest in a hold."""
        if self._stop_at_s is not None:
            return self._stop_at_s
        if self._current is None or self.held:
            return None
        return self._since_s + self._left_s / self._factor()

    def advance(self, now_s: float) -> None:
        """Finish every move that ends by `now_s`."""
        while (end_s := self.next_deadline()) is not None and end_s <= now_s + EPSILON_S:
            if self._stop_at_s is not None:
                self._stop_at_s = None
                continue
            assert self._current is not None
            self._rest = self._current.end
            self._current = None
            self.finished += 1
            if self._waiting:
                self._begin(end_s)

    def position(self, now_s: float) -> Point:
        if self._current is None:
            return self._rest
        if self._total_s <= 0.0:
            return self._current.end
        left_s = self._left_at(now_s)
        return self._current.at(min(1.0, max(0.0, 1 - left_s / self._total_s)))

    def hold(self, now_s: float) -> None:
        """Slow down and wait: the way to stop counts as half the time, at this move's speed, and ends with it."""
        if self.held:
            return
        if self._current is not None:
            slow_s = self.speed_mm_s / self._current.accel_mm_s2
            left_s = self._left_at(now_s)
            self._left_s = max(0.0, left_s - slow_s / 2 * self._factor())
            self._since_s = now_s
            self._stop_at_s = now_s + min(slow_s, 2 * left_s / self._factor())
        self.held = True

    def resume(self, now_s: float) -> None:
        """Go on after a hold; speeding up again costs what slowing down did."""
        if not self.held:
            return
        self.held = False
        self._stop_at_s = None
        if self._current is not None:
            ramp_s = self._current.speed_mm_s * self._factor() / self._current.accel_mm_s2
            self._since_s = now_s + ramp_s / 2
        elif self._waiting:
            self._begin(now_s)

    def set_factors(self, feed: float, rapid: float, now_s: float) -> None:
        """Overrides, 1.0 = as programmed; they act at once, also on the move in progress."""
        if self._current is not None and not self.held:
            self._left_s = self._left_at(now_s)
            self._since_s = now_s
        self.feed_factor = feed
        self.rapid_factor = rapid

    def flush(self, now_s: float) -> Point:
        """Stop dead and forget everything queued; returns where the tool is."""
        self._rest = self.position(now_s)
        self._current = None
        self._waiting.clear()
        self.held = False
        self._stop_at_s = None
        self._exit_mm_s = 0.0
        return self._rest

    def place(self, point: Point) -> None:
        """Say where the tool is while nothing is queued (homing, power-on)."""
        self._rest = point

    def _factor(self) -> float:
        assert self._current is not None
        return self.rapid_factor if self._current.rapid else self.feed_factor

    def _left_at(self, now_s: float) -> float:
        if self.held:
            return self._left_s
        return max(0.0, self._left_s - max(0.0, now_s - self._since_s) * self._factor())

    def _begin(self, now_s: float) -> None:
        move = self._waiting.popleft()
        entry = self._entry_mm_s = min(self._exit_mm_s, move.speed_mm_s)
        self._way_mm = move.length_mm
        self._exit_mm_s = self._leave_speed(move, move.length_mm, entry)
        self._total_s = trapezoid_s(move.length_mm, entry, move.speed_mm_s, self._exit_mm_s, move.accel_mm_s2)
        self._left_s = self._total_s
        self._since_s = now_s
        self._current = move

    def _replan(self, move: Move, now_s: float) -> None:
        """It goes on from where it is, at the speed that it has, to what the moves behind it now allow."""
        top, accel, left_s = move.speed_mm_s, move.accel_mm_s2, self._left_at(now_s)
        if left_s <= 0.0:
            return
        way_mm, speed = to_go(self._way_mm, self._entry_mm_s, top, self._exit_mm_s, accel, left_s)
        leave = self._leave_speed(move, way_mm, speed)
        if leave <= self._exit_mm_s:
            return
        self._left_s = trapezoid_s(way_mm, speed, top, leave, accel)
        self._total_s *= self._left_s / left_s  # so that it goes on from where it is
        self._since_s, self._way_mm, self._entry_mm_s, self._exit_mm_s = now_s, way_mm, speed, leave

    def _leave_speed(self, move: Move, way_mm: float, entry: float) -> float:
        """How fast the move may end that has so far to go and goes so fast."""
        if not self._waiting:
            return 0.0
        after = self._waiting[0]
        reachable = math.sqrt(entry * entry + 2 * move.accel_mm_s2 * way_mm)
        speed = min(move.speed_mm_s, after.speed_mm_s, reachable, corner_mm_s(move, after, self.deviation_mm))
        need_mm = speed * speed / (2 * after.accel_mm_s2)
        behind_mm = 0.0
        for queued in self._waiting:
            behind_mm += queued.length_mm
            if behind_mm >= need_mm:
                return speed
        return math.sqrt(2 * after.accel_mm_s2 * behind_mm)
