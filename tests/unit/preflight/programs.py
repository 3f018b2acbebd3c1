"""Programs and machines that fit each other, and ways to spoil one line of them."""

from __future__ import annotations

import msgspec

from fleetctl.gcode import analyze
from fleetctl.gcode.facts import Finding
from fleetctl.model.profile import PROFILES, Envelope, Process, Profile, Setup
from fleetctl.preflight.gate import check

PRINTER = PROFILES["generic-220"]
KLIPPER = msgspec.structs.replace(PRINTER, dialect="klipper", macros=("PRINT_START",))
RRF = msgspec.structs.replace(PRINTER, dialect="rrf")
SMOOTHIE = msgspec.structs.replace(PRINTER, dialect="smoothie")
MILL = PROFILES["generic-mill-3018"]
GRBLHAL = msgspec.structs.replace(MILL, dialect="grblhal", tool_change="manual", line_max_bytes=255)
FLUIDNC = msgspec.structs.replace(MILL, dialect="fluidnc", line_max_bytes=255)
LINUXCNC = msgspec.structs.replace(MILL, dialect="linuxcnc", tool_change="automatic")
LASER = Profile(
    name="laser",
    title="Grbl laser, 400 x 400 mm",
    process=Process.LASER,
    dialect="grbl",
    envelope=Envelope((0.0, 0.0, -10.0), (400.0, 400.0, 10.0)),
    max_feed_mm_s=(100.0, 100.0, 10.0),
    line_max_bytes=79,
)

PRINTER_SETUP = Setup(material="PLA", nozzle_mm=0.4, filament_diameter_mm=1.75)
MILL_SETUP = Setup(offsets_mm={"G54": (-150.0, -90.0, -20.0)}, stock_top_mm={"G54": 0.0}, laser_mode=False)
LASER_SETUP = Setup(offsets_mm={"G54": (0.0, 0.0, 0.0)}, laser_mode=True, spindle_max_rpm=1000.0)

PRINT = """; filament_type = PLA
; nozzle_diameter = 0.4
; filament_diameter = 1.75
M140 S60
M104 S200
G21
G28
G90
M82
M190 S60
M109 S200
G1 X10 Y10 Z0.2 F3000
G1 X60 Y10 E5 F1500
G1 X60 Y60 E10
M104 S0
M140 S0
M84
"""

BARE_PRINT = PRINT[PRINT.index("M140") :].replace("G21\n", "")
"""Without the slicer's comments and without units."""

MILLING = """G21
G90
G54
M3 S8000
G0 X0 Y0 Z5
G1 Z-1 F100
G1 X40 F300
G2 X50 Y10 I0 J10
G0 Z5
M5
M30
"""

ENGRAVING = """G21
G90
G54
M4 S0
G0 X10 Y10
G1 X60 S500 F1500
G1 Y60 S700
G1 X10 S300
M5
M30
"""

KLIPPER_PRINT = PRINT.replace("G28\n", "G28\nPRINT_START\n")


def insert(text: str, after: int, line: str) -> str:
    """The text with a line put in after line `after`."""
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:after], line + "\n", *lines[after:]])


def judge(text: str, profile: Profile, setup: Setup, dialect: str | None = None) -> tuple[Finding, ...]:
    """What the gate says of a program, read in the machine's dialect."""
    return check(analyze(text.encode(), dialect=dialect or profile.dialect), profile, setup).findings


def found(
    text: str, profile: Profile, setup: Setup, code: str, dialect: str | None = None
) -> list[tuple[str, int, int]]:
    """Severity, line and column of each finding with this code."""
    return [
        (finding.severity, finding.line, finding.column)
        for finding in judge(text, profile, setup, dialect)
        if finding.code == code
    ]
