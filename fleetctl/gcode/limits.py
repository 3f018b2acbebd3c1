"""How fast a machine can move: what planned time is computed with.

Only the value type. It must not know firmware words, profiles or the planner.
"""

from __future__ import annotations

import msgspec

Axes4 = tuple[float, float, float, float]


class MotionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one machine. Axis tuples are x, y, z, e; without an extruder the fourth is ignored.

    Where both `junction_deviation_mm` and `jerk_mm_s` are given, the junction deviation rules. With neither,
    0.01 mm is used (Grbl's default for $11). A file's own M201/M203/M204/M205 may lower, never raise these.
    """

    max_feed_mm_s: Axes4
    max_accel_mm_s2: Axes4
    accel_mm_s2: float | None = None
    """Acceleration of printing moves (M204 P); None: only the axes limit."""
    travel_accel_mm_s2: float | None = None
    retract_accel_mm_s2: float | None = None
    junction_deviation_mm: float | None = None
    jerk_mm_s: Axes4 | None = None
    """Classic jerk (M205 X Y Z E)."""
    rapid_mm_s: float | None = None
    """Speed of G0 for CNC dialects; None: as fast as the axes allow."""
    home_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where a printer stands after G28."""
    start_mm: tuple[float, float, float] | None = None
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
    "cnc": MotionLimits(
        max_feed_mm_s=(500.0 / 60, 500.0 / 60, 500.0 / 60, 500.0 / 60),
        max_accel_mm_s2=(10.0, 10.0, 10.0, 10.0),
        junction_deviation_mm=0.01,
    ),
}
"""Used when neither machine nor file says anything: the defaults of Marlin 2 (Configuration.h,
DEFAULT_MAX_FEEDRATE and following) and of Grbl 1.1 ($110 500 mm/min, $120 10 mm/s2, $11 0.01 mm)."""
