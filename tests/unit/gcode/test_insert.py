"""A script that is put in changes nothing of what the rest of the program means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import CannotTransform, UsageError
from fleetctl.gcode import DIALECTS, analyze
from fleetctl.gcode.state import state_after
from fleetctl.gcode.transform import preview, transform
from fleetctl.model.profile import PROFILES, Setup
from fleetctl.preflight.gate import check

from .sliced import milled, printed

EJECT = "M190 R30\nG91\nG1 Z20 F600\nG90\nG0 X110 Y210 F6000\nG1 Z2 F600\nG1 Y5 F3000\nG1 Z30 F600\n"
FINISH = "G91\nG0 Z5\nG90\n"


def inserted(program: bytes, dialect: str = "marlin", **parameters: Any) -> bytes:
    out: list[bytes] = []
    transform(program, "insert", parameters, out.append, dialect=dialect)
    return b"".join(out)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, derandomize=True, deadline=None, database=None)
def test_an_ejection_script_stands_before_the_end_script_and_modes_are_set_back(seed: int) -> None:
    program = printed("marlin", seed)
    made = inserted(program, script=EJECT, at="before_end_script", purpose="eject")
    begin, end = made.index(b"; fleetctl: begin of"), made.index(b"; fleetctl: end of")
    rest = made[made.index(b"\n", end) + 1 :]
    assert made[:begin] + rest == program, "the program itself is as it was"
    assert b" E" not in rest.split(b"G91", 1)[0].replace(b"G92 E", b""), "no work behind it"
    was, now = (
        state_after(made[:begin], DIALECTS["marlin"]),
        state_after(made[: len(made) - len(rest)], DIALECTS["marlin"]),
    )
    for name in ("relative", "e_relative", "e_nm", "feed_nm_min", "inch", "tool"):
        assert getattr(now, name) == getattr(was, name), name
    if check(analyze(program), PROFILES["generic-220"], Setup()).passed:
        assert check(analyze(made), PROFILES["generic-220"], Setup()).passed


def test_the_end_of_a_mill_program_is_before_its_m30() -> None:
    program = milled("grbl", 5)
    made = inserted(program, "grbl", script="M9\nG53 G0 Z-1", at="end")
    assert made.splitlines()[-1] == b"M30" and made.index(b"G53 G0 Z-1") < made.index(b"M30")
    assert made.count(b"\n") == program.count(b"\n") + 4


def test_the_end_of_a_print_is_behind_its_last_line_even_without_a_line_end() -> None:
    program = b"M104 S200\nG28\nG1 X9 E1\nM84"
    assert inserted(program, script="M117 done").startswith(program + b"\n; fleetctl: begin")


def test_in_the_middle_of_the_work_the_tool_must_come_back() -> None:
    program = printed("marlin", 8)
    line = next(i for i, text in enumerate(program.splitlines(), 1) if text == b";TYPE:Perimeter")
    made = inserted(program, script="G91\nG1 Z5 F300\nG4 S1\nG1 Z-5\nG90", at=line)
    assert analyze(made, dialect="marlin").filament_mm == analyze(program, dialect="marlin").filament_mm
    left = {
        "G91\nG1 Z5\nG90": "changes where the axes stand, or their zero, and leaves it so",
        "M104 S0": "changes the temperature of a nozzle and",
        "G1 E-5": "changes how far the filament is pulled back and",
        "M106 S13": "changes the speed of a fan and",
    }
    for script, words in left.items():
        with pytest.raises(CannotTransform, match=words) as refused:
            inserted(program, script=script, at=line)
        assert refused.value.line == line and "State(" not in str(refused.value)


REFUSED = {
    "nothing": ("  \n", "empty"),
    "a comment alone": ("; look\n", "no command"),
    "a real-time byte": ("G1 X5 ?\n", "act on at once"),
    "no ASCII": ("M117 \u00fc\n", "no ASCII"),
    "a template": ("G1 X{bed_x}\n", "placeholder"),
    "settings": ("G28\nM500\n", "settings"),
    "an end": ("G0 X1\nM2\n", "ends the program"),
    "an emergency stop": ("M112\n", "emergency stop"),
    "a long line": ("G1 X" + "1" * 300, "longer than"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_script_that_cannot_be_sent_is_refused(case: str) -> None:
    script, words = REFUSED[case]
    with pytest.raises(UsageError, match=words):
        inserted(printed("marlin", 1), script=script)


def test_pushing_parts_off_belongs_to_printers() -> None:
    with pytest.raises(CannotTransform, match="for printers"):
        inserted(milled("grbl", 5), "grbl", script=FINISH, purpose="eject")


def test_a_person_sees_each_line_and_is_warned_of_a_warm_bed() -> None:
    shown = preview(printed("marlin", 1), "insert", {"script": FINISH, "at": "before_end_script", "purpose": "eject"})
    assert [line.text for line in shown.lines][:3] == ["G91", "G0 Z5", "G90"]
    assert any("M190" in warning for warning in shown.warnings)
    assert not any(
        "M190" in warning
        for warning in preview(
            printed("marlin", 1), "insert", {"script": EJECT, "at": "before_end_script", "purpose": "eject"}
        ).warnings
    )


@pytest.mark.parametrize("at", [0, 100_000])
def test_a_line_that_is_not_there_is_refused(at: int) -> None:
    with pytest.raises(CannotTransform, match="no line"):
        inserted(printed("marlin", 1), script=FINISH, at=at)
