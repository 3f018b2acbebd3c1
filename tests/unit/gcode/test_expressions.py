"""Expressions and parameters: against a second evaluation, and one example of every reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS, analyze
from fleetctl.gcode.analysis import scanner
from fleetctl.gcode.evaluation import REASONS

from . import reference_expression as reference
from .strategies import expressions

PARAMETERS = {31: 2.5, 1: -1.0}


def read(text: str, dialect: str = "linuxcnc") -> gcode_core.Scanner:
    scan = scanner(DIALECTS[dialect], None)
    scan.feed(text.encode())
    scan.finish()
    return scan


def x_of(text: str) -> float | str:
    """Where `G0 X` with this value leads, or the reason why not."""
    scan = read(f"#31=2.5 #1=-1\nG0 X{text}\n")
    reasons = scan.reasons()
    if reasons:
        return next(iter(reasons.values()))
    spans = [motion[0] for _, motion, _, _ in scan.frames()]
    assert spans[0] is not None
    return spans[0][2]


@settings(max_examples=300, deadline=None)
@given(expressions(("#31", "#1", "#[30+1]"), 3))
def test_core_and_reference_agree(text: str) -> None:
    found = x_of(f"[{text}]")
    try:
        value = reference.evaluate(f"[{text}]", PARAMETERS)
    except (reference.Refused, KeyError):
        assert isinstance(found, str), text
        return
    except reference.Close:
        assert found == "close" or isinstance(found, float)  # where 0 AND, or 1 OR, decides without it
        return
    if isinstance(found, str):
        # Python raises only where the end is not finite; the core looks at every bracket, like the controller.
        assert found in ("round", "not_finite", "close"), text
    elif abs(value) < 1e8:
        assert found == pytest.approx(value, abs=2e-6, rel=1e-9), text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[2**3**2]", 64.0),
        ("[-2**2]", 4.0),
        ("--5", 5.0),
        ("-[2]", -2.0),
        ("[1 OR 1 AND 0]", 0.0),
        ("[3 GT 2 EQ 1]", 1.0),
        ("[1 EQ 1.0000005]", 1.0),
        ("[-7 MOD 3]", 2.0),
        ("[7 MOD -3]", 1.0),
        ("FIX[-2.8]", -3.0),
        ("FUP[2.1]", 3.0),
        ("ROUND[-2.5]", -3.0),
        ("FIX[2*SIN[30]]", 1.0),
        ("atan[1]/[-1]", 135.0),
        ("#[30+1]", 2.5),
        ("[ 1 0 + 2 . 5 ]", 12.5),
        ("S I N [ 9 0 ]", 1.0),
        ("[EXISTS[#<_x>] + EXISTS[#5]]", 2.0),
    ],
)
def test_values(text: str, value: float) -> None:
    assert x_of(text) == pytest.approx(value, abs=1e-6)


def test_settings_take_effect_after_their_line() -> None:
    scan = read("#31=2\n#31=[#31*5] G0 X#31\nG0 X[#31+1]\n")
    (_, motion, _, _) = scan.frames()[0]
    assert motion[0][:4] == (2.0, 2, 11.0, 3)


def test_what_is_not_known_stays_so_until_it_is_used() -> None:
    scan = read("#1=[#5061*0 + 1]\n#2=[0 AND #1]\n#3=[1 OR #1]\nG21 G90\nG0 X#2 Y#3\nG0 X#1\nG0 Z1\n")
    assert scan.reasons() == {"not_provable": "measured"}
    assert scan.hazards()["not_provable"] == (6, 5, 1)
    ((_, motion, _, _),) = scan.frames()
    assert [span[:3:2] if span else None for span in motion] == [(0.0, 0.0), (1.0, 1.0), (1.0, 1.0)]


def test_an_axis_sent_to_an_unknown_place_is_lost_and_found_again() -> None:
    scan = read("G21 G90\nG0 X1\nG0 X#5221\nG91\nG0 X5\n")
    frames = {name: motion[0][:4] for name, motion, *_ in scan.frames()}
    assert frames["G54"] == (1.0, 2, 1.0, 2)
    assert frames["start"] == (0.0, 5, 5.0, 5)


def test_the_position_is_in_the_unit_in_force() -> None:
    scan = read("G20 G90\nG0 X3\nG21\nG0 Y#5420 Z[#<_x> - 1]\n")
    ((_, motion, _, _),) = scan.frames()
    assert motion[1][0] == pytest.approx(76.2) and motion[2][0] == pytest.approx(75.2)


@pytest.mark.parametrize(
    ("name", "value"),
    [("_metric", 1), ("_imperial", 0), ("_absolute", 1), ("_plane", 180), ("_coord_system", 550), ("_feed", 250.5),
     ("_rpm", 900), ("_spindle_on", 1), ("_motion_mode", 0), ("_selected_tool", 7), ("_line", 3), ("_x", 4)],
)  # fmt: skip
def test_modes_are_known_once_they_are_set(name: str, value: float) -> None:
    lines = f"G21 G90 G18 G55 F250.5 S900 M3 T7\nG0 X4\nG0 Y#<{name}>\n"
    ((_, motion, _, _),) = read(lines).frames()
    assert motion[1][0] == value
    unset = read(f"\nG0 Y#<{name}>\n").reasons()
    assert unset or name == "_line"


EXAMPLES: dict[str, tuple[str, int, int]] = {
    # reason: (program, line, column)
    "parameter_left_over": ("G0 X1\nG0 X#31\n", 2, 5),
    "global_left_over": ("G0 XEXISTS[#<_mine>]\n", 1, 5),
    "kept_by_machine": ("G0 X#5221\n", 1, 5),
    "measured": ("G0 X[1 + #5070]\n", 1, 5),
    "position": ("G0 X[#5420 + 1]\n", 1, 5),
    "mode": ("G0 X#<_metric>\n", 1, 5),
    "setting": ("G0 X#<_vmajor>\n", 1, 5),
    "other_file": ("G0 X1\no<elsewhere> call [1]\nG0 X2\nM2\n", 2, 1),
    "too_long": ("o1 if [1]\n" + "G1 X1\n" * 2_900_000, 1, 1),
    "too_many_names": ("".join(f"#<n{i}>=1\n" for i in range(2049)), 2049, 2),
    "polar": ("G0 @5 ^30\n", 1, 4),
    "not_modelled": ("G0 X1\nG71 Q100 X1\n", 2, 1),
    "row": ("G0 Z5 F100\nG81 X1 Z-1 R2\nG92 Z0\nX2\n", 4, 1),
    "close": ("G0 X[1.0000001 LE 1]\n", 1, 5),
    "modes_kept": ("M70\nG91\nM72\nG0 X1\n", 3, 1),
    "number": ("G0 X[.]\n", 1, 6),
    "function": ("G0 X[FOO[3]]\n", 1, 6),
    "operator": ("G0 X[2 FOO 3]\n", 1, 8),
    "unclosed": ("G0 X[2 + 3\n", 1, 11),
    "bracket_missing": ("G0 XABS 3\n", 1, 9),
    "atan": ("G0 XATAN[1]\n", 1, 12),
    "exists": ("G0 XEXISTS[3]\n", 1, 12),
    "depth": ("G0 X" + "[" * 140 + "1" + "]" * 140 + "\n", 1, 133),
    "not_finite": ("G0 X[10**400]\n", 1, 5),
    "division": ("G0 X[1/[2-2]]\n", 1, 7),
    "power": ("G0 X[-8**0.5]\n", 1, 8),
    "root": ("G0 XSQRT[-1]\n", 1, 5),
    "logarithm": ("G0 XLN[0]\n", 1, 5),
    "arc_function": ("G0 XACOS[1.1]\n", 1, 5),
    "round": ("G0 XROUND[3000000000]\n", 1, 5),
    "integer": ("G0 X#[1.5]\n", 1, 6),
    "parameter_number": ("G0 X#5602\n", 1, 6),
    "read_only": ("#5420=1\n", 1, 1),
    "name": ("G0 X#<abc\n", 1, 6),
    "name_unset": ("G0 X#<abc>\n", 1, 5),
    "equals": ("#1 5\n", 1, 5),
    "stray_bracket": ("G0 [5]\n", 1, 4),
    "too_many_settings": ("#1=1" * 65 + "\n", 1, 257),
    "word_number": ("G[1.55] X1\n", 1, 2),
    "abort": ("G0 X1 (ABORT, no stock)\n", 1, 7),
    "keyword": ("o1 foo\n", 1, 1),
    "trailing": ("o1 if [1] G0 X1\no1 endif\n", 1, 11),
    "condition": ("o1 while 1\no1 endwhile\n", 1, 10),
    "arguments": ("o1 sub\no1 endsub\no1 call " + "[1]" * 31 + "\n", 3, 99),
    "nested_sub": ("o1 sub\no2 sub\no2 endsub\no1 endsub\n", 2, 1),
    "twice": ("o1 repeat [1]\no1 endrepeat\no1 repeat [1]\no1 endrepeat\n", 3, 1),
    "no_label": ("G0 X1\n o1 endwhile\n", 2, 2),
    "wrong_label": ("o1 while [1]\no1 endrepeat\n", 2, 1),
    "not_in_sub": ("o1 return\n", 1, 1),
    "never_closed": ("o1 if [0]\nG0 X1\nM2\n", 1, 1),
    "call_style": ("M98 P9\nM30\nO9 sub\nO9 endsub\n", 3, 1),
    "levels": ("o1 sub\no1 call\no1 endsub\no1 call\n", 2, 1),
    "m98": ("M98 L2\n", 1, 1),
    "work": ("o1 while [1]\no1 endwhile\n", 2, 1),
    "endless": ("G0 X1\nM99\n", 2, 1),
}


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_each_reason(reason: str) -> None:
    program, line, column = EXAMPLES[reason]
    scan = read(program)
    hazard = next(name for name, found in scan.reasons().items() if found == reason)
    assert scan.hazards()[hazard][:2] == (line, column)
    findings = [found for found in analyze(program.encode(), dialect="linuxcnc").findings if found.line == line]
    assert any(
        found.message.startswith(REASONS[reason][0]) and found.hint == REASONS[reason][1] for found in findings
    )


def test_every_reason_of_the_core_has_words() -> None:
    assert set(gcode_core.REASON_NAMES) - {""} == set(REASONS)


def test_only_linuxcnc_evaluates() -> None:
    for name, dialect in DIALECTS.items():
        scan = read("G21 G90\nG0 X[1/0]\n", name)
        assert bool(scan.reasons()) == dialect.expressions == (name == "linuxcnc")


def test_a_number_too_great_for_a_coordinate_is_an_overflow() -> None:
    scan = read("G0 X[1000000*1000000]\n")
    assert scan.hazards()["number_overflow"][:2] == (1, 5)
    assert scan.frames()[0][1][0][:4] == (1e9, 1, 1e9, 1)
    assert all(math.isfinite(span[0]) for _, motion, _, _ in scan.frames() for span in motion if span)


def test_a_byte_that_acts_at_once_is_seen_inside_a_name_too() -> None:
    """I13: `#<a!>` is a parameter to LinuxCNC and a hold to Grbl."""
    scan = gcode_core.Scanner(DIALECTS["linuxcnc"].reads, False)
    scan.feed(b"#<a!>=1\no<b?> repeat [3]\nG0 X#<a!>\no<b?> endrepeat\nG0 Y#<\x90>\nM2\n")
    scan.finish()
    assert scan.hazards()["realtime_code"] == (1, 4, 4)
    assert scan.hazards()["high_byte_code"][:2] == (5, 7)


def test_a_parameter_of_unknown_number_may_be_an_offset() -> None:
    """Nobody knows #5, so `##5 = 3` may move the origin of G54: from there on nothing is provable."""
    assert read("G0 X1\n##5 = 3\nG0 X2\n").reasons() == {"not_provable": "parameter_left_over"}
    assert read("#5 = 31\n##5 = 3\nG0 X#31\n").reasons() == {}


@pytest.mark.parametrize("dialect", ["linuxcnc", "grblhal"])
def test_modes_that_are_brought_back_are_not_provable(dialect: str) -> None:
    text = b"G21 G90\nG0 X5\nM70\nG91\n%sG0 X1\nM2\n"
    facts = analyze(text % b"M72\n", dialect=dialect)
    assert facts.hazards["not_provable"].line == 5
    motion = facts.frames[-1].motion.x
    assert motion is not None and motion.high_mm != 6.0  # which a G91 still in force would make of it
    assert "not_provable" not in analyze(text % b"", dialect=dialect).hazards
