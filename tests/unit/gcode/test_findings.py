"""Every finding of reading is made by what it is for, at its place, and by nothing in a plain program."""

from __future__ import annotations

import pytest

from fleetctl.gcode import analyze
from fleetctl.gcode.findings import READING_SEVERITIES, READING_TITLES

PLAIN = b"G21 G90\nM3 S800 F100\nG0 X1 Y1 Z5\n%s\nM5\nM30\n"
PRINT = b"G21\nG90\nM104 S200\nG28\n%s\nM84\n"

TRIGGERS: list[tuple[str, bytes, str, int]] = [
    ("GC001", PLAIN % b"G1 X1\x00", "grbl", 6),
    ("GC002", PLAIN % (b"G1 X1" * 60_000), "grbl", 262145),
    ("GC003", PLAIN % b"G1 X99999999999999999999", "grbl", 5),
    ("GC004", PLAIN % b"G1 X- Y5", "grbl", 4),
    ("GC005", PLAIN % b"G1 X10 = Y5", "grbl", 8),
    ("GC006", PLAIN % b"G1 X10 Y5 X20", "grbl", 11),
    ("GC007", PLAIN % b"G0 X5 G1 Z-1 F100", "grbl", 1),
    ("GC008", PLAIN % b"G1 X10 (outer", "grbl", 8),
    ("GC009", PRINT % b"N3 G1 X11*1", "marlin", 10),
    ("GC010", PLAIN % b"G1000 X5", "grbl", 1),
    ("GC011", PLAIN % b"T-1", "grbl", 1),
    ("GC012", PRINT % b"M109 S{first}", "marlin", 7),
    ("GC013", PLAIN % b"G1 X[#<_unset> + #5061]", "grbl", 5),
    ("GC014", PLAIN % b"O<nowhere> call", "grbl", 1),
    ("GC015", PLAIN % b"G2 X50 R10", "grbl", 1),
    ("GC016", PLAIN % b"G2 X50 Y10 I3 J10", "grbl", 1),
    ("GC017", b"G21 G90 G17 F100 M3 S1\nG2 X10 Y0 I5\nM30\n", "grbl", 1),
    ("GC018", b"G91 G21\nG0 Z5\nM30\n", "grbl", 1),
    ("GC019", PRINT % b"G5 X10 Y10 I0 J3 P0 Q-3 F900", "rrf", 1),
    ("GC020", PLAIN % b"G68 R45", "linuxcnc", 1),
    ("GC021", PLAIN % b"G41 D1", "linuxcnc", 1),
    ("GC022", (PLAIN % b"G95 G1 X10 F.2").replace(b"S800 ", b""), "linuxcnc", 1),
    ("GC023", PLAIN % b"G38.2 Z-20 F50", "grbl", 1),
    ("GC024", PRINT % b"M200 S1", "marlin", 1),
    ("GC025", PLAIN % b"G83 X10 Y10 Z-20 R2 Q3 F100", "grbl", 1),
    ("GC026", PLAIN % b"(roughing (first) G1 X5", "grbl", 11),
    ("GC027", PRINT % b"N3 G1 X10*85", "marlin", 10),
    ("GC031", PLAIN % b"O<nowhere> call", "linuxcnc", 1),
    ("GC032", PLAIN % b"G1 X[1/0]", "linuxcnc", 7),
    ("GC033", PLAIN % b"O7 endif", "linuxcnc", 1),
    ("GC034", PLAIN % b"M99", "linuxcnc", 1),
    ("GC040", PLAIN % b"G81 X5 Z-3", "linuxcnc", 1),
    ("GC041", PLAIN % b"G81 X5 Z-3 R1 L0", "linuxcnc", 1),
    ("GC042", PLAIN % b"G83 X5 Z-3 R1 Q.00001", "linuxcnc", 1),
    ("GC043", PLAIN % b"G5.1 X5 I1", "linuxcnc", 1),
    ("GC044", PLAIN % b"G43", "linuxcnc", 1),
    ("GC045", PLAIN % b"".join(b"G43 H%d\nG0 Z1\n" % n for n in range(1, 34)), "linuxcnc", 1),
    ("GC046", PLAIN % b"G92.3", "linuxcnc", 1),
    ("GC047", PRINT % b"G10", "marlin", 1),
    ("GC048", PRINT % b"G61 S99", "marlin", 1),
    ("GC049", PRINT % b"BED_MESH_OFFSET X=5", "klipper", 1),
    ("GC050", PRINT % b"SET_PIN PIN=lamp VALUE=1", "klipper", 1),
    ("GC051", PRINT % b" SET_EXTRUDER_ROTATION_DISTANCE DISTANCE=5", "klipper", 2),
    ("GC052", PRINT % b"  while true", "rrf", 3),
    ("GC030", PRINT[:-5] % b"G1 X10 Y", "marlin", 1),
]


@pytest.mark.parametrize(("code", "program", "dialect", "column"), TRIGGERS, ids=[code for code, *_ in TRIGGERS])
def test_a_finding_of_reading_is_made_at_its_place(code: str, program: bytes, dialect: str, column: int) -> None:
    found = [finding for finding in analyze(program, dialect=dialect).findings if finding.code == code]
    assert [(finding.column, finding.severity) for finding in found] == [(column, READING_SEVERITIES[code])]


@pytest.mark.parametrize(("program", "dialect"), [(PLAIN % b"G1 Z-1", "grbl"), (PRINT % b"G1 X1 F900", "marlin")])
def test_a_plain_program_has_none(program: bytes, dialect: str) -> None:
    assert analyze(program, dialect=dialect).findings == ()


def test_every_code_has_a_program_that_makes_it() -> None:
    assert {code for code, *_ in TRIGGERS} == set(READING_TITLES) == set(READING_SEVERITIES)
