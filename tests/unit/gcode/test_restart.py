"""A restarted program does from its first original line on what the whole program does from that line on."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl._ext import gcode_core
from fleetctl.errors import CannotTransform, UsageError
from fleetctl.gcode import DEFAULT_LIMITS, DIALECTS, analyze
from fleetctl.gcode.state import state_of
from fleetctl.gcode.transform import TRANSFORMATIONS, preview, transform
from fleetctl.gcode.transform.cut import lines_at, tail
from fleetctl.gcode.transform.layers import line_of_layer
from fleetctl.model.profile import PROFILES, Setup
from fleetctl.preflight.gate import check

from . import reference
from .sliced import MILLS, PRINTERS, far, milled, printed

SOME = settings(max_examples=20, derandomize=True, deadline=None, database=None)
FIRST_KEPT = re.compile(rb"; fleetctl: from here on line (\d+)")
MILL_SAYS = {"homed": True, "retract_z_mm": -1.0}


def restarted(program: bytes, dialect: str, **parameters: Any) -> bytes:
    out: list[bytes] = []
    transform(program, "restart", parameters, out.append, dialect=dialect)
    return b"".join(out)


def cut(program: bytes) -> tuple[bytes, bytes]:
    """The preamble and the rest of a restarted program."""
    found = FIRST_KEPT.search(program)
    assert found
    end = program.index(b"\n", found.start()) + 1
    return program[:end], program[end:]


def scan(data: bytes, dialect: str) -> gcode_core.Scanner:
    scanner = gcode_core.Scanner(DIALECTS[dialect].reads, False)
    scanner.feed(data)
    scanner.finish()
    return scanner


def attempt(program: bytes, dialect: str, **parameters: Any) -> bytes | None:
    """The restarted program, or None where this line is refused with a reason and a hint."""
    try:
        return restarted(program, dialect, **parameters)
    except CannotTransform as error:
        assert error.message and error.hint
        return None


SAME = ("inch", "relative", "e_relative", "arc_absolute", "plane", "wcs", "feed_mode", "e_nm", "tool",
        "bed_degc", "nozzles_degc", "spindle", "s", "mist", "flood", "pulled_back_nm",
        "feed_percent", "flow_percent")  # fmt: skip


def same_modes(whole: bytes, line: int, preamble: bytes, dialect: str) -> None:
    """By the core: every mode, where the axes are, what is on."""
    before = b"".join(whole.splitlines(keepends=True)[: line - 1])
    wanted, got = state_of(scan(before, dialect)), state_of(scan(preamble, dialect))
    for name in SAME:
        assert getattr(got, name) == getattr(wanted, name), name
    assert [axis.program_nm for axis in got.axes] == [axis.program_nm for axis in wanted.axes]
    assert got.feed_nm_min == pytest.approx(wanted.feed_nm_min, abs=26)
    assert got.fans == wanted.fans  # those that are off as well: the run that broke off may have left them on


def counted(r: reference.Reading) -> list[Fraction]:
    """Where the axes stand, as the program counts."""
    return [r.pos[a] - r.zero.meaning(r.wcs, a)[1] for a in range(3)]


def same_by_the_reference(whole: bytes, line: int, made: bytes, dialect: str) -> None:
    """By the second reading, which shares no code with the core: the state, and where the rest ends."""
    limits = DEFAULT_LIMITS["cnc" if DIALECTS[dialect].cnc else "additive"]
    before = b"".join(whole.splitlines(keepends=True)[: line - 1])
    preamble, _ = cut(made)
    for full, short in ((before, preamble), (whole, made)):
        wanted = reference.read(full, DIALECTS[dialect], limits)
        got = reference.read(short, DIALECTS[dialect], limits)
        for name in ("inch", "relative", "e_relative", "plane", "wcs", "e_last"):
            assert getattr(got, name) == getattr(wanted, name), name
        assert counted(got) == counted(wanted)
        if wanted.feed is not None:
            assert got.feed is not None and abs(got.feed - wanted.feed) <= Fraction(26, 1_000_000)


@pytest.mark.parametrize("dialect", PRINTERS)
@given(seed=st.integers(0, 10_000), z=st.sampled_from(["trust", "home"]))
@SOME
def test_a_print_goes_on_in_the_same_state(dialect: str, seed: int, z: str) -> None:
    whole = printed(dialect, seed)
    lines = whole.splitlines(keepends=True)
    line = 1 + int(far(seed) * len(lines))
    made = attempt(whole, dialect, line=line, z_strategy=z, z_homes_clear=z == "home")
    if made is None:
        work = state_of(scan(b"".join(lines[: line - 1]), dialect)).last_work_line
        after = state_of(scan(whole, dialect)).last_work_line
        assert not work or line > after, "a line in the middle of a plain print was refused"
        return
    preamble, rest = cut(made)
    assert rest == b"".join(lines[line - 1 :]), "the rest is byte by byte the program"
    same_modes(whole, line, preamble, dialect)
    same_by_the_reference(whole, line, made, dialect)


def test_offsets_of_klipper_are_taken_up_from_their_sum() -> None:
    whole = printed("klipper", 1)
    lines = whole.splitlines(keepends=True)
    first = next(i for i, text in enumerate(lines) if text.startswith(b"G1") and b"E" in text)
    lines[first:first] = [b"SET_GCODE_OFFSET X=1 Z_ADJUST=0.05\n", b"SET_GCODE_OFFSET Z_ADJUST=0.05\n"]
    whole = b"".join(lines)
    made = restarted(whole, "klipper", line=len(lines) // 2, z_strategy="trust")
    preamble, _ = cut(made)
    wanted = state_of(scan(b"".join(lines[: len(lines) // 2 - 1]), "klipper"))
    got = state_of(scan(preamble, "klipper"))
    assert b"SET_GCODE_OFFSET X=1 Z=0.1 " in preamble and preamble.count(b"SET_GCODE_OFFSET") == 1
    assert wanted.offset_nm == got.offset_nm == (1_000_000, 0, 100_000)
    for name in ("at_nm", "program_nm"):
        assert [getattr(axis, name) for axis in got.axes] == [getattr(axis, name) for axis in wanted.axes]


def test_a_scaled_flow_holds_back_as_much_filament_as_the_program_did() -> None:
    whole = printed("marlin", 1).replace(b"\nG21\n", b"\nG21\nM221 S90\n", 1)
    line = next(n for n, text in enumerate(whole.splitlines(), 1) if n > 60 and b" E" in text)
    made = restarted(whole, "marlin", line=line, z_strategy="trust")
    same_modes(whole, line, cut(made)[0], "marlin")


@pytest.mark.parametrize("dialect", MILLS)
@given(seed=st.integers(0, 10_000), laser=st.booleans())
@SOME
def test_milling_and_engraving_go_on_in_the_same_state(dialect: str, seed: int, laser: bool) -> None:
    whole = milled(dialect, seed, laser)
    lines = whole.splitlines(keepends=True)
    line = 1 + int(far(seed) * len(lines))
    made = attempt(whole, dialect, line=line, **MILL_SAYS)
    if made is None:
        return
    preamble, rest = cut(made)
    assert rest == b"".join(lines[line - 1 :])
    same_modes(whole, line, preamble, dialect)
    if b"G43" not in whole and b"G4 " not in whole:
        same_by_the_reference(whole, line, made, dialect)


@pytest.mark.parametrize("dialect", MILLS)
def test_most_lines_of_a_mill_program_can_be_taken_up(dialect: str) -> None:
    made = refused = 0
    for seed in range(12):
        whole = milled(dialect, seed)
        for line in range(1, whole.count(b"\n") + 1):
            good = attempt(whole, dialect, line=line, **MILL_SAYS) is not None
            made, refused = made + good, refused + (not good)
    assert made > refused, (made, refused)


@given(seed=st.integers(0, 10_000), layer=st.integers(2, 6))
@SOME
def test_the_gate_passes_what_its_parent_passed(seed: int, layer: int) -> None:
    """No special path: the restarted print is analysed and judged like any other program."""
    whole = printed("marlin", seed)
    if not check(analyze(whole), PROFILES["generic-220"], Setup()).passed:
        assert b"\nT1" in whole, "only a second tool does not fit this printer"
        return
    for says in ({"z_strategy": "trust"}, {"z_strategy": "at_height", "z_mm": 0.2 * (layer - 1)}):
        made = restarted(whole, "marlin", layer=layer, **says)
        verdict = check(analyze(made), PROFILES["generic-220"], Setup())
        assert verdict.passed, verdict.first_error


@given(seed=st.integers(0, 10_000))
@SOME
def test_the_gate_passes_milling_that_its_parent_passed(seed: int) -> None:
    setup = Setup(offsets_mm={"G54": (-250.0, -150.0, -20.0), "G55": (-200.0, -100.0, -15.0)})
    whole = milled("grbl", seed)
    if not check(analyze(whole, dialect="grbl"), PROFILES["generic-mill-3018"], setup).passed:
        return
    for line in range(8, whole.count(b"\n"), 3):
        if made := attempt(whole, "grbl", line=line, **MILL_SAYS):
            verdict = check(analyze(made, dialect="grbl"), PROFILES["generic-mill-3018"], setup)
            assert verdict.passed, (line, verdict.first_error)


def texts(program: bytes, dialect: str, **parameters: Any) -> list[str]:
    return [line.text for line in preview(program, "restart", parameters, dialect=dialect).lines]


def test_a_print_is_never_homed_in_z_over_the_part_and_the_nozzle_comes_from_above() -> None:
    program = printed("marlin", 7)
    for says in ({"z_strategy": "trust"}, {"z_strategy": "at_height", "z_mm": 0.6}):
        lines = texts(program, "marlin", layer=4, **says)
        assert [line for line in lines if line.startswith("G28")] == ["G28 X Y"]
        bed, nozzle = lines.index("M190 S60"), next(i for i, line in enumerate(lines) if line.startswith("M109"))
        lift, home = lines.index("G1 Z5 F300"), lines.index("G28 X Y")
        assert bed < lift < home < nozzle, "bed, lift, home, nozzle: in this order"
        assert lines[lift - 1] == "G91", "the lift is relative: it can only go up"
        heights = [float(line.split()[1][1:]) for line in lines if line.startswith("G1 Z")]
        assert heights[1] == 5.6 and heights[2] == 0.6, "5 mm above the top, then down onto the layer below"
        travel = next(i for i, line in enumerate(lines) if line.startswith("G0 X"))
        assert nozzle < travel < lines.index(f"G1 Z{heights[2]:g} F300")


def test_every_line_that_is_put_in_has_a_reason_and_the_person_is_warned() -> None:
    shown = preview(printed("marlin", 7), "restart", {"layer": 4, "z_strategy": "at_height", "z_mm": 0.6})
    assert shown.first_line == line_of_layer(printed("marlin", 7), DIALECTS["marlin"], 4)
    assert len(shown.lines) > 15 and all(line.reason and line.text for line in shown.lines)
    assert any("exactly the height" in warning for warning in shown.warnings)
    assert shown.lines[[line.text for line in shown.lines].index("G28 X Y")].reason.startswith("home X and Y only")


def test_settings_in_force_are_repeated_and_older_ones_are_not() -> None:
    program = (
        b"M201 X500\nM204 S300\nG28\nM109 S200\nM140 S60\nG90\nM82\nM204 S900\nM201 X700 Y700\nM221 S95\n"
        b"M106 P1 S80\nG1 X50 Y50 Z0.2 F3000\nG1 X60 E1\nG1 X70 E2\n"
    )
    lines = texts(program, "marlin", line=14, z_strategy="trust")
    assert {"M201 X500", "M201 X700 Y700", "M204 S900", "M221 S95", "M106 P1 S80", "M82"} <= set(lines)
    assert "M204 S300" not in lines
    assert lines.index("M201 X500") < lines.index("M201 X700 Y700")


def test_a_fan_that_is_off_here_is_switched_off() -> None:
    program = (
        b"G28\nM109 S200\nM140 S60\nG90\nM82\nM107\nM106 P1 S80\nM107 P1\n"
        b"G1 X50 Y50 Z0.2 F3000\nG1 X60 E1\nG1 X70 E2\nM106 S255\nG1 X80 E3\n"
    )
    fans = [line for line in texts(program, "marlin", line=11, z_strategy="trust") if line.startswith("M106")]
    assert fans == ["M106 S0", "M106 P1 S0"]


@pytest.mark.parametrize("line", [10**30, 2**63 - 1, -(10**30)])
def test_no_number_of_a_line_is_too_great_to_be_refused(line: int) -> None:
    program = printed("marlin", 1)
    with pytest.raises(CannotTransform, match=f"there is no line {line}"):
        restarted(program, "marlin", line=line, z_strategy="trust")


def test_klipper_settings_and_the_object_are_repeated() -> None:
    program = printed("klipper", 3)
    line = program[: program.index(b"EXCLUDE_OBJECT_END NAME=2")].count(b"\n") + 1
    lines = texts(program, "klipper", line=line, z_strategy="at_height", z_mm=0.4)
    assert "EXCLUDE_OBJECT_START NAME=2" in lines and "EXCLUDE_OBJECT_DEFINE NAME=1" in lines
    assert "SET_PRESSURE_ADVANCE ADVANCE=0.01" in lines and "SET_PRESSURE_ADVANCE ADVANCE=0.00" not in lines
    assert "SET_KINEMATIC_POSITION Z=0.4" in lines and "SET_VELOCITY_LIMIT ACCEL=3000" in lines


def test_a_mill_goes_up_first_and_turns_its_spindle_before_it_goes_down() -> None:
    program = b"G21 G90 G17\nG54\nM3 S8000\nM8\nG0 X1 Y2 Z5\nG1 Z-1 F200\nG1 X50 F600\nG1 Y50\nM5\nM30\n"
    lines = texts(program, "grbl", line=8, **MILL_SAYS)
    order = ["G53 G0 Z-1", "G54", "M3 S8000", "G4 P5", "M8", "G0 X50 Y2", "G1 Z-1 F100", "G1 F600"]
    assert [line for line in lines if line in order] == order
    assert lines.index("M0") < lines.index("M3 S8000"), "a person looks before anything turns"


def test_a_laser_is_switched_on_last_and_constant_power_is_refused() -> None:
    program = b"G21 G90\nM4 S300\nG0 X1 Y1 Z0\nG1 X9 F900\nG1 Y9\nG1 X1\nM5\nM30\n"
    lines = texts(program, "grbl", line=5, **MILL_SAYS)
    assert lines[-1] == "M4 S300" and not any(line.startswith("M3") for line in lines)
    with pytest.raises(CannotTransform, match="burn"):
        texts(program.replace(b"M4", b"M3").replace(b"G1 X9", b"G1 S300 X9").replace(b"G1 Y9", b"G1 S310 Y9")
              .replace(b"G1 X1\n", b"G1 S300 X1\n"), "grbl", line=6, **MILL_SAYS)  # fmt: skip


CUT = b"G21 G90\nM3 S9000\nG0 X0 Y0 Z5\n%sG1 Z-1 F200\nG1 X9\nG1 Y9\nM5\nM30\n"
REFUSALS = {
    "cutter compensation": (CUT % b"G41 D1\n", 7, "Cutter compensation G41"),
    "expressions": (CUT % b"#1=5\n", 7, "expressions"),
    "subroutines": (CUT % b"o100 call\n", 7, "subroutines"),
    "probing": (CUT % b"G38.2 Z-5 F50\nG90 G0 Z5\n", 8, "probes"),
    "unknown place": (CUT.replace(b"G0 X0 Y0 Z5", b"G91 G0 X0 Z5\nG90 G0 X0 Z5") % b"", 6, "Where Y stands"),
    "stored offsets": (CUT % b"G10 L2 P1 X0\n", 7, "stored positions"),
    "unknown zero": (CUT.replace(b"G0 X0 Y0 Z5", b"G92 X0 Y0 Z0\nG0 X0 Y0 Z5") % b"", 7, "X"),
    "spindle off": (CUT.replace(b"M3 S9000\n", b"") % b"", 5, "spindle is off"),
    "arc goes on": (CUT % b"G2 X9 Y0 I4.5 J0 F90\nX0 I-4.5\n", 5, "goes on with an arc"),
    "a cycle": (CUT % b"G81 X1 Y1 R2 Z-1 F90\nG81 X2\n", 5, "canned cycle"),
    "before the work": (CUT % b"", 3, "no work before"),
    "after the work": (CUT % b"", 7, "no work from"),
    "left out": (CUT % b"/G1 X3 F90\n", 7, "may have left out"),
    "modes": (CUT % b"M70\nG91\nM72\n", 9, "keeps its modes"),
    "turned": (CUT % b"G68 R30\n", 7, "turns"),
    "which length": (CUT % b"G43\nG0 Z4\n", 8, "tool length that cannot be told"),
    "which shift": (CUT % b"G92.3\nG0 X0 Y0 Z5\n", 8, "another program left"),
    "not moved since a length": (CUT % b"G1 X1 F90\nT1 M6\nG43 H1\n", 7, "brought about"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_rebuilt_is_refused_with_the_line(case: str) -> None:
    program, line, words = REFUSALS[case]
    with pytest.raises(CannotTransform, match=words) as refused:
        restarted(program, "linuxcnc", line=line, **MILL_SAYS)
    assert refused.value.line and refused.value.hint


PERSON = {
    "which place": ({"z_strategy": "trust"}, "at a line or at a layer"),
    "both": ({"line": 40, "layer": 2, "z_strategy": "trust"}, "at a line or at a layer"),
    "no height": ({"layer": 3}, "Z cannot be homed over a part"),
    "height without number": ({"layer": 3, "z_strategy": "at_height"}, "z_mm"),
    "a nozzle in the air": ({"layer": 3, "z_strategy": "at_height", "z_mm": 10.0}, "never goes lower"),
    "homing over the part": ({"layer": 3, "z_strategy": "home"}, "homes away"),
    "a lift of nothing": ({"layer": 3, "z_strategy": "trust", "lift_mm": 0.0}, "lift_mm"),
    "no such layer": ({"layer": 99, "z_strategy": "trust"}, "has 6 layers"),
    "no such field": ({"layer": 3, "height": 3}, "height"),
}


@pytest.mark.parametrize("case", PERSON)
def test_what_only_a_person_knows_must_be_said(case: str) -> None:
    parameters, words = PERSON[case]
    with pytest.raises((UsageError, CannotTransform)) as refused:
        restarted(printed("marlin", 1), "marlin", **parameters)
    assert re.search(words, str(refused.value))


def test_heat_that_a_macro_made_must_be_said() -> None:
    program = b"START_PRINT BED=60 NOZZLE=210\nG90\nM83\nG1 X5 Y5 Z0.2 F3000\nG1 X9 E1\nG1 X19 E1\n"
    with pytest.raises(UsageError, match="How hot the nozzle"):
        restarted(program, "klipper", line=6, z_strategy="trust")
    with pytest.raises(UsageError, match="How hot the bed"):
        restarted(program, "klipper", line=6, z_strategy="trust", nozzle_degc=210)
    lines = texts(program, "klipper", line=6, z_strategy="trust", nozzle_degc=210, bed_degc=60)
    assert "M190 S60" in lines and "M109 S210" in lines


def test_travel_is_above_the_tallest_finished_object() -> None:
    program = (b"M104 S200\nG28\nM109 S200\nG90\nM83\nG1 X20 Y20 Z30 F3000\nG1 X30 E1\nG1 Z0.2\nG1 X90 Y90\n"
               b"G1 X99 E1\nG1 Y99 E1\nG1 X90 E1\n")  # fmt: skip
    lines = texts(program, "marlin", line=11, z_strategy="trust")
    assert [line for line in lines if line.startswith("G1 Z")] == ["G1 Z5 F300", "G1 Z35 F300", "G1 Z0.2 F300"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_layers_and_lines_are_found_whatever_ends_them(end: bytes) -> None:
    plain = printed("marlin", 5)
    other = plain.replace(b"\n", end)
    marlin = DIALECTS["marlin"]
    begin = [line_of_layer(other, marlin, layer) for layer in range(1, 7)]
    assert begin == [line_of_layer(plain, marlin, layer) for layer in range(1, 7)]
    assert begin == list(analyze(other, dialect="marlin").layer_table.lines[:6])
    numbers = [1, 2, 30, plain.count(b"\n")]
    assert lines_at(other, numbers) == lines_at(plain, numbers)
    assert b"".join(tail(other, 30)) == b"".join(tail(plain, 30)).replace(b"\n", end)


def test_the_same_parameters_give_the_same_bytes_and_record() -> None:
    program = printed("marlin", 11)
    outs: list[bytes] = []
    said = []
    for parameters in ({"layer": 3, "z_strategy": "trust"}, {"z_strategy": "trust", "layer": 3, "lift_mm": 5}):
        out: list[bytes] = []
        said.append(transform(program, "restart", parameters, out.append, dialect="marlin"))
        outs.append(b"".join(out))
    assert outs[0] == outs[1] and said[0].record == said[1].record
    assert said[0].sha256 == analyze(outs[0]).sha256 and said[0].parent_sha256 == analyze(program).sha256
    assert said[0].size_bytes == len(outs[0]) and '"layer":3' in said[0].record
    other = transform(program, "restart", {"layer": 4, "z_strategy": "trust"}, lambda _: None, dialect="marlin")
    assert other.sha256 != said[0].sha256 and other.record != said[0].record


def test_every_transformation_has_a_name_and_a_version() -> None:
    assert list(TRANSFORMATIONS) == ["strip", "fold", "number", "unnumber", "restart", "insert"]
    assert all(each.version >= 1 and each.title for each in TRANSFORMATIONS.values())


@pytest.mark.parametrize("dialect", MILLS)
def test_modes_that_an_earlier_program_left_are_set_back(dialect: str) -> None:
    """G90.1 and G7 stay in force over programs: without G91.1 and G8 the rest would cut other arcs, at half the X."""
    whole = milled(dialect, 3)
    line = next(n for n, text in enumerate(whole.splitlines(), 1) if text.startswith(b"G1") and n > 20)
    preamble, _ = cut(restarted(whole, dialect, line=line, **MILL_SAYS))
    assert re.search(rb"(?m)^G91\.1\b", preamble)
    assert bool(re.search(rb"(?m)^G8\b", preamble)) == (dialect == "linuxcnc")


def test_a_place_in_diameter_mode_is_refused() -> None:
    whole = milled("linuxcnc", 3).replace(b"G90", b"G7 G90", 1)
    with pytest.raises(CannotTransform, match="G7"):
        restarted(whole, "linuxcnc", line=30, **MILL_SAYS)


def test_klipper_heats_each_heater_once_and_waits() -> None:
    whole = printed("klipper", 2)
    lines = whole.splitlines(keepends=True)
    first = next(i for i, text in enumerate(lines) if text.startswith(b"G1") and b"E" in text)
    lines[first:first] = [
        b"SET_HEATER_TEMPERATURE HEATER=extruder TARGET=217\n",
        b"SET_HEATER_TEMPERATURE HEATER=heater_bed TARGET=61\n",
        b"SET_HEATER_TEMPERATURE HEATER=chamber TARGET=40\n",
    ]
    preamble, _ = cut(restarted(b"".join(lines), "klipper", line=first + 40, z_strategy="trust"))
    text = preamble.decode()
    assert text.count("SET_HEATER_TEMPERATURE") == 1 and "HEATER=chamber TARGET=40" in text
    assert "M109 S217" in text and "M190 S61" in text and "M141" not in text and "M191" not in text
