"""Arcs are bounded by their quadrant points, in every plane, form and direction."""

from __future__ import annotations

import math

import pytest

from fleetctl.gcode import analyze


def bounds(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return analyze(text.encode(), dialect="grbl").bounds_mm


@pytest.mark.parametrize(
    ("line", "low", "high"),
    [
        ("G2 X10 Y0 I5 J0", (0, 0), (10, 5)),  # half circle clockwise: over the top
        ("G3 X10 Y0 I5 J0", (0, -5), (10, 0)),
        ("G2 X5 Y5 I5 J0", (0, 0), (5, 5)),  # a quarter has no extreme inside
        ("G3 X5 Y5 I5 J0", (0, -5), (10, 5)),  # three quarters
        ("G2 I5 J0", (0, -5), (10, 5)),  # full circle
        ("G2 X0 Y0 I5 J0", (0, -5), (10, 5)),
        ("G2 X10 Y0 R5", (0, 0), (10, 5)),
        ("G3 X10 Y0 R5", (0, -5), (10, 0)),
        ("G2 X5 Y5 R5", (0, 0), (5, 5)),
        ("G2 X5 Y5 R-5", (-5, 0), (5, 10)),  # R < 0: the long way round
        ("G90.1 G2 X10 Y0 I5 J0", (0, 0), (10, 5)),
    ],
)
def test_plane_xy(line: str, low: tuple[float, float], high: tuple[float, float]) -> None:
    found = bounds(f"G17 G21 G90 F100\nG0 X0 Y0 Z0\n{line}\n")
    assert found[0][:2] == pytest.approx(low)
    assert found[1][:2] == pytest.approx(high)


def test_plane_zx_is_seen_from_plus_y() -> None:
    # From X0 Z0 to X10 Z0 about X5: clockwise in Z-X goes through negative Z.
    found = bounds("G18 G90 F100\nG0 X0 Y0 Z0\nG2 X10 Z0 I5 K0\n")
    assert (found[0][2], found[1][2]) == pytest.approx((-5, 0))
    found = bounds("G18 G90 F100\nG0 X0 Y0 Z0\nG3 X10 Z0 I5 K0\n")
    assert (found[0][2], found[1][2]) == pytest.approx((0, 5))


def test_plane_yz() -> None:
    found = bounds("G19 G90 F100\nG0 X0 Y0 Z0\nG2 Y10 Z0 J5 K0\n")
    assert (found[0][2], found[1][2]) == pytest.approx((0, 5))


def test_helix_has_its_length() -> None:
    facts = analyze(b"G17 G90 F600\nG0 X0 Y0 Z0\nG3 I5 Z4 P2\n", dialect="linuxcnc")
    assert facts.cutting_mm == pytest.approx(math.hypot(2 * 2 * math.pi * 5, 4))


def test_the_line_of_an_extreme_is_the_arcs() -> None:
    facts = analyze(b"G90 F100\nG0 X0 Y0\nG2 X10 Y0 I5 J0\n", dialect="grbl")
    y = facts.frame("G54").motion.y
    assert (y.high_mm, y.high_line) == (pytest.approx(5.0), 3)


@pytest.mark.parametrize(
    ("line", "hazard"),
    [
        ("G2 X10 Y0", "arc_invalid"),
        ("G2 X10 Y0 R2", "arc_invalid"),
        ("G2 X0 Y0 R2", "arc_invalid"),
        ("G2 X10 Y0 I4 J0", "arc_radius"),
    ],
)
def test_bad_arcs_are_noted_and_still_bounded(line: str, hazard: str) -> None:
    facts = analyze(f"G90 F100\nG0 X0 Y0\n{line}\n".encode(), dialect="grbl")
    assert facts.hazards[hazard].line == 3
    assert any(finding.line == 3 for finding in facts.findings)
    assert not math.isnan(facts.bounds_mm[1][0])


def test_rounded_radii_are_not_an_error() -> None:
    facts = analyze(b"G90 F100\nG0 X0 Y0\nG2 X10.003 Y0 I5 J0\n", dialect="grbl")
    assert "arc_radius" not in facts.hazards


def test_an_arc_from_nowhere() -> None:
    facts = analyze(b"G90 F100\nG2 X10 Y0 I5 J0\n", dialect="grbl")
    assert facts.hazards["arc_from_unknown"].line == 2
