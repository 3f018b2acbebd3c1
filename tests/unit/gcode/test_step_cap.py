"""A few bytes cannot ask for moves without end: past a number for the whole program only bounds are followed."""

from __future__ import annotations

import pytest

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS

START = b"G21 G90 G17 G94 F100\nS100 M3\nG0 X0 Y0 Z5\n"
POLES = b"G5.2 X1 Y1 P1\n" + b"".join(b"X%d Y%d P1\n" % (i, i % 7) for i in range(2, 40)) + b"G5.3\n"

GREEDY = {
    # what is asked for: (program, greatest X)
    "pecks": (b"G83 X1 Z-1 R1 Q.0001\n" + b"X2\n" * 400, 2.0),
    "repeats": (b"G91\nG81 X1 Z-1 R1 L9999\n" * 200, 9999.0 * 200),
    "curves": (b"G5.1 X9 Y0 I99 J999\nG5.1 X0 Y0 I99 J999\n" * 9000, None),
    "NURBS": (POLES.replace(b"P1", b"L20 P1", 1) * 700, None),
    "turns": (b"G2 X0 Y0 I5 P49000\n" * 8, 10.0),
    "turns of one line": (b"G2 X0 Y0 I5 P999999999\n", 10.0),
    "a loop": (b"o1 repeat [9999]\nG83 X1 Z-1 R1 Q.001\nG0 X0\no1 endrepeat\n", 1.0),
}


@pytest.mark.parametrize("case", GREEDY)
def test_the_moves_of_a_program_are_capped_and_its_bounds_are_whole(case: str) -> None:
    program, far_x = GREEDY[case]
    scan = gcode_core.Scanner(DIALECTS["linuxcnc"].reads, True)
    scan.feed(START + program + b"M2\n")
    scan.finish()
    hazards = scan.hazards()
    assert "cycle_cap" in hazards or "loop_cap" in hazards
    high = max(motion[0][2] for _, motion, _, _ in scan.frames() if motion[0])
    assert far_x is None or high == pytest.approx(far_x, abs=1e-6)


def test_what_programs_do_ask_for_is_followed() -> None:
    scan = gcode_core.Scanner(DIALECTS["linuxcnc"].reads, True)
    scan.feed(START + b"G91\nG83 X1 Z-1 R1 Q.05 L500\nG90 G2 X500 Y0 I5 P30\n" + POLES + b"M2\n")
    scan.finish()
    assert "cycle_cap" not in scan.hazards()
