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
from fleetctl.gcode.rapids import RapidBounds
from fleetctl.gcode.trace import FeatureUse, History, LayerTable, ObjectUse

if TYPE_CHECKING:
    Coordinate = float
else:
    Coordinate = float | None

Point = tuple[Coordinate, Coordinate, Coordinate]
Bounds = tuple[Point, Point]
"""((x, y, z), (x, y, z)): least and greatest, mm. NaN on an axis that was never commanded."""

Severity = Literal["error", "warning", "info"]
Process = Literal["additive", "subtractive", "laser", "unknown"]

TIME_PARTS: tuple[Literal["motion_s", "dwell_s", "heating_s", "homing_s", "tool_change_s"], ...] = (
    "motion_s",
    "dwell_s",
    "heating_s",
    "homing_s",
    "tool_change_s",
)
"""The fields of `Analysis` whose sum is `duration_s`."""

FACTS_VERSION = 4
"""Count up when the reader states other facts of the same file: stored programs are then read again."""

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
    """Least and greatest coordinate of one axis, mm, each with the line that set it first, and its column there."""

    low_mm: float
    low_line: int
    high_mm: float
    high_line: int
    low_column: int = 0
    high_column: int = 0


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
    """One command word: where it is used first, and how often."""

    first_line: int
    count: int
    first_column: int = 0


class ToolUse(msgspec.Struct, frozen=True):
    """One tool: the line that selects it first (0: it was in at the start), and what went through it.

    `filament_mm` is the length pushed out, retractions not counted twice; 0 for a cutting tool. `filament_g`
    is None where diameter or density are not known, `filament_mm3` where the diameter is not. `material` is the
    slicer's word, e.g. `PETG`.
    """

    number: int
    first_line: int
    filament_mm: float = 0.0
    filament_g: float | None = None
    material: str = ""
    filament_mm3: float | None = None


class HeaterUse(msgspec.Struct, frozen=True):
    """What the program asks of one heater, degC. `end_degc` > 0 means it is left on after the last line.

    `max_column` is where the S of `max_line` stands (1: it has none).
    """

    first_line: int
    max_degc: float
    max_line: int
    end_degc: float
    end_line: int
    max_column: int = 0


class SpindleUse(msgspec.Struct, frozen=True):
    """What the program asks of spindle or laser. S in rpm (or laser power, in units of the controller's $30).

    `on_line` is the first M3/M4, `end_on` whether it still turns after the last line, `end_line` the last
    M3/M4/M5. `dynamic_power_line` is the first M4 (laser power that follows speed), 0 if never;
    `constant_power_line` the first M3. `power_on_rapid_line` is the first G0 in X or Y while it is on with S above 0:
    a laser burns there unless the controller is in laser mode. `max_column` is where the greatest S stands.
    """

    on_line: int
    max_s: float
    max_line: int
    end_on: bool
    end_line: int
    dynamic_power_line: int = 0
    constant_power_line: int = 0
    power_on_rapid_line: int = 0
    max_column: int = 0


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
    lines: dict[str, int] = {}
    """Where it says so: the lines of `filament_type`, `nozzle_diameter` and `filament_diameter`."""


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `analyze` found. Keys of `hazards` are listed, with a phrase each, in `hazards.HAZARDS`."""

    sha256: str
    """Of the bytes as they came, lower-case hexadecimal."""
    size_bytes: int
    """Of the whole file."""
    lines: int
    """Line ends are LF, CR or CR LF."""
    commands: int
    """Lines that hold at least one word that is not a comment."""

    dialect: str
    """A name of `dialects.DIALECTS`: given, or detected."""
    dialect_detected: bool
    """False if the dialect was given."""
    process: Process
    """How the program makes things, as far as its words tell."""
    slicer: str = ""
    """Name and version of slicer or CAM as the file gives it, e.g. `PrusaSlicer 2.5.0`; empty if unknown."""

    bounds_mm: Bounds = UNKNOWN_BOUNDS
    """All motion, over every coordinate system but G53 of a program that also uses others."""
    work_bounds_mm: Bounds = UNKNOWN_BOUNDS
    """Extruding (additive) or G1/G2/G3 (subtractive, laser) motion, both ends of each move."""
    frames: tuple[FrameBounds, ...] = ()
    """The same per coordinate system, each extreme with its line. Only systems that were moved in."""
    rapids: tuple[RapidBounds, ...] = ()
    """How low the rapids of a CNC program go, per coordinate system."""

    duration_s: float = 0.0
    """Planned time: the sum of the next five. Heating, homing and tool changes take 0 s where the machine's own
    figures (`MotionLimits.heat`, `.homing`, `.tool_change_s`) were not given."""
    motion_s: float = 0.0
    """Of all moves, with acceleration and look-ahead."""
    dwell_s: float = 0.0
    """Of G4."""
    heating_s: float = 0.0
    """Waiting for heaters; what they rise while the machine moves is already taken off."""
    homing_s: float = 0.0
    """Of G28, where the machine gives its homing speeds."""
    tool_change_s: float = 0.0
    """Of M6 and T, where the machine gives the seconds of one."""
    limits_from: Literal["machine", "file", "default"] = "default"
    """Whose speeds and accelerations the time was planned with."""
    times_f64: bytes | None = None
    """Native float64 seconds, one per line, only on request; read it through `time_at_line`."""
    positions_f32: bytes | None = None
    """Native float32 x, y, z in mm, three per line, only on request; read it through `position_at_line`."""

    layers: int = 0
    """Of printers; beyond 20,000 they are counted and not kept."""
    layers_from: Literal["comments", "z", ""] = ""
    """What they were counted by: the slicer's comments, or the heights worked at."""
    layer_table: LayerTable = LayerTable()
    """Where each layer begins, its height, planned time and filament; at most 20,000. Empty for CNC dialects."""
    max_z_work_mm: float | None = None
    """Greatest height worked at; None if it is not known."""
    filament_mm: dict[int, float] = {}
    """Length pushed out by tool, retractions not counted twice."""
    filament_g: dict[int, float] = {}
    """Mass by tool, where the slicer tells diameter and density."""
    filament_mm3: dict[int, float] = {}
    """Volume by tool, where the slicer tells the diameter."""
    features: dict[str, FeatureUse] = {}
    """Planned time and filament by what moves are for: the keys are in `trace.FEATURES`. The times add up to
    `duration_s`."""
    histories: tuple[History, ...] = ()
    """How feed, temperatures, spindle, fan and flow change over the program; only on request."""
    tools: tuple[ToolUse, ...] = ()
    """Every tool that is selected or pushes filament, by number."""
    cutting_mm: float = 0.0
    """Length of all work motion, arcs along the arc."""

    max_feed_mm_s: float = 0.0
    """Greatest F that a G1/G2/G3 moved with; G0 does not count for CNC dialects."""
    max_feed_line: int = 0
    """Where that is first."""
    max_z_feed_mm_s: float = 0.0
    """Greatest F of a G1 (a printer's G0 too) that moved Z alone."""
    max_z_feed_line: int = 0
    """Where that is first."""
    temperatures: dict[str, HeaterUse] = {}
    """By heater: `nozzle`, `bed`, `chamber`."""
    spindle: SpindleUse | None = None
    """None if nothing switches it on."""
    spindle_rpm_max: float | None = None
    """Greatest S while it turns, in rpm (lasers: power); None without a spindle."""

    words: dict[str, WordUse] = {}
    """Command words used, e.g. `G1`, `G38.2`, `M104`, `T` (any tool word)."""
    letters: dict[str, int] = {}
    """Parameter letters used, with the first line: `E` is an error for Grbl, `B` for a three-axis mill."""
    letter_columns: dict[str, int] = {}
    """The columns of `letters` in their first lines."""
    extended: dict[str, WordUse] = {}
    """Klipper-style commands, upper case, e.g. `SET_PRESSURE_ADVANCE`; at most 256 names."""
    objects: tuple[str, ...] = ()
    """Names of the objects on the plate, as the slicer marks them (its number where it has no name); at most 256."""
    object_parts: tuple[ObjectUse, ...] = ()
    """The same objects in the same order: lines, bounds, filament, centre and outline."""
    objects_past: int = 0
    """Marks of objects for which there was no room among the 256."""
    hazards: dict[str, Mark] = {}
    """What was seen that may matter, first place and count, by the keys of `hazards.HAZARDS`."""

    longest_line_bytes: int = 0
    """Longest line as it stands in the file, without its line end."""
    longest_line: int = 0
    """Where that is first."""
    longest_code_bytes: int = 0
    """Longest line once comments, spaces, line number and checksum are taken away."""
    longest_code_line: int = 0
    """Where that is first."""
    longest_spaced_bytes: int = 0
    """The same with one blank where words are apart, as it is sent to Marlin; messages for a display left out."""
    longest_spaced_line: int = 0
    """Where that is first."""
    ending: Ending = Ending(newline=True)
    """How the file ends."""

    units_line: int = 0
    """First G20/G21; 0: the program trusts the machine's units."""
    distance_line: int = 0
    """First G90/G91; 0: the program trusts the machine's distance mode."""
    first_motion_line: int = 0
    """First move, homing included; 0: none."""
    first_home_line: int = 0
    """First G28; 0: none."""
    first_work_line: int = 0
    """First move that extrudes or cuts; 0: none."""

    claims: SlicerClaims = SlicerClaims()
    """What the slicer says of its own program."""
    metadata: dict[str, str] = {}
    """`key = value` comments of the head and tail of the file; keys that look like secrets are left out."""
    thumbnails: tuple[Thumbnail, ...] = ()
    """Pictures in the head of the file."""
    facts_version: int = 0
    """Which version of the reader stated this (`FACTS_VERSION`); 0: one before they were counted."""
    container: ContainerFacts | None = None
    """What the program was taken out of; None if it came as plain text. All lines are those of the plain text."""
    findings: tuple[Finding, ...] = ()
    """What a person should know of the reading, in the order of the file."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "bounds_mm", known_or_nan(self.bounds_mm))
        msgspec.structs.force_setattr(self, "work_bounds_mm", known_or_nan(self.work_bounds_mm))

    @property
    def time_at_line(self) -> memoryview[float] | None:
        """Seconds planned when line i + 1 has ended, indexed from 0, no copy; None unless asked for."""
        return None if self.times_f64 is None else memoryview(self.times_f64).cast("d")

    @property
    def position_at_line(self) -> memoryview[float] | None:
        """Where line i + 1 ends, mm; no copy; None unless asked for. Shape (lines, 3): `[i, 0]` is x, `[i, 1]` y.

        G92 and G52 are undone: each axis is in the coordinate system it was last moved in (see `FrameBounds`). NaN
        on an axis whose place is not known. A line that does not move has the place of the line before; one that is
        executed several times the last. float32 resolves 0.00003 mm at 500 mm.
        """
        if self.positions_f32 is None:
            return None
        return memoryview(self.positions_f32).cast("B").cast("f", (self.lines, 3))

    def frame(self, name: str, length_offset: int | None = None) -> FrameBounds | None:
        """The bounds in one coordinate system, or None if the program never moves in it."""
        return next((f for f in self.frames if f.frame == name and f.length_offset == length_offset), None)
