"""The slow twin of the core's planner: the same rules, but every pass goes over the whole program at once, every
corner takes its roots, and every arc is cut into all its chords."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fleetctl.gcode import MotionLimits
from fleetctl.gcode.planning import blocks_ahead


@dataclass
class Move:
    """One straight move for the planner: direction (x y z e per mm), length, wanted speed and acceleration."""

    unit: tuple[float, ...]
    length: float
    speed: float
    accel: float
    line: int
    radius: float = 0.0
    """Of the arc inside which the corner before this move lies."""


@dataclass
class Step:
    """A move as planned: limits applied, and the greatest speed at its start (squared)."""

    move: Move
    speed: float
    accel: float
    entry2: float
    unit: tuple[float, ...]
    entry: float = 0.0
    smooth_reach: float = 0.0
    smooth2: float = 0.0
    cruise2: float | None = field(default=None)

    @property
    def reach(self) -> float:
        return 2 * self.accel * self.move.length


def chord_count(rule: str, limits: MotionLimits, radius: float, sweep: float, rise: float) -> int:
    """Into how many moves the firmware cuts an arc."""
    flat, arcs = abs(sweep) * radius, limits.arcs
    if rule == "grbl":
        square = arcs.tolerance_mm * (2 * radius - arcs.tolerance_mm)
        n = math.floor(flat / 2 / math.sqrt(square)) if square > 0 else 1
    elif rule == "klipper":
        n = math.floor(math.hypot(flat, rise) / arcs.resolution_mm)
    else:
        n = max(math.floor(flat / arcs.most_mm), math.ceil(arcs.per_circle * abs(sweep) / (2 * math.pi)))
        if n * arcs.most_mm < flat:
            n = math.ceil(flat / arcs.most_mm)
        elif n * arcs.least_mm > flat:
            n = math.floor(flat / arcs.least_mm)
    return max(1, n)


def seconds(moves: list[Move | float], limits: MotionLimits, rule: str) -> tuple[float, float]:
    """(time in motion, time waiting), planned over the whole program at once; a float is a wait."""
    motion = wait = 0.0
    steps: list[Step] = []
    for item in [*moves, 0.0]:
        if isinstance(item, float):
            motion += klipper_seconds(steps) if rule == "klipper" else passes(steps, blocks_ahead(rule, limits))
            wait += item
            steps = []
            continue
        step = klipper_step(item, steps[-1] if steps else None, limits) if rule == "klipper" else None
        step = step or planned(item, steps[-1] if steps else None, limits, rule)
        if step.speed > 1e-6:
            steps.append(step)
    return motion, wait


def planned(item: Move, last: Step | None, limits: MotionLimits, rule: str) -> Step:
    speed, accel = item.speed, item.accel
    for a in range(4):
        share = abs(item.unit[a])
        if share > 0:
            speed = min(speed, limits.max_feed_mm_s[a] / share)
            accel = min(accel, limits.max_accel_mm_s2[a] / share)
    unit = item.unit
    if rule == "marlin":
        norm = math.hypot(*unit)
        unit = tuple(u / norm for u in unit)
    step = Step(item, speed, accel, 0.0, unit)
    if speed <= 1e-6:
        return step
    if rule == "jerk":
        step.entry2 = jerk_corner(last, step, limits) ** 2
    elif last is not None:
        step.entry2 = deviation_corner(last, step, limits, rule)
    return step


def safe(step: Step, limits: MotionLimits) -> float:
    """Speed that may start from rest at once."""
    assert limits.jerk_mm_s is not None
    return min([step.speed] + [limits.jerk_mm_s[a] / abs(step.unit[a]) for a in range(4) if step.unit[a]])


def jerk_corner(last: Step | None, step: Step, limits: MotionLimits) -> float:
    assert limits.jerk_mm_s is not None
    own = safe(step, limits)
    if last is None:
        return own
    v = min(step.speed, last.speed)
    factor = 1.0
    for a in range(4):
        one, two = last.unit[a] * v, step.unit[a] * v
        jump = abs(one - two) if one * two > 0 else max(abs(one), abs(two))
        if jump:
            factor = min(factor, limits.jerk_mm_s[a] / jump)
    v *= factor
    return min(own, step.speed) if safe(last, limits) > 0.99 * v and own > 0.99 * v else v


def deviation_corner(last: Step, step: Step, limits: MotionLimits, rule: str) -> float:
    axes = 4 if rule == "marlin" else 3
    dot = sum(last.unit[a] * step.unit[a] for a in range(axes))
    v2 = min(step.speed, last.speed) ** 2
    if dot < -0.999999:
        return 0.0
    if dot > 0.999999:
        if rule == "grbl":
            return v2
        dot = 0.999999
    change = [step.unit[a] - last.unit[a] for a in range(axes)]
    size = math.sqrt(2 - 2 * dot)
    accel = step.accel if rule == "marlin" else 1e15
    for a in range(axes):
        if change[a]:
            accel = min(accel, limits.max_accel_mm_s2[a] * size / abs(change[a]))
    if step.move.radius:
        return min(v2, accel * step.move.radius)
    s = math.sqrt((1 + dot) / 2)
    deviation = 0.01 if limits.junction_deviation_mm is None else limits.junction_deviation_mm
    v2 = min(v2, accel * deviation * s / (1 - s))
    if rule == "marlin" and step.move.length < 1 and dot > 0.7071067812:
        v2 = min(v2, step.move.length * accel / math.acos(dot))
    return v2


def passes(steps: list[Step], ahead: float) -> float:
    """Backward and forward pass up to a stop, then the trapezoids. The end of the firmware's buffer is a stop."""
    after = 0.0
    for i in range(len(steps) - 1, 0, -1):
        after = min(steps[i].entry2, after + steps[i].reach)
        if i + ahead <= len(steps):
            after = min(after, sum(step.reach for step in steps[i : i + int(ahead)]))
        steps[i].entry = after
    total, entry = 0.0, steps[0].entry2 if steps else 0.0
    for i, step in enumerate(steps):
        leave = min(steps[i + 1].entry if i + 1 < len(steps) else 0.0, entry + step.reach)
        top = min(math.sqrt((step.reach + entry + leave) / 2), step.speed)
        total += trapezoid(step.move.length, step.accel, entry, top * top, leave)
        entry = leave
    return total


def trapezoid(length: float, accel: float, entry2: float, top2: float, leave2: float) -> float:
    v0, v, v1 = math.sqrt(entry2), math.sqrt(top2), math.sqrt(leave2)
    return (2 * v - v0 - v1) / accel + (length - (2 * top2 - entry2 - leave2) / (2 * accel)) / v


def klipper_step(item: Move, last: Step | None, limits: MotionLimits) -> Step:
    x, y, z, e = (abs(u) for u in item.unit)
    toolhead = limits.accel_mm_s2 or limits.max_accel_mm_s2[0]
    speed, accel = (min(item.speed, limits.max_feed_mm_s[0]), toolhead) if x + y + z else (item.speed, 99999999.9)
    for share, a in ((z, 2), (e if item.unit[3] < 0 or x + y == 0 else 0.0, 3)):
        if share:
            speed = min(speed, limits.max_feed_mm_s[a] / share)
            accel = min(accel, limits.max_accel_mm_s2[a] / share)
    step = Step(item, speed, accel, 0.0, item.unit)
    step.smooth_reach = min(step.reach, 2 * toolhead * (1 - limits.minimum_cruise_ratio) * item.length)
    if last is None or x + y + z == 0 or not any(last.unit[:3]):
        return step
    bounds = [speed**2, last.speed**2, last.entry2 + last.reach]
    if item.unit[3] != last.unit[3]:
        bounds.append((limits.extruder_corner_velocity_mm_s / abs(item.unit[3] - last.unit[3])) ** 2)
    dot = sum(last.unit[a] * item.unit[a] for a in range(3))
    s, c = math.sqrt(max(0.0, (1 + dot) / 2)), math.sqrt(max(0.0, (1 - dot) / 2))
    if s < 1 and c > 0:
        deviation = limits.square_corner_velocity_mm_s**2 * (math.sqrt(2) - 1) / toolhead
        for one in (step, last):
            bounds += [s / (1 - s) * deviation * one.accel, one.reach * s / c / 4]
    step.entry2 = min(bounds)
    step.smooth2 = min(step.entry2, last.smooth2 + last.smooth_reach)
    return step


def klipper_seconds(steps: list[Step]) -> float:
    """The two plans from the last move to the first, then the speeds between corners from the first to the last."""
    following = smooth_following = peak2 = 0.0
    waiting = 0
    for step in reversed(steps):
        reached, smooth_reached = following + step.reach, smooth_following + step.smooth_reach
        step.entry, smooth = min(step.entry2, reached), min(step.smooth2, smooth_reached)
        waiting += 1
        if smooth < smooth_reached:
            if smooth + step.smooth_reach > smooth_following or waiting > 1:
                peak2 = (smooth + smooth_reached) / 2
            step.cruise2 = min((step.entry + reached) / 2, step.speed**2, peak2)
            waiting = 0
        following, smooth_following = step.entry, smooth
    total = cruise2 = 0.0
    for i, step in enumerate(steps):
        cruise2 = min(cruise2, step.entry) if step.cruise2 is None else step.cruise2
        leave = min(steps[i + 1].entry if i + 1 < len(steps) else 0.0, cruise2)
        total += trapezoid(step.move.length, step.accel, min(step.entry, cruise2), cruise2, leave)
    return total
