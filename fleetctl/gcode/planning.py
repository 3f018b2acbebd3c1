"""Starts the core's planner with the limits of a machine: whose rules, which numbers, how far ahead.

It must not read programs, and it does no arithmetic on moves; that is the core's.
"""

from __future__ import annotations

import math

from fleetctl._ext import gcode_core
from fleetctl.gcode.dialects import Dialect
from fleetctl.gcode.limits import DEFAULT_LIMITS, HeatModel, HeatRate, MotionLimits

_BUFFER_BLOCKS = 16
"""BLOCK_BUFFER_SIZE of Marlin (Configuration_adv.h) and of Grbl (planner.h); a ring that holds one less."""
_DIFFERENT_PLANNER = {"klipper": "klipper", "smoothie": "grbl"}


def default_limits(dialect: Dialect) -> MotionLimits:
    """What is taken where neither machine nor file says anything."""
    if dialect.name in DEFAULT_LIMITS:
        return DEFAULT_LIMITS[dialect.name]
    return DEFAULT_LIMITS["cnc" if dialect.cnc else "additive"]


def rule_of(dialect: Dialect, limits: MotionLimits) -> str:
    """The corner rule: `grbl`, `marlin` (junction deviation), `jerk` (Marlin's classic) or `klipper`."""
    planner = limits.planner
    if planner == "auto":
        usual = "grbl" if dialect.cnc else "marlin"
        planner = _DIFFERENT_PLANNER.get(dialect.name, usual)  # type: ignore[assignment]
    if planner != "klipper" and limits.jerk_mm_s is not None and limits.junction_deviation_mm is None:
        return "jerk"
    return planner


def blocks_ahead(rule: str, limits: MotionLimits) -> float:
    """How many blocks after the end of a move are known when the speed at that end is settled.

    The ring holds one block less than its size. Grbl corrects the running block until its last segment is prepared,
    so all others count; Marlin fixes a block when it starts, and by then no block has followed the one before it.
    """
    if rule == "klipper":
        return math.inf
    size = min(64, max(4, limits.buffer_blocks or _BUFFER_BLOCKS))
    return float(size - 2 if rule == "grbl" else size - 3)


def start_plan(scan: gcode_core.Scanner, dialect: Dialect, machine: MotionLimits | None) -> None:
    """Give a fresh core all that it plans with; without a machine the file may set its own limits."""
    limits = machine or default_limits(dialect)
    rule = rule_of(dialect, limits)
    plain = (limits.accel_mm_s2, limits.travel_accel_mm_s2, limits.retract_accel_mm_s2)
    accels = tuple(math.inf if value is None else value for value in plain)
    if rule == "klipper" and limits.accel_mm_s2 is None:
        accels = (limits.max_accel_mm_s2[0],) * 3
    scan.set_limits(
        limits.max_feed_mm_s,
        limits.max_accel_mm_s2,
        limits.jerk_mm_s if rule == "jerk" else None,
        0.01 if limits.junction_deviation_mm is None else limits.junction_deviation_mm,
        accels,
        math.inf if limits.rapid_mm_s is None else limits.rapid_mm_s,
        machine is not None,
    )
    arcs = limits.arcs
    hints = rule == "marlin" and arcs.radius_limits_speed
    scan.set_planner(
        rule,
        blocks_ahead(rule, limits),
        (limits.square_corner_velocity_mm_s, limits.minimum_cruise_ratio, limits.extruder_corner_velocity_mm_s),
        ("marlin" if rule == "jerk" else rule, arcs.tolerance_mm, arcs.least_mm, arcs.per_circle, hints),
        arcs.resolution_mm if rule == "klipper" else arcs.most_mm,
    )
    if limits.steps_per_mm is not None and rule in ("marlin", "jerk"):
        scan.set_steps(limits.steps_per_mm, limits.least_steps_s, limits.least_steps)
    _start_waits(scan, limits)


def _start_waits(scan: gcode_core.Scanner, limits: MotionLimits) -> None:
    model = limits.heat or HeatModel()
    scan.set_heat(model.ambient_degc, *(_rate(heater) for heater in (model.nozzle, model.bed, model.chamber)))
    homing = limits.homing
    if homing is not None:
        scan.set_homing(homing.fast_mm_s, homing.slow_mm_s, homing.back_mm, homing.travel_mm)
    scan.set_tool_change(limits.tool_change_s)


def _rate(heater: HeatRate | None) -> tuple[float, float, float]:
    return (0.0, 1.0, 0.0) if heater is None else (heater.rate_degc_s, heater.loss_s, heater.settle_s)
