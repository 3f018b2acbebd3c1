"""How fast a machine can move, heat, home and change tools: what planned time is computed with.

Only the value types and the firmwares' defaults. It must not know firmware words, profiles or the core.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Axes3 = tuple[float, float, float]
Axes4 = tuple[float, float, float, float]
PlannerName = Literal["auto", "marlin", "grbl", "klipper"]


class ArcCut(msgspec.Struct, frozen=True, kw_only=True):
    """How the firmware cuts G2 and G3 into straight moves; each planner uses its own fields.

    Defaults: Grbl $12; Marlin 2.1 MIN_ARC_SEGMENT_MM, MAX_ARC_SEGMENT_MM, MIN_CIRCLE_SEGMENTS (Configuration_adv.h);
    Klipper `[gcode_arcs] resolution`.
    """

    tolerance_mm: float = 0.002
    least_mm: float = 0.1
    most_mm: float = 1.0
    per_circle: int = 72
    resolution_mm: float = 1.0
    radius_limits_speed: bool = True
    """Marlin 2.1: corners inside an arc are limited by its radius (planner hints); False: each as any corner."""


class HeatRate(msgspec.Struct, frozen=True, kw_only=True):
    """One heater of one machine as learned from it: dT/dt = rate - (T - ambient) / loss_s at full power."""

    rate_degc_s: float
    """Rise at full power at ambient temperature; above 0."""
    loss_s: float
    """Time constant with which the heater cools by itself; above 0. Full power ends at ambient + rate * loss_s."""
    settle_s: float = 0.0
    """How long the firmware wants the target held before a wait ends (Marlin's TEMP_RESIDENCY_TIME)."""


class HeatModel(msgspec.Struct, frozen=True, kw_only=True):
    """The heaters of a machine; None: not known, takes no time. `nozzle` stands for the nozzle of every tool."""

    nozzle: HeatRate | None = None
    bed: HeatRate | None = None
    chamber: HeatRate | None = None
    ambient_degc: float = 25.0
    """Temperature of the room, and of every heater at the start of a program."""


class Homing(msgspec.Struct, frozen=True, kw_only=True):
    """How G28 drives one axis after the other to its switch: fast, back, and slow once more. x, y, z."""

    fast_mm_s: Axes3
    slow_mm_s: Axes3
    back_mm: Axes3
    travel_mm: Axes3
    """How far it goes where the place of the axis is not known: the length of the axis, or a learned mean."""


class MotionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one machine. Axis tuples are x, y, z, e; without an extruder the fourth is ignored.

    For Marlin, where both `junction_deviation_mm` and `jerk_mm_s` are given, the junction deviation rules. With
    neither, 0.01 mm is used (Grbl's default for $11). A file's own M201/M203/M204/M205 may lower, never raise these.

    For Klipper the tuples hold printer.cfg's values: `max_feed_mm_s` is (max_velocity, the same, max_z_velocity,
    max_extrude_only_velocity), `max_accel_mm_s2` likewise. A file's M204 and SET_VELOCITY_LIMIT count as they stand,
    for Klipper obeys them in both directions.
    """

    max_feed_mm_s: Axes4
    max_accel_mm_s2: Axes4
    planner: PlannerName = "auto"
    """Whose look-ahead; `auto`: the dialect's (Klipper's own, Marlin's for printers, Grbl's for mills)."""
    accel_mm_s2: float | None = None
    """Acceleration of printing moves (M204 P); Klipper's max_accel. None: only the axes limit."""
    travel_accel_mm_s2: float | None = None
    retract_accel_mm_s2: float | None = None
    junction_deviation_mm: float | None = None
    jerk_mm_s: Axes4 | None = None
    """Classic jerk (M205 X Y Z E)."""
    square_corner_velocity_mm_s: float = 5.0
    """Klipper's default."""
    minimum_cruise_ratio: float = 0.5
    """Klipper, 0 <= ratio < 1. Of an older configuration: 1 - max_accel_to_decel / max_accel."""
    extruder_corner_velocity_mm_s: float = 1.0
    """Klipper's instantaneous_corner_velocity."""
    buffer_blocks: int | None = None
    """BLOCK_BUFFER_SIZE of Marlin or Grbl, 4 to 64; None: 16, the default of both. Klipper has no such limit."""
    steps_per_mm: Axes4 | None = None
    """Marlin (M92). With it, every move is rounded to whole steps, tiny moves are joined, and ramps begin and end at
    Marlin's least rate of steps; None: every move is planned as written."""
    least_steps_s: float = 120.0
    """Marlin's MINIMAL_STEP_RATE: 120 up to 2.1.2 (planner.cpp); later versions derive it from the timer."""
    least_steps: int = 6
    """Marlin's MIN_STEPS_PER_SEGMENT (Configuration_adv.h)."""
    arcs: ArcCut = ArcCut()
    rapid_mm_s: float | None = None
    """Speed of G0 for CNC dialects; None: as fast as the axes allow."""
    heat: HeatModel | None = None
    homing: Homing | None = None
    tool_change_s: float = 0.0
    """Seconds of one change of tool (a printer's T, a mill's M6)."""
    home_mm: Axes3 = (0.0, 0.0, 0.0)
    """Where a printer stands after G28."""
    start_mm: Axes3 | None = None
    """Where the machine stands before the first line, in machine coordinates; None: unknown."""


DEFAULT_LIMITS: dict[str, MotionLimits] = {
    "additive": MotionLimits(
        max_feed_mm_s=(300.0, 300.0, 5.0, 25.0),
        max_accel_mm_s2=(3000.0, 3000.0, 100.0, 10000.0),
        accel_mm_s2=3000.0,
        travel_accel_mm_s2=3000.0,
        retract_accel_mm_s2=3000.0,
        jerk_mm_s=(10.0, 10.0, 0.3, 5.0),
    ),
    "klipper": MotionLimits(
        max_feed_mm_s=(300.0, 300.0, 5.0, 75.0),
        max_accel_mm_s2=(3000.0, 3000.0, 100.0, 1500.0),
        accel_mm_s2=3000.0,
    ),
    "cnc": MotionLimits(
        max_feed_mm_s=(500.0 / 60, 500.0 / 60, 500.0 / 60, 500.0 / 60),
        max_accel_mm_s2=(10.0, 10.0, 10.0, 10.0),
        junction_deviation_mm=0.01,
    ),
}
"""Used when neither machine nor file says anything: the defaults of Marlin 2 (Configuration.h,
DEFAULT_MAX_FEEDRATE and following) and of Grbl 1.1 ($110 500 mm/min, $120 10 mm/s2, $11 0.01 mm); for Klipper,
which has none for speeds, the values of its example configurations."""
