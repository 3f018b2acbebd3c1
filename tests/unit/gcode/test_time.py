"""Planned time: closed forms for single moves, corners and waits, and the window against a plan of the whole."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from fleetctl.gcode import DIALECTS, MotionLimits, analyze
from fleetctl.gcode.analysis import scanner
from fleetctl.gcode.planning import rule_of

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
    # The direction turns along the diagonal, where both axes give sqrt(2) times their acceleration.
    s = math.sqrt(0.5)
    corner = math.sqrt(500 * math.sqrt(2) * 0.01 * s / (1 - s))
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
@pytest.mark.parametrize("dialect", ["marlin", "smoothie", "klipper"])
def test_the_window_costs_nothing_against_a_plan_of_the_whole(limits: MotionLimits, dialect: str) -> None:
    data = zigzag(5000)
    scan = scanner(DIALECTS[dialect], limits)
    scan.feed(data)
    scan.finish()
    rule = rule_of(DIALECTS[dialect], limits)
    motion, _ = seconds(reference.read(data, DIALECTS[dialect], limits).moves, limits, rule)
    assert scan.totals()["motion_s"] == pytest.approx(motion, rel=1e-6)


def dense(moves: int, step_mm: float, speed_mm_s: float) -> bytes:
    rows = [f"G1 X{n * step_mm:.4f} Z{math.sin(n * step_mm / 11):.4f}" for n in range(moves)]
    return (f"G90\nG1 X0 Z0 F{speed_mm_s * 60:.0f}\n" + "\n".join(rows) + "\n").encode()


def test_short_moves_are_as_slow_as_the_buffer_is_short() -> None:
    # 14 blocks of 0.1 mm at 10 mm/s2 are what Grbl can brake in: v2 = 2 * 10 * 1.4.
    slow = MotionLimits(max_feed_mm_s=(50.0,) * 4, max_accel_mm_s2=(10.0,) * 4, junction_deviation_mm=0.01)
    data = dense(2000, 0.1, 50.0)
    grbl = analyze(data, dialect="grbl", machine=slow).motion_s
    assert grbl == pytest.approx(200 / math.sqrt(2 * 10 * 1.4), rel=0.03)
    longer = msgspec.structs.replace(slow, buffer_blocks=32)
    assert analyze(data, dialect="grbl", machine=longer).motion_s == pytest.approx(
        grbl * math.sqrt(14 / 30), rel=0.03
    )
    # Marlin settles a block when it begins: one block less.
    marlin = msgspec.structs.replace(slow, planner="marlin")
    assert analyze(data, dialect="grbl", machine=marlin).motion_s > 1.02 * grbl


def test_klipper_square_corner_velocity_is_the_speed_of_a_right_angle() -> None:
    limits = MotionLimits(
        max_feed_mm_s=(300.0, 300.0, 10.0, 50.0),
        max_accel_mm_s2=(1000.0, 1000.0, 100.0, 5000.0),
        square_corner_velocity_mm_s=7.0,
        minimum_cruise_ratio=0.0,
    )
    ramps = 2 * 50 / 1000 + 2 * (50 - 7) / 1000
    cruise = (200 - 2 * 50**2 / 2000 - 2 * (50**2 - 7**2) / 2000) / 50
    facts = analyze(b"G28\nG1 X0 Y0 F3000\nG1 X100\nG1 Y100\n", dialect="klipper", machine=limits)
    assert facts.motion_s == pytest.approx(ramps + cruise)


def test_klipper_minimum_cruise_ratio_lowers_the_top_of_a_short_move() -> None:
    # 4 mm at 1000 mm/s2 could reach 63 mm/s; half of it must be cruised, at what half the acceleration gives.
    base = MotionLimits(
        max_feed_mm_s=(300.0, 300.0, 10.0, 50.0),
        max_accel_mm_s2=(1000.0, 1000.0, 100.0, 5000.0),
        minimum_cruise_ratio=0.0,
    )
    data = b"G28\nG1 X0 F12000\nG1 X4\n"
    assert analyze(data, dialect="klipper", machine=base).motion_s == pytest.approx(2 * math.sqrt(4 / 1000))
    halved = msgspec.structs.replace(base, minimum_cruise_ratio=0.5)
    top = math.sqrt(4 * 1000 * 0.5)
    expected = 2 * top / 1000 + (4 - top**2 / 1000) / top
    assert analyze(data, dialect="klipper", machine=halved).motion_s == pytest.approx(expected)


def test_klipper_obeys_the_limits_in_the_file() -> None:
    limits = MotionLimits(
        max_feed_mm_s=(300.0, 300.0, 10.0, 50.0),
        max_accel_mm_s2=(1000.0, 1000.0, 100.0, 5000.0),
        minimum_cruise_ratio=0.0,
    )

    def motion(before: bytes) -> float:
        return analyze(before + b"G28\nG1 X0 F12000\nG1 X4\n", dialect="klipper", machine=limits).motion_s

    assert motion(b"SET_VELOCITY_LIMIT ACCEL=4000 ; faster\n") == pytest.approx(2 * math.sqrt(4 / 4000))
    assert motion(b"M204 S250\n") == pytest.approx(2 * math.sqrt(4 / 250))
    assert motion(b"M204 P500 T250\n") == pytest.approx(2 * math.sqrt(4 / 250))
    assert motion(b"M204 P500\n") == motion(b"M201 X5\nM203 X5\nM205 X1\n") == motion(b"")
    assert motion(b"set_velocity_limit velocity=20\n") == pytest.approx(2 * 20 / 1000 + (4 - 0.4) / 20)
    by_decel = motion(b"SET_VELOCITY_LIMIT ACCEL_TO_DECEL=500\n")
    assert by_decel == motion(b"SET_VELOCITY_LIMIT MINIMUM_CRUISE_RATIO=0.5\n") > motion(b"")


def test_marlin_joins_moves_of_few_steps() -> None:
    stepped = msgspec.structs.replace(PRINTER, steps_per_mm=(80.0, 80.0, 400.0, 93.0))
    rough = ("G28\nG1 X0 Y0 F3000\n" + "".join(f"G1 X{n * 0.02:.2f}\n" for n in range(1, 501))).encode()
    plain = analyze(b"G28\nG1 X0 Y0 F3000\nG1 X10\n", dialect="marlin", machine=stepped).motion_s
    assert analyze(rough, dialect="marlin", machine=stepped).motion_s < 1.1 * plain
    # Without the steps all 500 moves are planned, and 13 of them ahead are no way to brake in.
    assert analyze(rough, dialect="marlin", machine=PRINTER).motion_s > 1.5 * plain


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
