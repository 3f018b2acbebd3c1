"""Numbers and words as the file writes them: the traps that other readers fall into."""

from __future__ import annotations

import math

import pytest

from fleetctl.gcode import analyze


def x_of(text: str, dialect: str = "grbl") -> float:
    """Where X stands after one line."""
    return analyze(text.encode() + b"\n", dialect=dialect).bounds_mm[1][0]


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("G0X2.6873", 2.6873),  # strtod would read 0X2.6873 as hexadecimal
        ("G1X1E5", 1.0),  # and 1E5 as a hundred thousand
        ("G1 X.5", 0.5),
        ("G1 X15.", 15.0),
        ("G1 X+.5", 0.5),
        ("G1 X-0", 0.0),
        ("G1 X007.250", 7.25),
        ("g1x3y4", 3.0),
        ("G01 X 3", 3.0),
        ("N10G1X3", 3.0),
        ("N10 G1 X3*97", 3.0),
        ("G1 X3;X9", 3.0),
        ("G1 X3 (X9) Y1", 3.0),
        ("G1(X9)X3", 3.0),
        ("/G1 X3", 3.0),
        ("X3", 3.0),
        ("G1 X0.1234567", 0.123457),
        ("G1 X0.12345649999", 0.123456),
        ("G1 X-0.1234565", -0.123457),
        ("G1 X000000000000001", 1.0),
    ],
)
def test_x(text: str, x: float) -> None:
    assert x_of(text) == x


def test_blanks_inside_numbers_are_the_dialects_choice() -> None:
    text = b"G0X +0. 12 34Y 7\n"
    cnc = analyze(text, dialect="grbl")
    assert cnc.bounds_mm[1][:2] == (0.1234, 7.0)
    assert cnc.hazards["spaced_number"].line == 1
    printer = analyze(text, dialect="marlin")
    assert printer.bounds_mm[1][:2] == (0.0, 7.0)
    assert "stray_character" in printer.hazards


def test_an_e_is_filament_not_an_exponent() -> None:
    facts = analyze(b"M83\nG1X10E5\n", dialect="marlin")
    assert facts.filament_mm == {0: 5.0}
    assert facts.bounds_mm[1][0] == 10.0


def test_ten_integer_digits_overflow() -> None:
    facts = analyze(b"G1 X1234567890.5\n", dialect="grbl")
    assert facts.hazards["number_overflow"].line == 1
    assert facts.bounds_mm[1][0] == 1e9
    assert [finding.code for finding in facts.findings if finding.severity == "error"] == ["GC003"]


def test_relative_sums_are_exact() -> None:
    facts = analyze(b"G92 X0\nG91\n" + b"G1 X0.1\n" * 1000, dialect="grbl")
    assert facts.bounds_mm[1][0] == 100.0


def test_sums_of_hostile_numbers_stay_in_range() -> None:
    facts = analyze(b"G20\nG91\nM83\n" + b"G1 X999999999 E999999999\n" * 5000, dialect="marlin")
    assert facts.bounds_mm[0][0] == 0.0 and facts.bounds_mm[1][0] == 1e12  # held at the limit, not wrapped round
    assert all(math.isfinite(mm) for mm in facts.filament_mm.values())


def test_inches() -> None:
    facts = analyze(b"G20\nG1 X1 F60\nG21\nG1 Y1\n", dialect="grbl")
    assert facts.bounds_mm[1][:2] == (25.4, 1.0)
    assert facts.max_feed_mm_s == pytest.approx(25.4)


@pytest.mark.parametrize(
    ("dialect", "x", "y", "mistake"),
    [("marlin", 7.0, 0.0, True), ("klipper", 7.0, 0.0, True), ("rrf", 1.0, 2.0, False)],
)
def test_quotes_hold_text_for_one_firmware_and_are_a_mistake_elsewhere(
    dialect: str, x: float, y: float, mistake: bool
) -> None:
    facts = analyze(b'G28\nG1 X1 "X7 ; text" Y2\n', dialect=dialect)
    assert facts.bounds_mm[1][:2] == (x, y)
    assert ("stray_character" in facts.hazards) is mistake


def test_text_commands_hold_no_words() -> None:
    facts = analyze(b"G28\nM117 X100 Layer 3\nG1 X5\n", dialect="marlin")
    assert facts.bounds_mm[1][0] == 5.0
    assert "M117" in facts.words


def test_klipper_reads_words_inside_parentheses() -> None:
    assert x_of("G1 Y1 (X9)", "klipper") == 9.0
    assert math.isnan(x_of("G1 Y1 (X9)", "marlin"))


@pytest.mark.parametrize("text", ["G1 X#<v>", "G1 X-#<v>", "G1 X-[#1 + 2]", "G#<mode> X1", "M3 M#1"])
def test_a_value_that_is_computed_is_an_expression_not_a_mistake(text: str) -> None:
    facts = analyze(f"G1 X5\n{text}\n".encode(), dialect="linuxcnc")
    assert facts.hazards["expression"].line == 2
    assert "number_missing" not in facts.hazards
    assert facts.bounds_mm[1][0] == 5.0


def test_sub_codes_keep_their_decimal() -> None:
    facts = analyze(b"G38.2 Z-5 F10\nG59.1\nM104 S0\n", dialect="grbl")
    assert set(facts.words) == {"G38.2", "G59.1", "M104"}
