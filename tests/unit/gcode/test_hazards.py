"""Every hazard has a program that shows it, with its line and column."""

from __future__ import annotations

import pytest

from fleetctl._ext.gcode_core import HAZARD_NAMES
from fleetctl.gcode import HAZARDS, analyze
from fleetctl.gcode.findings import _READING

EXAMPLES: dict[str, tuple[str, bytes, int, int]] = {
    # hazard: (dialect, program, line, column)
    "high_byte_code": ("grbl", b"G1 X1\nG1 X2\xc3\x84 F1\n", 2, 6),
    "high_byte_comment": ("grbl", b"G1 X1 (\xc3\x84)\n", 1, 8),
    "realtime_code": ("grbl", b"G1 X1\nG1 X2!\n", 2, 6),
    "realtime_comment": ("grbl", b"G1 X1 ; done?\n", 1, 13),
    "control_code": ("grbl", b"G1 X1\x18\n", 1, 6),
    "control_comment": ("grbl", b"G1 X1\n(a\x18b)\n", 2, 3),
    "nul": ("grbl", b"G1 X1\n\x00G1 X2\n", 2, 1),
    "dollar_line": ("grbl", b"G1 X1\n $H\n", 2, 2),
    "unclosed_comment": ("grbl", b"G1 X1\nG1 X2 (oops\n", 2, 7),
    "nested_comment": ("grbl", b"G1 (a (b) X1\n", 1, 7),
    "paren_comment": ("marlin", b"G1 X1 (a)\n", 1, 7),
    "lower_case": ("marlin", b"G1 X1\nG1 x2\n", 2, 4),
    "spaced_number": ("grbl", b"G1 X1 0\n", 1, 7),
    "number_overflow": ("marlin", b"G1 X12345678901\n", 1, 5),
    "number_missing": ("grbl", b"G1 X1\nG1 X Y2\n", 2, 4),
    "stray_character": ("grbl", b"G1 X1\nG1 X2 = 3\n", 2, 7),
    "repeated_word": ("grbl", b"G1 X1 X2\n", 1, 7),
    "repeated_motion": ("grbl", b"G0 G1 X1\n", 1, 1),
    "bare_axes": ("marlin", b"G1 X1\nX2\n", 2, 1),
    "block_delete": ("grbl", b"G1 X1\n/G1 X2\n", 2, 1),
    "percent": ("grbl", b"%\nG1 X1\n", 1, 1),
    "checksum": ("marlin", b"N1 G1 X1*99\n", 1, 9),
    "checksum_wrong": ("marlin", b"N1 G1 X1*1\n", 1, 9),
    "expression": ("linuxcnc", b"G1 X1\n#1=5\nG1 X[2+3]\n", 2, 1),
    "o_word": ("linuxcnc", b"G1 X1\nO100 sub\n", 2, 1),
    "placeholder": ("marlin", b"G1 X1\nM104 S{first_layer_temperature}\n", 2, 7),
    "oversized_line": ("marlin", b"G1 X1\n;" + b"x" * 300_000 + b"\n", 2, 262145),
    "unknown_number": ("marlin", b"G1 X1\nG5000\n", 2, 1),
    "tool_overflow": ("marlin", b"G1 X1\n" + b"".join(b"T%d\n" % n for n in range(40)), 34, 1),
    "relative_from_unknown": ("grbl", b"G91\nG1 X1\n", 2, 1),
    "arc_from_unknown": ("grbl", b"G2 X1 Y1 R5\n", 1, 1),
    "motion_before_home": ("marlin", b"M104 S200\nG1 X1\n", 2, 1),
    "extrude_before_hot": ("marlin", b"G28\nG1 X1\nG1 X2 E1\n", 3, 1),
    "feed_missing": ("grbl", b"G0 X1\nG1 X2\n", 2, 1),
    "feed_zero": ("grbl", b"G1 X1 F100\nG1 X2 F0\n", 2, 1),
    "units_assumed": ("grbl", b"G90\nG1 X1\n", 2, 1),
    "distance_assumed": ("grbl", b"G21\nG1 X1\n", 2, 1),
    "spindle_off_cut": ("grbl", b"M3 S100\nG1 X1 F1\nM5\nG0 X2\nG1 X3\n", 5, 1),
    "arc_radius": ("grbl", b"G1 X0 Y0\nG2 X10 Y0 I4\n", 2, 1),
    "arc_invalid": ("grbl", b"G1 X0 Y0\nG2 X10 Y0\n", 2, 1),
    "canned_cycle": ("grbl", b"G0 X0 Y0 Z1\nG81 X1 Z-1 R1\n", 2, 1),
    "cutter_compensation": ("linuxcnc", b"G0 X0\nG41 D1\n", 2, 1),
    "inverse_time": ("linuxcnc", b"G0 X0\nG95 F.1\n", 2, 1),
    "probe": ("grbl", b"G0 X0\nG38.2 Z-10 F50\n", 2, 1),
    "spline": ("rrf", b"G0 X0 Y0\nG5 X1 Y1 I0 J1 P0 Q-1\n", 2, 1),
    "transform": ("linuxcnc", b"G0 X0\nG68 R45\n", 2, 1),
    "offset_write": ("grbl", b"G0 X0\nG10 L20 P1 X0\n", 2, 1),
    "settings_write": ("marlin", b"G1 X0\nM500\n", 2, 1),
    "volumetric": ("marlin", b"G1 X0\nM200 S1\n", 2, 1),
    "emergency_stop": ("marlin", b"G1 X0\nM112\n", 2, 1),
    "repeated_group": ("grbl", b"G0 X0\nG20 G21\n", 2, 1),
    "unused_word": ("grbl", b"G0 X0\nG0 X1 K1\n", 2, 1),
    "axes_missing": ("grbl", b"G0 X0\nG92\n", 2, 1),
    "axes_unused": ("grbl", b"G0 X0\nG80 X1\n", 2, 1),
    "dwell_missing": ("grbl", b"G0 X0\nG4\n", 2, 1),
    "machine_curve": ("grbl", b"G0 X0 Y0\nG2 X2 I1\nG53 X1\n", 3, 1),
    "negative_number": ("grbl", b"G0 X0\nG0 X1 S-5\n", 2, 7),
    "spindle_no_speed": ("grbl", b"M3\nG0 X0\nG1 X1 F9\n", 3, 1),
    "several_commands": ("marlin", b"G28\nG90 G1 X1\n", 2, 1),
    "scale_change": ("marlin", b"G28\nM92 E5\nM92 X80\n", 3, 1),
    "not_provable": ("linuxcnc", b"G1 X1\n#1=#5063\nG1 X#1\n", 3, 5),
    "evaluation_error": ("linuxcnc", b"G1 X1\nG1 X[1/0]\n", 2, 7),
    "flow_error": ("linuxcnc", b"G1 X1\nO1 sub\nO1 endsub\n O1 endif\n", 4, 2),
    "loop_cap": ("linuxcnc", b"G1 X1\nM99\n", 2, 1),
    "cycle_word_missing": ("linuxcnc", b"G0 X0 Y0 Z1\nG81 X1 Z-1\n", 2, 1),
    "cycle_invalid": ("linuxcnc", b"G0 X0 Y0 Z1\nG81 X1 Z-1 R1 L0\n", 2, 1),
    "cycle_cap": ("linuxcnc", b"G0 X0 Y0 Z1\nG83 X1 Z-1 R1 Q.00001\n", 2, 1),
    "spline_invalid": ("linuxcnc", b"G0 X0 Y0\nG5 X1 Y1 I0 P0 Q-1\n", 2, 1),
    "length_unknown": ("linuxcnc", b"G0 X0 Y0\nG43\n", 2, 1),
    "frame_overflow": ("linuxcnc", b"G0 X0\n" + b"".join(b"G43 H%d\n" % n for n in range(1, 40)), 34, 1),
    "offset_unknown": ("linuxcnc", b"G0 X0 Y0\nG92.3\n", 2, 1),
    "retract_unknown": ("marlin", b"G1 X0\nG10\n", 2, 1),
    "state_unknown": ("klipper", b"G1 X0\nRESTORE_GCODE_STATE NAME=x\n", 2, 1),
    "stored_place": ("grbl", b"G0 X0\nG91 G28 Z0\n", 2, 5),
    "stored_all": ("grbl", b"G0 X0\nG30\n", 2, 1),
    "not_followed": ("klipper", b"G1 X0\n SET_SKEW XY=1,2,3\n", 2, 2),
    "pin_set": ("klipper", b"G1 X0\nset_pin PIN=laser VALUE=1\n", 2, 1),
    "filament_unknown": ("klipper", b"G1 X0\nSYNC_EXTRUDER_MOTION EXTRUDER=extruder1 MOTION_QUEUE=\n", 2, 1),
    "meta_command": ("rrf", b"G1 X0\n  if true\n", 2, 3),
    "cold_allowed": ("marlin", b"G1 X0\nM302 S0\n", 2, 6),
    "secret": ("marlin", b"G1 X0\n; printhost_apikey = abc\n", 2, 1),
}


@pytest.mark.parametrize("name", sorted(HAZARDS))
def test_each_hazard(name: str) -> None:
    dialect, program, line, column = EXAMPLES[name]
    mark = analyze(program, dialect=dialect).hazards[name]
    assert (mark.line, mark.column) == (line, column)
    assert mark.count >= 1


@pytest.mark.parametrize("name", sorted(HAZARDS))
def test_a_clean_program_shows_none(name: str) -> None:
    printer = b"G21\nG90\nM83\nG28\nM104 S200\nG1 X5 Y5 F600\nG1 X6 E1\nM104 S0\nM84\n"
    mill = b"G21 G90 G17\nM3 S1000\nG0 X0 Y0 Z5\nG1 Z-1 F100\nG2 X10 I5\nM5\nM2\n"
    assert name not in analyze(printer, dialect="marlin").hazards
    assert name not in analyze(mill, dialect="grbl").hazards


def test_core_and_words_name_the_same_hazards() -> None:
    assert set(HAZARDS) == {*HAZARD_NAMES, "secret"}
    assert set(_READING) <= set(HAZARDS)
    codes = [code for code, _, _ in _READING.values()]
    assert len(codes) == len(set(codes))


def test_counts_are_kept() -> None:
    facts = analyze(b"G1 X1 ; what?\nG1 X2 ; really??\n", dialect="grbl")
    assert facts.hazards["realtime_comment"].count == 3


def test_a_macro_may_home_and_heat() -> None:
    facts = analyze(b"START_PRINT BED=60 EXTRUDER=210\nG1 X1 E1 F600\n", dialect="klipper")
    assert "motion_before_home" not in facts.hazards
    assert "extrude_before_hot" not in facts.hazards
    assert facts.extended["START_PRINT"].first_line == 1


def test_longest_line_and_longest_code() -> None:
    facts = analyze(b"G1 X1 Y1\nG1 X1.234 Y1 ; and a long comment indeed\nN5 G1 X1.2345 Y1*12\n", dialect="marlin")
    assert (facts.longest_line_bytes, facts.longest_line) == (len("G1 X1.234 Y1 ; and a long comment indeed"), 2)
    assert (facts.longest_code_bytes, facts.longest_code_line) == (len("G1X1.2345Y1"), 3)


@pytest.mark.parametrize(
    ("program", "marker", "line", "newline", "cut"),
    [
        (b"G1 X1\nM2\n", "M2", 2, True, False),
        (b"G1 X1\nM30", "M30", 2, False, False),
        (b"G1 X1\nG1 X", "", 0, False, True),
        (b"G1 X1\nG1 X-", "", 0, False, True),
        (b"G1 X1\nG1 X12", "", 0, False, False),
        (b"G1 X1\n", "", 0, True, False),
    ],
)
def test_ending(program: bytes, marker: str, line: int, newline: bool, cut: bool) -> None:
    ending = analyze(program, dialect="grbl").ending
    assert (ending.marker, ending.marker_line, ending.newline, ending.cut_word) == (marker, line, newline, cut)


def test_endings_of_printers() -> None:
    facts = analyze(b"G28\nG1 X1\nM84\n;End of Gcode\n", dialect="marlin")
    assert (facts.ending.marker, facts.ending.marker_line) == ("M84", 3)
    facts = analyze(b"G28\nG1 X1\n; prusaslicer_config = end\n", dialect="marlin")
    assert facts.ending.marker == "comment"


def test_code_after_the_end() -> None:
    assert analyze(b"G1 X1\nM2\n\n(x)\nG1 X2\n", dialect="grbl").ending.code_after_line == 5


def test_heaters_and_spindle_at_the_end() -> None:
    facts = analyze(
        b"M140 S60\nM104 S200\nM109 S215\nM104 T1 S180\nG28\nM104 S0\nM191 S40\nM141 S0\n", dialect="marlin"
    )
    nozzle, bed, chamber = (facts.temperatures[name] for name in ("nozzle", "bed", "chamber"))
    assert (nozzle.first_line, nozzle.max_degc, nozzle.max_line, nozzle.end_degc) == (2, 215.0, 3, 180.0)
    assert (bed.max_degc, bed.end_degc, bed.end_line) == (60.0, 60.0, 1)
    assert (chamber.max_degc, chamber.end_degc) == (40.0, 0.0)
    mill = analyze(b"S500\nM3\nG1 X1 F1 S800\nM4 S100\n", dialect="grbl").spindle
    assert (mill.on_line, mill.max_s, mill.max_line, mill.end_on, mill.dynamic_power_line) == (2, 800.0, 3, True, 4)
    assert not analyze(b"S500 M3\nG1 X1 F1\nM30\n", dialect="grbl").spindle.end_on


def test_tools_layers_and_objects() -> None:
    program = (
        b"; layer_height = 0.2\nM83\nG28\n;LAYER_CHANGE\nT0\nG1 X1 E1.5\nG1 E-1\nG1 E1\n;LAYER_CHANGE\nT1\n"
        b"; printing object a id:0\nG1 X2 E2\n; printing object b\n; printing object b\n"
    )
    facts = analyze(program, dialect="marlin")
    assert facts.filament_mm == {0: 1.5, 1: 2.0}
    assert [(tool.number, tool.first_line) for tool in facts.tools] == [(0, 5), (1, 10)]
    assert (facts.layers, facts.layers_from) == (2, "comments")
    assert facts.objects == ("a id:0", "b")
    heights = analyze(b"M83\nG28\nG1 X1 Z0.2\nG1 X2 E1\nG1 Z5\nG1 Z.4\nG1 X1 E1\nG1 X3 E1\n", dialect="marlin")
    assert (heights.layers, heights.layers_from) == (2, "z")
    klipper = analyze(b"EXCLUDE_OBJECT_DEFINE NAME=part_1 CENTER=1,2\nG1 X1\n", dialect="klipper")
    assert klipper.objects == ("part_1",)


def test_extruder_modes_differ_by_firmware() -> None:
    program = b"M82\nG91\nG1 X1 E1\nG1 X1 E1\nG90\nG1 X1 E1\n"
    assert analyze(program, dialect="marlin").filament_mm[0] == 2.0  # G91 makes E relative, G90 absolute again
    assert analyze(program, dialect="rrf").filament_mm[0] == 1.0  # only M82 and M83 count
    assert analyze(b"M83\nG90\nG1 X1 E1\nG1 X2 E1\n", dialect="marlin").filament_mm[0] == 1.0
    assert analyze(b"M83\nG90\nG1 X1 E1\nG1 X2 E1\n", dialect="klipper").filament_mm[0] == 2.0


def test_a_right_checksum_is_right() -> None:
    value = 0
    for byte in b"N7 G1 X12.5 Y3":
        value ^= byte
    right = analyze(b"G21\nN7 G1 X12.5 Y3*%d\n" % value, dialect="marlin").hazards
    assert "checksum" in right and "checksum_wrong" not in right
    wrong = analyze(b"G21\nN7 G1 X12.5 Y3*%d\n" % (value ^ 1), dialect="marlin").hazards
    assert wrong["checksum_wrong"].line == 2


def test_the_firmware_that_prusa_asks_for_is_text() -> None:
    """PrusaSlicer begins its programs with `M115 U6.1.3+7898`, a version and no number."""
    found = analyze(b'G28\nM862.3 P "MK4S"\nM115 U6.1.3+7898\nG1 X1 F600\nM84\n', dialect="marlin")
    assert not found.hazards.keys() & {"stray_character", "repeated_word", "number_missing"}
    assert found.words["M115"].count == 1


@pytest.mark.parametrize(
    ("off", "dialect", "told"),
    [
        ("M84", "marlin", 4),
        ("M18 Z", "marlin", 4),
        ("M84 E", "marlin", 0),
        ("M84 S60", "marlin", 0),
        ("M84\nG28 X0", "marlin", 0),
        ("M84 E", "klipper", 4),
    ],
)
def test_motion_while_the_motors_were_off(off: str, dialect: str, told: int) -> None:
    """Klipper answers "Must home axis first"; elsewhere the axis may have been pushed away."""
    facts = analyze(f"G28\nG1 X5 F600\n{off}\nG1 X9\n".encode(), dialect=dialect)
    mark = facts.hazards.get("motion_before_home")
    assert (mark.line if mark else 0) == told
