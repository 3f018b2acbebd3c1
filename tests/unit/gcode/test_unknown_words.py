"""A word whose value is not known before the run makes unknown what it would have set, and no more than that."""

from __future__ import annotations

import pytest

from fleetctl.gcode import analyze

START = b"G21 G90 G17 G94 F100\nS100 M3\nT1 M6\nG0 X0 Y0 Z5\n"

UNKNOWN = {
    # (program, {(frame, axis): (low, high)} where it differs from the start's G54 0, 0, 5)
    "a cycle that goes on": (b"G81 X1 Z-1 R#31\nX2\nX3\nG80\nG0 X1 Y1 Z1\n",
                             {("G54", "x"): (0, 1), ("G54", "y"): (0, 1), ("G54", "z"): (1, 5)}),
    "a cycle that begins anew": (b"G81 X1 Z-1 R#31\nG0 X5 Y5 Z5\nG81 X2 Z-2 R1\nG80\n",
                                 {("G54", "x"): (0, 5), ("G54", "y"): (0, 5), ("G54", "z"): (-2, 5)}),
    "a NURBS": (b"G5.2 X#31 Y1 P1\nX2 Y2 P1\nX3 Y3 P1\nG5.3\nG0 X5 Y5\n",
                {("G54", "x"): (0, 5), ("G54", "y"): (0, 5)}),
    "which tool length": (b"G43 H#31\nG0 Z3\nG49\nG0 Z4\n", {("G54", "z"): (4, 5), ("start", "z"): (3, 3)}),
    "a tool length": (b"G43.1 Z#31\nG0 Z2\n", {("start", "z"): (2, 2)}),
    "a tool of the table": (b"G10 L1 P1 Z#31\nG43 H1\nG0 Z7\nG43 H2\nG0 Z8\n", {("start", "z"): (7, 8)}),
    "an origin": (b"G10 L2 P1 X#31\nG0 X5\nG55 G0 X6\n", {("start", "x"): (5, 5), ("G55", "x"): (6, 6)}),
    "which origin": (b"G10 L20 P#31 X0\nG54 G0 X1\n", {("start", "x"): (1, 1)}),
    "a shift": (b"G92 X#31\nG0 X5\nG92.1\nG0 X1\n", {("G54", "x"): (0, 1), ("start", "x"): (5, 5)}),
    "by way of where": (b"G28 X#31\nG0 X3\n", {("G54", "x"): (0, 3)}),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_an_unknown_word_makes_unknown(case: str) -> None:
    program, differs = UNKNOWN[case]
    facts = analyze(START + program + b"M2\n", dialect="linuxcnc")
    assert "not_provable" in facts.hazards
    found = {
        (frame.frame, axis): (getattr(frame.motion, axis).low_mm, getattr(frame.motion, axis).high_mm)
        for frame in facts.frames
        for axis in "xyz"
        if getattr(frame.motion, axis) is not None
    }
    whole = {("G54", "x"): (0, 0), ("G54", "y"): (0, 0), ("G54", "z"): (5, 5)}
    assert found == whole | differs


def test_an_unknown_rotation_is_said() -> None:
    facts = analyze(START + b"G10 L2 P1 R#31\nG0 X9\nM2\n", dialect="linuxcnc")
    assert facts.hazards["transform"].line == 5
