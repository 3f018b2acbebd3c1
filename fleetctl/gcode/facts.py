"""What is true of a program: the values that `analyze` returns and preflight compares with a machine.

This module is only data. It must not know how a program is read, nor judge whether a fact is good or bad for
some machine. Lines and columns are 1-based; line 0 means "nowhere". Columns count bytes. All values survive
`msgspec.json` both ways; a coordinate that is NaN is written as null and comes back as NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from fleetctl.gcode.origin import ContainerFacts

if TYPE_CHECKING:
    Coordinate = float
else:
    Coordinate = float | None

Point = tuple[Coordinate, Coordinate, Coordinate]
Bounds = tuple[Point, Point]
"""((x, y, z), (x, y, z)): least and greatest, mm. NaN on an axis that was never commanded."""

Severity = Literal["error", "warning", "info"]
Process = Literal["additive", "subtractive", "laser", "unknown"]

UNKNOWN_BOUNDS: Bounds = ((math.nan, math.nan, math.nan), (math.nan, math.nan, math.nan))


def known_or_nan(bounds: Bounds) -> Bounds:
    """The same bounds with None (how JSON writes it) and every NaN replaced by the one `math.nan`.

    One object for every NaN makes equal bounds compare equal: tuples compare by identity first.
    """
    low, high = (tuple(math.nan if v is None or v != v else v for v in point) for point in bounds)
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


class Mark(msgspec.Struct, frozen=True):
    """Where something was seen first, and how often (lines for bytes, else occurrences)."""

    line: int
    column: int = 0
    count: int = 1


class Finding(msgspec.Struct, frozen=True):
    """One thing a person should know. `code` is stable: `GC...` from reading, `FQ...` from preflight."""

    code: str
    severity: Severity
    line: int
    column: int
    message: str
    hint: str = ""


class AxisRange(msgspec.Struct, frozen=True):
    """Least and greatest coordinate of one axis, mm, each with the line that set it first."""

    low_mm: float
    low_line: int
    high_mm: float
    high_line: int


class Box(msgspec.Struct, frozen=True):
    """The range of each axis; None for an axis never commanded."""

    x: AxisRange | None = None
    y: AxisRange | None = None
    z: AxisRange | None = None

    @property
    def axes(self) -> tuple[AxisRange | None, AxisRange | None, AxisRange | None]:
        """The ranges in the order x, y, z."""
        return (self.x, self.y, self.z)


class FrameBounds(msgspec.Struct, frozen=True):
    """Bounds of the motion made in one coordinate system.

    `frame` is `machine` (G53, and everything of a printer that selects no G54..G59), `G54` .. `G59.3`, or
    `start`: relative to wherever the machine stood when its place was unknown (relative motion or G92 before
    any absolute coordinate, or after G28/G30 to a stored position). G92 and G52 shifts, offsets that the program
    itself writes (G10) and lengths that it gives (G43.1) are already undone: add the work offset and you have
    machine coordinates.

    `length_offset` is the number in the machine's tool table whose length must be added to Z too (G43 H3: 3), or
    None. Z under such a length has a `FrameBounds` of its own; X and Y stay with the system, because a mill's tool
    has a length only.
    """

    frame: str
    motion: Box
    work: Box
    length_offset: int | None = None


class WordUse(msgspec.Struct, frozen=True):
    """One command word: the line where it is used first, and how often."""

    first_line: int
    count: int


class ToolUse(msgspec.Struct, frozen=True):
    """One tool: the line that selects it first (0: it was in at the start), and what went through it.

    `filament_mm` is the length pushed out, retractions not counted twice; 0 for a cutting tool. `filament_g`
    is None where diameter or density are not known. `material` is the slicer's word, e.g. `PETG`.
    """

    number: int
    first_line: int
    filament_mm: float = 0.0
    filament_g: float | None = None
    material: str = ""


class HeaterUse(msgspec.Struct, frozen=True):
    """What the program asks of one heater, degC. `end_degc` > 0 means it is left on after the last line."""

    first_line: int
    max_degc: float
    max_line: int
    end_degc: float
    end_line: int


class SpindleUse(msgspec.Struct, frozen=True):
    """What the program asks of spindle or laser. S in rpm (or laser power, in units of the controller's $30).

    `on_line` is the first M3/M4, `end_on` whether it still turns after the last line, `end_line` the last
    M3/M4/M5. `dynamic_power` is the first M4 (laser power that follows speed), 0 if never.
    """

    on_line: int
    max_s: float
    max_line: int
    end_on: bool
    end_line: int
    dynamic_power_line: int = 0


class Ending(msgspec.Struct, frozen=True):
    """How the file ends.

    `newline`: the last line has a line end. `marker`: what ends the program (`M2`, `M30`, `M84`, `%`, or
    `comment` for a slicer's closing comment), empty if nothing does. `cut_word`: the last line has no line end
    and stops after a letter without its number. `code_after_line`: first command after M2/M30, 0 if none.
    """

    newline: bool
    marker: str = ""
    marker_line: int = 0
    cut_word: bool = False
    code_after_line: int = 0


class Thumbnail(msgspec.Struct, frozen=True):
    """A picture of the print; its size in points is 0 where the file does not say it.

    In `comments`: `offset_bytes` is where its characters begin in the plain program (in several lines, each behind a
    semicolon), `size_bytes` how many there are; `format` is `png`, `jpg` or `qoi` in base64, or a display's own
    coding: `gimage`, `simage`, `btt`. In the `container`: `data` is the picture itself, None where it is too large
    to be carried, `size_bytes` its size.
    """

    width_px: int
    height_px: int
    format: str
    offset_bytes: int
    size_bytes: int
    source: Literal["comments", "container"] = "comments"
    data: bytes | None = None


class SlicerClaims(msgspec.Struct, frozen=True):
    """What the slicer says about its own program; None or empty where it says nothing. Not checked by us."""

    duration_s: float | None = None
    printer_model: str = ""
    nozzle_mm: float | None = None
    layer_height_mm: float | None = None
    layers: int | None = None
    filament_type: tuple[str, ...] = ()
    filament_mm: tuple[float, ...] = ()
    filament_g: tuple[float, ...] = ()
    filament_diameter_mm: tuple[float, ...] = ()
    filament_density_g_cm3: tuple[float, ...] = ()
    first_layer_mm: float | None = None
    filament_name: tuple[str, ...] = ()
    filament_cost: tuple[float, ...] = ()
    """In the slicer's currency, which no slicer names."""
    profile: str = ""
    """The slicer's name for its print settings."""


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `analyze` found. Keys of `hazards` are listed, with a phrase each, in `hazards.HAZARDS`."""

    sha256: str
    size_bytes: int
    lines: int
    commands: int
    """Lines that hold at least one word that is not a comment."""

    dialect: str
    """A name of `dialects.DIALECTS`: given, or detected."""
    dialect_detected: bool
    process: Process
    slicer: str = ""
    """Name and version of slicer or CAM as the file gives it, e.g. `PrusaSlicer 2.5.0`; empty if unknown."""

    bounds_mm: Bounds = UNKNOWN_BOUNDS
    """All motion, over every coordinate system but G53 of a program that also uses others."""
    work_bounds_mm: Bounds = UNKNOWN_BOUNDS
    """Extruding (additive) or G1/G2/G3 (subtractive, laser) motion, both ends of each move."""
    frames: tuple[FrameBounds, ...] = ()
    """The same per coordinate system, each extreme with its line. Only systems that were moved in."""

    duration_s: float = 0.0
    """Planned time: `motion_s` + `dwell_s`. Heating, homing and tool changes are not in it."""
    motion_s: float = 0.0
    dwell_s: float = 0.0
    limits_from: Literal["machine", "file", "default"] = "default"
    """Whose speeds and accelerations the time was planned with."""
    times_f64: bytes | None = None
    """Native float64 seconds, one per line, only on request; read it through `time_at_line`."""

    layers: int = 0
    layers_from: Literal["comments", "z", ""] = ""
    max_z_work_mm: float | None = None
    filament_mm: dict[int, float] = {}
    filament_g: dict[int, float] = {}
    tools: tuple[ToolUse, ...] = ()
    cutting_mm: float = 0.0
    """Length of all work motion, arcs along the arc."""

    max_feed_mm_s: float = 0.0
    """Greatest F that a G1/G2/G3 moved with; G0 does not count for CNC dialects."""
    max_feed_line: int = 0
    temperatures: dict[str, HeaterUse] = {}
    """By heater: `nozzle`, `bed`, `chamber`."""
    spindle: SpindleUse | None = None
    spindle_rpm_max: float | None = None

    words: dict[str, WordUse] = {}
    """Command words used, e.g. `G1`, `G38.2`, `M104`, `T` (any tool word)."""
    letters: dict[str, int] = {}
    """Parameter letters used, with the first line: `E` is an error for Grbl, `B` for a three-axis mill."""
    extended: dict[str, WordUse] = {}
    """Klipper-style commands, upper case, e.g. `SET_PRESSURE_ADVANCE`; at most 256 names."""
    objects: tuple[str, ...] = ()
    """Names of the objects on the plate, as the slicer marks them; at most 256."""
    hazards: dict[str, Mark] = {}

    longest_line_bytes: int = 0
    longest_line: int = 0
    longest_code_bytes: int = 0
    """Longest line once comments, spaces, line number and checksum are taken away."""
    longest_code_line: int = 0
    longest_spaced_bytes: int = 0
    """The same with one blank where words are apart, as it is sent to Marlin; messages for a display left out."""
    longest_spaced_line: int = 0
    ending: Ending = Ending(newline=True)

    units_line: int = 0
    """First G20/G21; 0: the program trusts the machine's units."""
    distance_line: int = 0
    """First G90/G91; 0: the program trusts the machine's distance mode."""
    first_motion_line: int = 0
    first_home_line: int = 0
    first_work_line: int = 0

    claims: SlicerClaims = SlicerClaims()
    metadata: dict[str, str] = {}
    """`key = value` comments of the head and tail of the file; keys that look like secrets are left out."""
    thumbnails: tuple[Thumbnail, ...] = ()
    container: ContainerFacts | None = None
    """What the program was taken out of; None if it came as plain text. All lines are those of the plain text."""
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "bounds_mm", known_or_nan(self.bounds_mm))
        msgspec.structs.force_setattr(self, "work_bounds_mm", known_or_nan(self.work_bounds_mm))

    @property
    def time_at_line(self) -> memoryview[float] | None:
        """Seconds planned when line i + 1 has ended, indexed from 0, no copy; None unless asked for."""
        return None if self.times_f64 is None else memoryview(self.times_f64).cast("d")

    def frame(self, name: str, length_offset: int | None = None) -> FrameBounds | None:
        """The bounds in one coordinate system, or None if the program never moves in it."""
        return next((f for f in self.frames if f.frame == name and f.length_offset == length_offset), None)
