"""What a slicer left unfilled is a hazard in the code of a printer; expressions of controllers are none."""

from __future__ import annotations

import pytest

from fleetctl.gcode import analyze

BODY = b"G28\nM104 S200\nG1 X1 E1\n"


@pytest.mark.parametrize(
    ("dialect", "line", "column"),
    [
        ("marlin", b"M104 S{first_layer_temperature[0]}", 7),
        ("marlin", b"M104 S[first_layer_temperature]", 7),
        ("marlin", b"M104 S[temperature_0]", 7),
        ("marlin", b"M109 S[first_layer_temperature[0]]", 7),
        ("marlin", b"M104 S<TEMP> T0", 7),
        ("marlin", b"M140 S<BED>", 7),
        ("marlin", b"{if layer_z > 3}", 1),
        ("smoothie", b"G1 X[x]", 5),
        ("klipper", b"START_PRINT BED_TEMP=[first_layer_bed_temperature]", 22),
        ("klipper", b"START_PRINT BED_TEMP={first_layer_bed_temperature}", 22),
        ("rrf", b"M104 S{first_layer_temperature}", 7),
        ("rrf", b"M104 S[temperature]", 7),
    ],
)
def test_a_placeholder_is_found_with_its_column(dialect: str, line: bytes, column: int) -> None:
    facts = analyze(BODY + line + b"\n" + BODY, dialect=dialect)
    mark = facts.hazards["placeholder"]
    assert (mark.line, mark.column) == (4, column)
    assert "GC012" in {finding.code for finding in facts.findings}


@pytest.mark.parametrize(
    ("dialect", "line"),
    [
        ("marlin", b"; M104 S{temperature} [x] <y>"),
        ("marlin", b"G1 X1 ; [temperature]"),
        ("marlin", b"M117 Layer [3] <of> 5"),
        ("klipper", b"EXCLUDE_OBJECT_DEFINE NAME=a POLYGON=[[1,2],[3,4]]"),
        ("klipper", b'RESPOND MSG="[info] hello"'),
        ("rrf", b"G1 X{move.axes[0].max - 5}"),
        ("rrf", b"M104 S{param.S + 10}"),
        ("rrf", b"if {move.axes[0].homed}"),
        ("linuxcnc", b"G1 X[2+3] Y#<depth>"),
        ("linuxcnc", b"o<pocket> call [1]"),
    ],
)
def test_what_the_firmware_reads_is_no_placeholder(dialect: str, line: bytes) -> None:
    assert "placeholder" not in analyze(BODY + line + b"\n" + BODY, dialect=dialect).hazards


def test_an_expression_of_reprapfirmware_is_not_known_before_the_run() -> None:
    assert analyze(BODY + b"G1 X{move.axes[0].max}\n", dialect="rrf").hazards["expression"].line == 4
