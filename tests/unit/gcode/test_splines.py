"""Splines: bounds against fine sampling of the curve's own formula, and what makes one invalid."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.gcode import analyze

Point = tuple[float, float]
eighths = st.integers(-200, 200).map(lambda n: n / 8)
points = st.tuples(eighths, eighths)


def bernstein(controls: list[Point], t: float) -> Point:
    degree = len(controls) - 1
    weights = [math.comb(degree, i) * t**i * (1 - t) ** (degree - i) for i in range(degree + 1)]
    return (
        sum(w * x for w, (x, _) in zip(weights, controls, strict=True)),
        sum(w * y for w, (_, y) in zip(weights, controls, strict=True)),
    )


def check(line: str, controls: list[Point], dialect: str) -> None:
    """The core's box holds every sample and is no larger than their box by more than sampling misses."""
    facts = analyze(f"G21 G90 G17\nG28\nM3 S9\nG0 X0 Y0 Z0\n{line}\n".encode(), dialect=dialect)
    box = facts.frame("machine" if dialect == "marlin" else "G54").motion
    samples = [bernstein(controls, i / 2000) for i in range(2001)]
    for axis, reach in enumerate((box.x, box.y)):
        values = [point[axis] for point in samples]
        assert reach.low_mm <= min(values) + 1e-6 and reach.high_mm >= max(values) - 1e-6
        assert reach.low_mm == pytest.approx(min(values), abs=1e-3)
        assert reach.high_mm == pytest.approx(max(values), abs=1e-3)
    if dialect != "marlin":
        length = sum(math.dist(a, b) for a, b in itertools.pairwise(samples))
        assert facts.cutting_mm == pytest.approx(length, rel=1e-3, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(points, points, points, st.sampled_from(["linuxcnc", "marlin", "grblhal"]))
def test_cubic(first: Point, second: Point, end: Point, dialect: str) -> None:
    line = f"G5 X{end[0]} Y{end[1]} I{first[0]} J{first[1]} P{second[0]} Q{second[1]} F600"
    check(line, [(0.0, 0.0), first, (end[0] + second[0], end[1] + second[1]), end], dialect)


@settings(max_examples=40, deadline=None)
@given(points, points)
def test_quadratic(middle: Point, end: Point) -> None:
    check(f"G5.1 X{end[0]} Y{end[1]} I{middle[0]} J{middle[1]} F600", [(0.0, 0.0), middle, end], "linuxcnc")


def test_a_spline_goes_on_in_the_direction_of_the_last() -> None:
    facts = analyze(b"G0 X0 Y0\nG5 X10 Y0 I0 J3 P0 Q3 F9\nG5 X20 Y0 P0 Q-3\n", dialect="linuxcnc")
    assert facts.frame("G54").motion.y.low_mm == pytest.approx(-2.25, abs=1e-6)
    assert "spline_invalid" not in facts.hazards
    assert analyze(b"G0 X0 Y0\nG5 X20 P0 Q-3 F9\n", dialect="linuxcnc").hazards["spline_invalid"].line == 2


def test_nurbs_stay_inside_their_control_points_and_end_at_the_last() -> None:
    facts = analyze(b"G0 X0 Y0\nG5.2 P1 L3 F60\nX5 Y9 P1\nX10 Y0 P1\nG5.3\nG91 G1 X1\n", dialect="linuxcnc")
    x, y = facts.frame("G54").motion.x, facts.frame("G54").motion.y
    assert (x.high_mm, y.high_mm) == (11.0, 9.0)
    assert facts.hazards["spline"].line == 5  # the bounds are those of the control points
    parabola = [bernstein([(0.0, 0.0), (5.0, 9.0), (10.0, 0.0)], i / 1000) for i in range(1001)]
    length = sum(math.dist(a, b) for a, b in itertools.pairwise(parabola))
    assert facts.cutting_mm == pytest.approx(length + 1.0, rel=1e-3)


def test_a_weighted_nurbs_is_a_circle() -> None:
    # A quarter of a circle is the rational quadratic with weights 1, sqrt(1/2), 1.
    facts = analyze(b"G0 X10 Y0\nG5.2 P1 L3 F60\nX10 Y10 P0.707107\nX0 Y10 P1\nG5.3\n", dialect="linuxcnc")
    assert facts.cutting_mm == pytest.approx(10 * math.pi / 2, rel=1e-4)


def test_after_a_spline_linuxcnc_goes_on_in_the_mode_before() -> None:
    facts = analyze(b"M3 S9\nG0 X0 Y0\nG5.1 X5 Y0 I1 J1 F9\nX99\n", dialect="linuxcnc")
    assert facts.work_bounds_mm[1][0] == 5.0
