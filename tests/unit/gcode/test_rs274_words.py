"""Single lines as LinuxCNC takes or refuses them: groups, letters that nothing uses, words that are missing.

What is expected stands here; where `rs274` is installed (Debian linuxcnc-uspace) it has to say the same, also of
generated lines.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fleetctl.gcode import Analysis, analyze

from . import rs274_oracle

START = "G21 G90 G17 G94 F100\nS100 M3\nG0 X0 Y0 Z5\nG28.1\n"
"""Four lines; G28.1 so that no place is asked for that nobody stored."""

REFUSING = (
    "arc_invalid", "arc_radius", "axes_missing", "axes_unused", "cycle_invalid", "cycle_word_missing",
    "dwell_missing", "evaluation_error", "feed_missing", "feed_zero", "machine_curve", "negative_number",
    "repeated_group", "repeated_motion", "repeated_word", "spline_invalid", "unused_word",
)  # fmt: skip

REFUSED = {
    "G0 X1 E5": "unused_word",
    "G1 X1 D1": "unused_word",
    "G0 X1 H1": "unused_word",
    "G0 X1 Q1": "unused_word",
    "G43.1 Z1 H1": "unused_word",
    "G61 P1": "unused_word",
    "G96 S1 D1 L1": "unused_word",
    "G81 X1 Z-1 R1 Q1": "unused_word",
    "G85 X1 Z-1 R1 P1": "unused_word",
    "G33 Z1 K1 I1": "unused_word",
    "G5.1 X5 Y5 I1 J2 P1": "unused_word",
    "M62 P1 Q1": "unused_word",
    "G2 X5 I2.5 K1": "unused_word",
    "G43 H0 G49": "repeated_group",
    "G98 G99": "repeated_group",
    "G61 G64": "repeated_group",
    "G90.1 G91.1": "repeated_group",
    "G7 G8": "repeated_group",
    "M48 M49": "repeated_group",
    "M6 M61 Q1": "repeated_group",
    "G52 X1 G1": "repeated_group",
    "G33 K1": "axes_missing",
    "G5.1": "axes_missing",
    "G52": "axes_missing",
    "G53": "machine_curve",
    "G90.1 G2 X5 Y5 I5": "arc_invalid",
    "G90.1 G18 G2 X5 Z5 K5": "arc_invalid",
    "G2 I5 P0": "arc_invalid",
    "G2 I5 P1.5": "arc_invalid",
    "G2 F5": "arc_invalid",
    "G94\nG1 X1": "feed_missing",
    "G95 F1 G1 X1\nG95\nX2": "feed_missing",
    "M61": "cycle_word_missing",
    "M66": "cycle_word_missing",
    "M67": "cycle_word_missing",
    "G96": "cycle_word_missing",
    "G80\nG43.1 Z1\nX1": "axes_unused",
    "G80 A1": "axes_unused",
}
"""By line: why."""

TAKEN = [
    "G80 G0 X1\nX2",
    "G1 G80 X1\nX2",
    "G80 G81 X1 Z-1 R1\nX3\nG80",
    "G10 L1 P1 R5",
    "G10 L1 P1 I5 J1 Q2",
    "G10 L2 P1",
    "G10 L2 P1 X0 R0",
    "G10 L0",
    "G43 H0 M8 M48 G98",
    "M19 R3 P1",
    "M66 P1 L0",
    "M67 E1 Q1",
    "G64 P.1 Q.1 G1 X1",
    "G92 A0",
    "G80\nG43.1 Z1\nG0 X1",
    "G3 I5 P2.999\nI5",
    "G94 F50\nG1 X1",
    "G28.1 G0 X1",
    "M7 M3 M48 M60",
]


def facts_of(lines: str) -> Analysis:
    return analyze(f"{START}{lines}\nM2\n".encode(), dialect="linuxcnc")


def refused_here(facts: Analysis) -> list[str]:
    return [name for name in REFUSING if name in facts.hazards]


def their_word(lines: str, folder: Path) -> str:
    """Why `rs274` stops, empty if it does not."""
    canon = rs274_oracle.run(f"{START}{lines}\nM2\n".encode(), folder)
    assert canon is not None, lines
    return canon.refused


@pytest.mark.parametrize("lines", REFUSED)
def test_a_refused_line_is_found_where_it_stands(lines: str, tmp_path: Path) -> None:
    facts = facts_of(lines)
    assert facts.hazards[REFUSED[lines]].line == START.count("\n") + lines.count("\n") + 1
    if rs274_oracle.BINARY is not None:
        assert their_word(lines, tmp_path)


@pytest.mark.parametrize("lines", TAKEN)
def test_a_taken_line_is_not_refused(lines: str, tmp_path: Path) -> None:
    assert refused_here(facts_of(lines)) == []
    if rs274_oracle.BINARY is not None:
        assert their_word(lines, tmp_path) == ""


def test_what_grbl_refuses_it_still_refuses() -> None:
    """Grbl has G80 in the group of motion (gc_execute_line, error 21), and keeps F under a repeated G94."""
    assert "repeated_group" in analyze(b"G21 G90\nG80 G0 X1\n", dialect="grbl").hazards
    assert "feed_missing" not in analyze(b"G21 G90 G94\nM3 S1\nG1 X1 F9\nG94\nG1 X2\n", dialect="grbl").hazards


G_CODES = (
    "0 1 2 3 4 17 18 19 20 21 28 28.1 30.1 33 40 43.1 49 52 53 54 59.3 61 64 80 81 82 83 90 91 90.1 91.1 92 92.1 "
    "92.2 93 94 95 96 97 98 99 7 8"
)
M_CODES = "0 1 3 4 5 7 8 9 19 48 49 50 53 60 62 64 66 68"
CODES = [f"G{number}" for number in G_CODES.split()] + [f"M{number}" for number in M_CODES.split()]
"""Without what the tool table or the stored parameters of the interpreter decide."""


@st.composite
def any_line(draw: st.DrawFn) -> str:
    codes = draw(st.lists(st.sampled_from(CODES), max_size=4))
    letters = draw(st.lists(st.sampled_from("XYZIJKLPRDEHSFQ"), max_size=4, unique=True))
    words = codes + [letter + draw(st.sampled_from(["1", "2", "10", "1.00001"])) for letter in letters]
    return " ".join(draw(st.permutations(words)))


UNMOVED = (
    "R i j k words all missing for arc",
    "F word missing with inverse time",
    "Cannot do g1 with zero feed rate",
    "Cannot make arc with zero feed rate",
)
"""LinuxCNC asks this of a G1, G2 or G3 that moves nothing too; the core waits for the move."""


@pytest.mark.skipif(rs274_oracle.BINARY is None, reason=rs274_oracle.MISSING)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(line=any_line())
def test_generated_lines_are_refused_by_both_or_by_neither(line: str, tmp_path: Path) -> None:
    theirs, ours = their_word(line, tmp_path), refused_here(facts_of(line))
    if not (theirs.startswith(UNMOVED) and not ours):
        assert bool(theirs) == bool(ours), f"{line}: {theirs!r} there, {ours} here"
