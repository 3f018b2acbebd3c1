"""Planned time: closed forms for single moves, corners and waits, and the window against a plan of the whole."""

from __future__ import annotations

import math
import random

import pytest

from fleetctl.gcode import DIALECTS, MotionLimits, analyze
from fleetctl.gcode.analysis import scanner

from . import reference
from .reference_plan import seconds

MILL = MotionLimits(max_feed_mm_s=(100.0,) * 4, max_accel_mm_s2=(500.0,) * 4, junction_deviation_mm=0.01)
PRINTER = MotionLimits(
    max_feed_mm_s=(200.0, 200.0, 10.0, 50.0),
    max_accel_mm_s2=(2000.0, 2000.0, 100.0, 5000.0),
    accel_mm_s2=1000.0,
    travel_accel_mm_s2=1500.0,
    retract_accel_mm_s2=800.0,
    jerk_mm_s=(8.0, 8.0, 0.4, 4.5),
)


def mill(text: str) -> float:
    return analyze(text.encode(), dialect="grbl", machine=MILL).duration_s


def test_a_long_move_is_a_trapezoid() -> None:
    # 100 mm at 50 mm/s with 500 mm/s2: 0.1 s ramps of 2.5 mm each.
    assert mill("G1 X0 F3000\nG1 X100\n") == pytest.approx(0.2 + 95 / 50)


def test_a_short_move_is_a_triangle() -> None:
    assert mill("G1 X0 F6000\nG1 X1\n") == pytest.approx(2 * math.sqrt(1 / 500))


def test_rapids_are_limited_by_the_axes() -> None:
    # Both axes at 100 mm/s and 500 mm/s2: the diagonal goes at sqrt(2) times that.
    length, speed, accel = math.hypot(100, 100), 100 * math.sqrt(2), 500 * math.sqrt(2)
    assert mill("G0 X0 Y0\nG0 X100 Y100\n") == pytest.approx(2 * speed / accel + (length - speed**2 / accel) / speed)


def test_straight_on_needs_no_stop_and_back_needs_one() -> None:
    through = mill("G1 X0 F3000\nG1 X50\nG1 X100\n")
    assert through == pytest.approx(mill("G1 X0 F3000\nG1 X100\n"))
    assert mill("G1 X0 F3000\nG1 X50\nG1 X0\n") == pytest.approx(2 * (0.2 + 45 / 50))


def test_junction_deviation_at_a_right_angle() -> None:
    s = math.sqrt(0.5)
    corner = math.sqrt(500 * 0.01 * s / (1 - s))
    ramp_to, ramp_from = 50 / 500, (50 - corner) / 500
    cruise = 100 - 2.5 - (2500 - corner**2) / 1000
    expected = 2 * (ramp_to + ramp_from + cruise / 50)
    assert mill("G1 X0 Y0 F3000\nG1 X100\nG1 Y100\n") == pytest.approx(expected)


def test_dwell_is_seconds_or_milliseconds() -> None:
    facts = analyze(b"G4 P1.5\n", dialect="grbl")
    assert (facts.dwell_s, facts.duration_s) == (1.5, 1.5)
    assert analyze(b"G4 P1500\n", dialect="marlin").dwell_s == pytest.approx(1.5)
    assert analyze(b"G4 S2 P1500\n", dialect="marlin").dwell_s == 2.0


def test_time_at_line() -> None:
    facts = analyze(
        b"G1 X0 F3000\nG1 X100\n; nothing\nG4 P3\nG1 X200\n", dialect="grbl", machine=MILL, time_at_line=True
    )
    one = 0.2 + 95 / 50
    assert facts.time_at_line is not None
    assert facts.time_at_line.tolist() == pytest.approx([0, one, one, one + 3, 2 * one + 3])
    assert analyze(b"G1 X0\n", dialect="grbl").time_at_line is None


def test_time_at_line_never_falls_and_ends_at_the_duration() -> None:
    facts = analyze(zigzag(3000), dialect="marlin", machine=PRINTER, time_at_line=True)
    times = facts.time_at_line.tolist()
    assert len(times) == facts.lines
    assert times == sorted(times)
    assert times[-1] == pytest.approx(facts.duration_s)


def zigzag(moves: int) -> bytes:
    """A seeded program of short printing moves, retracts and travels."""
    rnd = random.Random(7)
    lines, x, y = ["G28", "M83", "G90"], 100.0, 100.0
    for n in range(moves):
        x += rnd.uniform(-3, 3)
        y += rnd.uniform(-3, 3)
        if n % 40 == 0:
            lines += ["G1 E-.8 F2100", f"G1 X{x:.3f} Y{y:.3f} F9000", "G1 E.8 F2100", "G1 F2400"]
        else:
            lines.append(f"G1 X{x:.3f} Y{y:.3f} E{rnd.uniform(0.01, 0.1):.5f}")
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("limits", [PRINTER, MILL])
def test_the_window_costs_nothing_against_a_plan_of_the_whole(limits: MotionLimits) -> None:
    data = zigzag(5000)
    scan = scanner(DIALECTS["marlin"], limits)
    scan.feed(data)
    scan.finish()
    motion, _ = seconds(reference.read(data, DIALECTS["marlin"], limits).moves, limits)
    assert scan.totals()["motion_s"] == pytest.approx(motion, rel=1e-6)


def test_a_file_sets_limits_only_below_the_machines() -> None:
    fast = b"M203 X1000 Y1000\nM201 X9000 Y9000\nG28\nG1 X0 F60000\nG1 X100\n"
    slow = b"M203 X50 Y50\nM201 X9000 Y9000\nG28\nG1 X0 F60000\nG1 X100\n"
    plain = b"\n\nG28\nG1 X0 F60000\nG1 X100\n"
    on_machine = {data: analyze(data, dialect="marlin", machine=PRINTER) for data in (fast, slow, plain)}
    assert on_machine[fast].duration_s == pytest.approx(on_machine[plain].duration_s)
    assert on_machine[slow].duration_s > on_machine[plain].duration_s
    assert {facts.limits_from for facts in on_machine.values()} == {"machine"}
    alone = analyze(fast, dialect="marlin")
    assert alone.limits_from == "file"
    assert alone.duration_s < on_machine[fast].duration_s
    assert analyze(plain, dialect="marlin").limits_from == "default"
    rrf = analyze(b"M203 X3000 Y3000\nG28\nG1 X0 F60000\nG1 X100\n", dialect="rrf")
    assert rrf.duration_s == pytest.approx(
        analyze(b"M203 X50 Y50\nG28\nG1 X0 F60000\nG1 X100\n", dialect="marlin").duration_s
    )
