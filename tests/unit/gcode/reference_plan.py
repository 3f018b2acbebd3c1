"""The slow twin of the core's planner: the same corner rules, but every pass goes over the whole program at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetctl.gcode import MotionLimits


@dataclass
class Move:
    """One move for the planner: direction in, direction out, length, wanted speed and acceleration."""

    into: tuple[float, ...]
    out: tuple[float, ...]
    length: float
    speed: float
    accel: float
    line: int
    radius: float = 0.0


def seconds(moves: list[Move | float], limits: MotionLimits) -> tuple[float, float]:
    """(time in motion, time waiting), planned over the whole program at once."""
    plan: list[tuple[Move | float, float, float, float]] = []  # move, speed, accel, greatest entry speed
    last: tuple[Move, float] | None = None
    for item in moves:
        if isinstance(item, float):
            plan.append((item, 0.0, 0.0, 0.0))
            last = None
            continue
        speed, accel = item.speed, item.accel
        for a in range(4):
            share = max(abs(item.into[a]), abs(item.out[a]))
            if share > 0:
                speed = min(speed, limits.max_feed_mm_s[a] / share)
                accel = min(accel, limits.max_accel_mm_s2[a] / share)
        if item.radius:
            speed = min(speed, math.sqrt(accel * item.radius))
        if speed <= 1e-6:
            continue
        plan.append((item, speed, accel, corner(last, item, speed, accel, limits)))
        last = (item, speed)
    return passes(plan, limits)


def safe(unit: tuple[float, ...], speed: float, limits: MotionLimits) -> float:
    """Speed that may start from rest at once (classic jerk), else 0."""
    if limits.jerk_mm_s is None or limits.junction_deviation_mm is not None:
        return 0.0
    return min([speed] + [limits.jerk_mm_s[a] / abs(unit[a]) for a in range(4) if unit[a]])


def corner(last: tuple[Move, float] | None, item: Move, speed: float, accel: float, limits: MotionLimits) -> float:
    """Greatest speed into a move."""
    own = safe(item.into, speed, limits)
    if last is None:
        return own
    before, before_speed = last
    v = min(speed, before_speed)
    if limits.jerk_mm_s is None or limits.junction_deviation_mm is not None:
        dot = sum(before.out[a] * item.into[a] for a in range(3))
        if dot < -0.999999:
            return 0.0
        if dot > 0.999999:
            return v
        s = math.sqrt((1 + dot) / 2)
        return min(v, math.sqrt(accel * (limits.junction_deviation_mm or 0.01) * s / (1 - s)))
    factor = 1.0
    for a in range(4):
        one, two = before.out[a] * v, item.into[a] * v
        jump = abs(one - two) if one * two > 0 else max(abs(one), abs(two))
        if jump:
            factor = min(factor, limits.jerk_mm_s[a] / jump)
    v *= factor
    if safe(before.out, before_speed, limits) > 0.99 * v and own > 0.99 * v:
        return min(own, speed)
    return v


def passes(plan: list[tuple[Move | float, float, float, float]], limits: MotionLimits) -> tuple[float, float]:
    """Backward and forward pass, then the trapezoids."""
    entries = [item[3] for item in plan]
    ends = []
    for i, (item, speed, _, _) in enumerate(plan):
        final = i + 1 == len(plan) or isinstance(plan[i + 1][0], float)
        ends.append(safe(item.out, speed, limits) if final and isinstance(item, Move) else None)
    for i in range(len(plan) - 1, -1, -1):
        item, _, accel, _ = plan[i]
        if isinstance(item, Move):
            leave = ends[i] if ends[i] is not None else entries[i + 1]
            entries[i] = min(entries[i], math.sqrt(leave**2 + 2 * accel * item.length))
    motion = wait = 0.0
    entry: float | None = None
    for i, (item, speed, accel, _) in enumerate(plan):
        if isinstance(item, float):
            wait += item
            entry = None
            continue
        entry = entries[i] if entry is None else entry
        leave = ends[i] if ends[i] is not None else entries[i + 1]
        leave = min(leave, math.sqrt(entry**2 + 2 * accel * item.length))
        peak = math.sqrt((2 * accel * item.length + entry**2 + leave**2) / 2)
        top = min(peak, speed)
        ramps = (2 * top**2 - entry**2 - leave**2) / (2 * accel)
        motion += (2 * top - entry - leave) / accel + (item.length - ramps) / top
        entry = leave
    return motion, wait
