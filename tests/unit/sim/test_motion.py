"""Times of moves against values computed by hand."""

from __future__ import annotations

import math

import pytest

from fleetctl.sim.motion import Arc, Move, Planner, arc_sweep_rad, corner_mm_s, limited, trapezoid_s


def line(start_mm: float, end_mm: float, speed: float = 100.0, accel: float = 1000.0) -> Move:
    unit = (math.copysign(1.0, end_mm - start_mm), 0.0, 0.0)
    return Move((start_mm, 0.0, 0.0), (end_mm, 0.0, 0.0), abs(end_mm - start_mm), speed, accel, unit, unit)


@pytest.mark.parametrize(
    ("length", "entry", "top", "leave", "accel", "seconds"),
    [
        (100, 0, 100, 0, 1000, 1.1),  # 5 mm up in 0.1 s, 90 mm cruise, 5 mm down
        (5, 0, 100, 0, 1000, 2 * math.sqrt(5 / 1000)),  # never reaches 100: a triangle
        (100, 100, 100, 100, 1000, 1.0),
        (95, 0, 100, 100, 1000, 0.1 + 0.9),
        (1, 100, 100, 0, 1000, 2 * 1 / 100),  # too short to stop: the mean of the two speeds
    ],
)
def test_a_trapezoid_takes_the_time_computed_by_hand(
    length: float, entry: float, top: float, leave: float, accel: float, seconds: float
) -> None:
    assert trapezoid_s(length, entry, top, leave, accel) == pytest.approx(seconds)


def test_a_single_move_ends_when_its_trapezoid_does() -> None:
    planner = Planner(15)
    planner.push(line(0, 100), 10.0)
    assert planner.next_deadline() == pytest.approx(11.1)
    assert planner.position(10.55)[0] == pytest.approx(50)
    planner.advance(11.1)
    assert planner.queued == 0 and planner.finished == 1 and planner.position(12.0) == (100, 0, 0)


def test_a_straight_corner_is_taken_at_full_speed_and_a_reversal_from_rest() -> None:
    planner = Planner(15)
    planner.held = True
    planner.push(line(0, 100), 0.0)
    planner.push(line(100, 200), 0.0)
    planner.push(line(200, 100), 0.0)
    planner.resume(0.0)
    planner.advance(1.05)  # 0.1 s for 5 mm, 0.95 s for 95 mm, no stop
    assert planner.finished == 1 and planner.position(1.05)[0] == pytest.approx(100, abs=1e-6)
    planner.advance(2.1)
    assert planner.finished == 2
    planner.advance(3.2)
    assert planner.queued == 0 and planner.finished == 3


def test_short_moves_speed_up_and_slow_down_as_one_long_move() -> None:
    planner = Planner(15)
    planner.held = True
    for index in range(10):
        planner.push(line(index, index + 1), 0.0)
    planner.resume(0.0)
    planner.advance(0.1)
    assert planner.finished == 5  # 5 mm at 1000 mm/s2 end at 100 mm/s after 0.1 s
    planner.advance(0.199)
    assert planner.queued == 1
    planner.advance(0.2)
    assert planner.queued == 0


def test_the_corner_speed_is_that_of_the_junction_deviation() -> None:
    along_x, along_y = line(0, 10), line(0, 10)
    along_y.entry = along_y.leave = (0.0, 1.0, 0.0)
    half = math.sqrt(0.5)
    assert corner_mm_s(along_x, along_y, 0.02) == pytest.approx(math.sqrt(1000 * 0.02 * half / (1 - half)))
    assert corner_mm_s(line(0, 10), line(10, 0), 0.02) == 0.0


def test_a_hold_slows_down_then_waits_and_a_resume_goes_on() -> None:
    planner = Planner(15)
    planner.push(line(0, 100), 0.0)
    planner.hold(0.5)
    assert planner.stopping and planner.next_deadline() == pytest.approx(0.6)  # 100 mm/s at 1000 mm/s2
    planner.advance(0.6)
    assert not planner.moving and planner.next_deadline() is None
    held_at = planner.position(100.0)
    planner.resume(100.0)
    assert planner.position(100.0) == held_at
    end_s = planner.next_deadline()
    assert end_s is not None and end_s - 100.0 == pytest.approx(1.1 - 0.5 - 0.05 + 0.05)
    planner.advance(end_s)
    assert planner.position(end_s) == (100, 0, 0)


def test_overrides_change_the_move_in_progress() -> None:
    planner = Planner(15)
    planner.push(line(0, 100), 0.0)
    planner.set_factors(0.5, 1.0, 0.1)
    assert planner.next_deadline() == pytest.approx(0.1 + 1.0 / 0.5)


def test_a_flush_leaves_the_tool_where_it_is() -> None:
    planner = Planner(15)
    planner.push(line(0, 100), 0.0)
    planner.push(line(100, 200), 0.0)
    assert planner.flush(0.55)[0] == pytest.approx(50)
    assert planner.queued == 0 and planner.next_deadline() is None


def test_an_arc_has_the_length_and_the_points_of_its_circle() -> None:
    quarter = Arc((0.0, 0.0), 10.0, 0.0, math.pi / 2, 0, 1, 2)
    assert quarter.length_mm(0.0) == pytest.approx(5 * math.pi)
    assert quarter.at((10, 0, 0), (0, 10, 4), 0.5) == pytest.approx((10 * math.sqrt(0.5), 10 * math.sqrt(0.5), 2))


@pytest.mark.parametrize(
    ("start", "end", "clockwise", "sweep"),
    [
        (0, math.pi / 2, False, math.pi / 2),
        (0, math.pi / 2, True, -3 * math.pi / 2),
        (1.0, 1.0, False, 2 * math.pi),
        (1.0, 1.0, True, -2 * math.pi),
    ],
)
def test_the_same_angle_is_a_full_turn(start: float, end: float, clockwise: bool, sweep: float) -> None:
    assert arc_sweep_rad(start, end, clockwise) == pytest.approx(sweep)


def test_each_axis_keeps_its_own_limit() -> None:
    assert limited(100, (0.6, 0.8, 0.0), (30, 1000, 5)) == pytest.approx(50)
