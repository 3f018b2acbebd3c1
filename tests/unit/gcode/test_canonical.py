"""The core and LinuxCNC's own interpreter make the same path of the same program, and refuse the same cycles."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fleetctl.gcode import Analysis, analyze

from . import rs274_oracle

pytestmark = pytest.mark.skipif(rs274_oracle.BINARY is None, reason=rs274_oracle.MISSING)

START = "G21 G90 G17 G94 F100\nS100 M3\nG0 X0 Y0 Z5\n"
REFUSING = ("machine_curve", "cycle_word_missing", "cycle_invalid", "spline_invalid", "arc_invalid", "arc_radius",
            "evaluation_error")  # fmt: skip


def whole_box(facts: Analysis) -> list[list[float]]:
    """Bounds over every coordinate system: all origins and tool lengths are zero for rs274 here."""
    low, high = [math.inf] * 3, [-math.inf] * 3
    for frame in facts.frames:
        for axis, reach in enumerate(frame.motion.axes):
            if reach is not None:
                low[axis], high[axis] = min(low[axis], reach.low_mm), max(high[axis], reach.high_mm)
    return [low, high]


def agree(program: str) -> None:
    """The same box, cut length and dwell to what four printed decimals and sampling allow; or both refuse."""
    text = START + program
    facts = analyze(text.encode() + b"\nM2\n", dialect="linuxcnc")
    with tempfile.TemporaryDirectory() as folder:
        theirs = rs274_oracle.run(text.encode() + b"\nM2\n", Path(folder))
    assert theirs is not None, text
    refused = [name for name in REFUSING if name in facts.hazards]
    if theirs.refused or refused:
        assert bool(theirs.refused) == bool(refused), (theirs.refused, refused)
        return
    if "not_provable" in facts.hazards:
        return
    printed = 3e-3 if "G20" in program else 5e-4
    ours = whole_box(facts)
    assert [*ours[0], *ours[1]] == pytest.approx([*theirs.low, *theirs.high], abs=printed)
    assert facts.cutting_mm == pytest.approx(theirs.cutting_mm, abs=2e-3 + 2e-4 * theirs.moves, rel=1e-5)
    assert facts.dwell_s == pytest.approx(theirs.dwell_s)


CASES = [
    "G98 G81 X2 Z-3 R1\nX3\nG99 X4\nX5\nG98 X6\nG80",
    "G91 G98 G81 X2 Z-3 R-1 L2\nX3\nG99 X4\nX5\nG80 G90\nG0 X0",
    "G0 Z0\nG99 G81 X2 Z-3 R1\nX3\nG98 X4\nG80",
    "G91 G99 G81 X2 Z-3 R3\nX3\nG80",
    "G98 G81 X1 Z-1 R15\nX2 Z-1\nG81 X3 Z-1 R1\nX4\nG83 X5 Z-1 R2 Q5\nG80",
    "G83 X2 Z-3 R3 Q2.5\nX4 L3",
    "G73 X2 Z-3 R3 Q2.5\nG91 X4 L3",
    "G82 X2 Z-3 R3 P1.5\nX3 P.5\nX4",
    "G84 X4 Z-2 R1\nG98 X6",
    "M4\nG74 X4 Z-2 R1 P.3",
    "G85 X4 Z-2 R1\nG98 X6",
    "G86 X4 Z-2 R1 P.2\nX6",
    "G89 X4 Z-2 R1 P.2\nX6",
    "G88 X4 Z-2 R1 P.2",
    "G91 G87 X3 Z-5 R1 I1 J1 K2",
    "G87 X3 Z-5 R1 I1 J1 K-1",
    "G18 G81 X1 Y-1 Z3 R1\nX4 L2\nG91 Z2 L2",
    "G19 G81 X-1 Y1 Z3 R1",
    "G81 X1 Z-1 R1\nG91 X1",
    "G81 X1 Z-1 R1\nG18 X2",
    "G81 X1 Z1 R1",
    "G92 X10\nG92 Z3\nG0 X1 Z1\nG92.2\nG0 X2 Z1\nG92.3\nG0 X1 Z1\nG92.1\nG92.3\nG0 X1 Z1",
    "G52 X5\nG0 X1\nG92 X0\nG0 X1\nG52 X1\nG0 X1",
    "G10 L2 P1 X5\nG0 X1\nG10 L2 P2 X7\nG55 G0 X1\nG10 L20 P2 X0\nG0 X2\nG10 L20 P1 X9\nG54 G0 X0",
    "G10 L2 P1 Z5\nG43.1 Z2\nG92 X1 Z1\nG10 L20 P0 X3 Z4\nG0 X1 Z1\nG49\nG0 X1 Z1",
    "G28.1\nG0 X9 Y9\nG91 G28 X1 Z1\nG90 G0 X1\nG28",
    "G30.1\nG92 X5\nG0 X9 Y9\nG30 X1\nG0 X1",
    "G43.1 Z5\nG0 X1 Z1\nG43.1 X1\nG0 X1 Z1\nG49\nG0 X1 Z1",
    "G43.1 Z5\nG53 G0 Z1\nG0 Z1\nG53 G0 X-3 Z0\nG91 G0 X1 Z1",
    "G10 L1 P1 Z5\nG43 H1\nG0 Z0\nG49\nG0 Z0",
    "G7\nG0 X10\nG2 X20 Y0 I2.5\nG8 G0 X5",
    "G20\nG7\nG1 X1.5 Y.1\nG92 X1\nG0 X3\nG8\nG0 X2",
    "G7 G0 X5\nX4\nG8 G0 X3\nG7\nG91 G8 G1 X1\nG90 G7 G2 X4 Y2 R9",
    "G80 G0 X1\nX2\nG1 G80 Y1\nX3",
    "G33 Z-5 K1\nG33.1 Z-9 K1\nG0 X1",
    "G2 X20 Y0 I10.005\nG3 X0 Y0 R10\nG2 X0 Y0 I3 P3 Z9",
    "G2 X20 Y0 I10.0139",
    "G2 X1000 Y0 I500.24",
    "G2 X20 Y0 R9.999\nG18 G3 X0 Z5 R-12",
    "G91 G81 X1 Z-1 R1 L1.99995\nG80",
    "G90.1 G2 X6 Y0 I3 J0\nG91 G3 X4 Y4 I9 J3\nG91.1 G1 X1",
]


@pytest.mark.parametrize("program", CASES)
def test_the_same_path(program: str) -> None:
    agree(program)


REFUSED = [
    "G81 X1 Z-1", "G81 X1 R1", "G81 R1", "G81 X1 Z2 R1", "G81 X1 Z-1 R1 L0", "G83 X1 Z-1 R1", "G83 X1 Z-1 R1 Q0",
    "G82 X1 Z-1 R1", "G93 G81 X1 Z-1 R1 F10", "G41.1 D1\nG81 X1 Z-1 R1", "G81 X1 Z-1 R1\nG82 X2 P1",
    "G81 X1 Z-1 R1\nG0 X0\nG81 X2", "G74 X1 Z-1 R1", "M5\nG84 X1 Z-1 R1", "M5\nG86 X1 Z-1 R1 P1", "G86 X1 Z-1 R1",
    "G83 X1 Z-1 R1 Q1\nG73 X2", "G87 X3 Z-5 R1 I1 J1", "G5 X1 I1 P1 Q1", "G5 X1 I1 J1 P1", "G5 X1 Z1 I1 J1 P1 Q1",
    "G18 G5 X1 I1 J1 P1 Q1", "G5.1 X1 I1", "G18 G5.1 X1 I1 J1", "G5.3", "G5.2 X1 Y1 L3\nG5.3",
    "G5.2 P1 L3\nX1 Y1 P1\nX2 Y0 P2\nX3 Y1\nG5.3", "G5.2 P1 L3\nX1 P1\nG5.3", "G33 X3", "M5\nG33 X3 K1",
    "G91 G53 G0 X1", "G2 X20 Y0 I10.015", "G2 X20 Y0 R9.998", "G2 X0 Y0 R5", "G2 X1000 Y0 I500.26",
    "G81 X1 Z-1 R1 L2.5", "G10 L2.5 P1 X0", "G43 H1.5", "T1.5", "G81 X1 Z-1 R1 L2.0002",
]  # fmt: skip


@pytest.mark.parametrize("program", REFUSED)
def test_refused_by_both(program: str) -> None:
    facts = analyze((START + program + "\nM2\n").encode(), dialect="linuxcnc")
    with tempfile.TemporaryDirectory() as folder:
        theirs = rs274_oracle.run((START + program + "\nM2\n").encode(), Path(folder))
        assert theirs is not None and theirs.refused
    assert [name for name in REFUSING if name in facts.hazards]


def sixteenths(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low * 16, high * 16).map(lambda n: f"{n / 16:g}")


@st.composite
def mill_line(draw: st.DrawFn) -> str:
    """Words that rs274 takes: cycles, offsets, arcs, planes."""
    kind = draw(st.integers(0, 11))
    x, y, z = (draw(sixteenths(-9, 9)) for _ in range(3))
    if kind < 3:
        code = draw(st.sampled_from(["G81", "G82", "G83", "G73", "G85", "G89", "G86"]))
        extra = {"G82": "P1", "G83": "Q1.5", "G73": "Q.75", "G89": "P.5", "G86": "P.25"}.get(code, "")
        repeat = draw(st.sampled_from(["", "", "L3"]))
        return f"G17 {code} X{x} Y{y} Z-{abs(float(z)):g} R{draw(sixteenths(0, 4))} {extra} {repeat}"
    if kind == 3:
        return draw(st.sampled_from(["G98", "G99", "G80", "G90", "G91", "G90.1", "G91.1"]))
    if kind < 6:
        return f"{draw(st.sampled_from(['G0', 'G1']))} X{x} Y{y} Z{z}"
    if kind == 6:
        return f"G92 {draw(st.sampled_from(['X', 'Y', 'Z']))}{x}"
    if kind == 7:
        return draw(st.sampled_from(["G92.1", "G92.2", "G49", "G54", "G55", "G28.1", "G17", "G43.1 Z2"]))
    if kind == 8:
        return f"G10 {draw(st.sampled_from(['L2 P1', 'L2 P2', 'L20 P1', 'L20 P2', 'L20 P0']))} X{x} Z{z}"
    if kind == 9:
        return f"G52 X{x}"
    if kind == 10:
        return f"G17 G91 {draw(st.sampled_from(['G2', 'G3']))} X{x} Y{y} R{20 + abs(float(x)):g} Z{z}"
    return f"G90 G53 G0 X{x} Z{z}"


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(mill_line(), min_size=1, max_size=8))
def test_generated_programs(lines: list[str]) -> None:
    # Every axis is set in both systems first, so that every place is known; rs274 knows them all as zero.
    agree("G10 L2 P1 X0 Y0 Z0\nG10 L2 P2 X0 Y0 Z0\nG0 X0 Y0 Z5\n" + "\n".join(lines))
