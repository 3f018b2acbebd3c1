"""Planned time against what the firmwares' own planners gave for the same files; how theirs was measured is in
`docs/explanation/planned-time.md`. Our side is computed here; theirs is measured outside the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.gcode import MotionLimits, analyze

DATA = Path(__file__).resolve().parents[2] / "data" / "gcode"


def mill(feed_mm_s: float, accel_mm_s2: float) -> MotionLimits:
    return MotionLimits(
        max_feed_mm_s=(feed_mm_s,) * 4, max_accel_mm_s2=(accel_mm_s2,) * 4, junction_deviation_mm=0.01
    )


def marlin(deviation_mm: float | None, steps: bool) -> MotionLimits:
    return MotionLimits(
        max_feed_mm_s=(200.0, 200.0, 12.0, 120.0),
        max_accel_mm_s2=(1000.0, 1000.0, 200.0, 5000.0),
        accel_mm_s2=1250.0,
        travel_accel_mm_s2=1500.0,
        retract_accel_mm_s2=1250.0,
        junction_deviation_mm=deviation_mm,
        jerk_mm_s=None if deviation_mm else (8.0, 8.0, 0.4, 4.5),
        steps_per_mm=(80.0, 80.0, 400.0, 93.0) if steps else None,
    )


def klipper(accel: float, corner: float, ratio: float) -> MotionLimits:
    return MotionLimits(
        max_feed_mm_s=(300.0, 300.0, 15.0, 75.0),
        max_accel_mm_s2=(accel, accel, 100.0, 1500.0),
        square_corner_velocity_mm_s=corner,
        minimum_cruise_ratio=ratio,
    )


@pytest.mark.parametrize(
    ("feed_mm_s", "accel_mm_s2", "theirs_s"),
    [(500 / 60, 10.0, 1923.779), (50.0, 200.0, 855.805), (100.0, 500.0, 810.806)],
)
def test_grbl(feed_mm_s: float, accel_mm_s2: float, theirs_s: float) -> None:
    facts = analyze(DATA / "planned_mill.nc", dialect="grbl", machine=mill(feed_mm_s, accel_mm_s2))
    assert facts.motion_s == pytest.approx(theirs_s, rel=0.006)


@pytest.mark.parametrize("steps", [True, False])
@pytest.mark.parametrize(
    ("name", "deviation_mm", "theirs_s"),
    [
        ("planned_print.gcode", 0.02, 187.421),
        ("planned_print.gcode", 0.05, 181.445),
        ("planned_print.gcode", None, 191.268),
        ("planned_arcs.gcode", 0.02, 114.228),
        ("planned_arcs.gcode", 0.05, 112.182),
        ("planned_arcs.gcode", None, 112.041),
    ],
)
def test_marlin(name: str, deviation_mm: float | None, theirs_s: float, steps: bool) -> None:
    facts = analyze(DATA / name, dialect="marlin", machine=marlin(deviation_mm, steps))
    assert facts.motion_s == pytest.approx(theirs_s, rel=0.003)


@pytest.mark.parametrize(
    ("name", "settings", "theirs_s"),
    [
        ("planned_print.gcode", (3000.0, 5.0, 0.5), 194.65727),
        ("planned_print.gcode", (5000.0, 10.0, 0.8), 188.62316),
        ("planned_arcs.gcode", (3000.0, 5.0, 0.5), 115.46248),
        ("planned_arcs.gcode", (5000.0, 10.0, 0.8), 121.12567),
    ],
)
def test_klipper(name: str, settings: tuple[float, float, float], theirs_s: float) -> None:
    facts = analyze(DATA / name, dialect="klipper", machine=klipper(*settings))
    assert facts.motion_s == pytest.approx(theirs_s, rel=1e-6)
