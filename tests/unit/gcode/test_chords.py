"""Arcs of many chords: what the core plans in pieces takes what a plan of every chord takes."""

from __future__ import annotations

import math

import pytest

from fleetctl.gcode import DIALECTS, MotionLimits
from fleetctl.gcode.analysis import scanner
from fleetctl.gcode.limits import ArcCut
from fleetctl.gcode.planning import rule_of

from . import reference
from .reference_plan import chord_count, seconds

SLOW = MotionLimits(max_feed_mm_s=(30.0,) * 4, max_accel_mm_s2=(30.0,) * 4, junction_deviation_mm=0.01)
FAST = MotionLimits(max_feed_mm_s=(100.0,) * 4, max_accel_mm_s2=(500.0,) * 4, junction_deviation_mm=0.01)
PRINTER = MotionLimits(
    max_feed_mm_s=(200.0, 200.0, 12.0, 120.0),
    max_accel_mm_s2=(1000.0, 1000.0, 200.0, 5000.0),
    accel_mm_s2=1250.0,
    travel_accel_mm_s2=1500.0,
    retract_accel_mm_s2=1250.0,
    jerk_mm_s=(8.0, 8.0, 0.4, 4.5),
)
DEVIATION = MotionLimits(
    max_feed_mm_s=PRINTER.max_feed_mm_s,
    max_accel_mm_s2=PRINTER.max_accel_mm_s2,
    accel_mm_s2=1250.0,
    junction_deviation_mm=0.02,
)


def arcs(radius: float, feed: int, height: float = 0.0) -> bytes:
    """Twelve half circles with a short straight move after each."""
    lines = ["G28", "G90", f"G1 X0 Y0 F{feed}"]
    x, z = 0.0, 0.0
    for n in range(12):
        z += height
        lines.append(f"G{2 + n % 2} X{x + 2 * radius:.4f} Y0 Z{z:.4f} I{radius:.4f} J0")
        lines.append(f"G1 X{x + 2 * radius + 1:.4f}")
        x += 2 * radius + 1
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize(
    ("dialect", "limits", "tolerance"),
    [
        ("grbl", SLOW, 0.01),
        ("grbl", FAST, 0.01),
        ("marlin", PRINTER, 0.01),
        ("marlin", DEVIATION, 0.01),
        ("klipper", PRINTER, 0.01),
    ],
)
@pytest.mark.parametrize(("radius", "feed", "height"), [(3.0, 600, 0.0), (20.0, 3000, 0.0), (60.0, 6000, 1.0)])
def test_pieces_take_what_chords_take(
    dialect: str, limits: MotionLimits, tolerance: float, radius: float, feed: int, height: float
) -> None:
    data = arcs(radius, feed, height)
    scan = scanner(DIALECTS[dialect], limits, True)
    scan.feed(data)
    scan.finish()
    rule = rule_of(DIALECTS[dialect], limits)
    expected, _ = seconds(reference.read(data, DIALECTS[dialect], limits).moves, limits, rule)
    assert scan.totals()["motion_s"] == pytest.approx(expected, rel=tolerance)
    times = memoryview(scan.times() or b"").cast("d").tolist()
    assert times == sorted(times)
    assert times[-1] == pytest.approx(scan.totals()["motion_s"])


BRISK = MotionLimits(max_feed_mm_s=(200.0,) * 4, max_accel_mm_s2=(1000.0,) * 4, junction_deviation_mm=0.01)
EVEN = MotionLimits(
    max_feed_mm_s=(200.0, 200.0, 12.0, 120.0),
    max_accel_mm_s2=(3000.0, 3000.0, 200.0, 5000.0),
    accel_mm_s2=1250.0,
    jerk_mm_s=(8.0, 8.0, 0.4, 4.5),
)


@pytest.mark.parametrize(
    ("dialect", "limits", "radius", "feed", "height", "tolerance"),
    [
        ("grbl", BRISK, 20.0, 1200, 0.0, 5e-4),  # one speed, but the acceleration depends on the direction
        ("grbl", BRISK, 20.0, 1200, 0.5, 5e-4),
        ("grbl", BRISK, 3.0, 9000, 0.0, 5e-3),  # no room to reach the speed: in pieces
        ("marlin", EVEN, 20.0, 2400, 0.0, 5e-4),  # one speed and one acceleration
        ("marlin", EVEN, 20.0, 2400, 0.5, 5e-4),
        ("marlin", EVEN, 2.0, 9000, 0.0, 5e-3),  # corners between the chords are too sharp: in pieces
        ("marlin", DEVIATION, 20.0, 1200, 0.0, 5e-4),
    ],
)
def test_an_arc_that_keeps_one_speed(
    dialect: str, limits: MotionLimits, radius: float, feed: int, height: float, tolerance: float
) -> None:
    data = arcs(radius, feed, height)
    scan = scanner(DIALECTS[dialect], limits)
    scan.feed(data)
    scan.finish()
    rule = rule_of(DIALECTS[dialect], limits)
    expected, _ = seconds(reference.read(data, DIALECTS[dialect], limits).moves, limits, rule)
    assert scan.totals()["motion_s"] == pytest.approx(expected, rel=tolerance)


def test_how_many_chords() -> None:
    half = math.pi
    # Grbl: a chord leaves an arc of 10 mm by 0.002 mm at most; 2 acos(1 - 0.0002) = 0.04 rad, so 78 in half a turn.
    assert chord_count("grbl", FAST, 10.0, half, 0.0) == 78
    assert chord_count("grbl", MotionLimits(**fields(FAST, arcs=ArcCut(tolerance_mm=0.2))), 10.0, half, 0.0) == 7
    # Marlin: 1 mm at most, and 72 to a circle at least unless that makes them shorter than 0.1 mm.
    assert chord_count("marlin", DEVIATION, 20.0, half, 0.0) == 63
    assert chord_count("marlin", DEVIATION, 5.0, half, 0.0) == 36
    assert chord_count("marlin", DEVIATION, 0.5, half, 0.0) == 15
    # Klipper: 1 mm along the helix.
    assert chord_count("klipper", PRINTER, 10.0, half, 0.0) == 31
    assert chord_count("klipper", PRINTER, 10.0, half, 40.0) == 50


def fields(limits: MotionLimits, **changes: object) -> dict[str, object]:
    return {name: changes.get(name, getattr(limits, name)) for name in limits.__struct_fields__}
