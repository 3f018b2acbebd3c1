"""`tool_path`: the path of the tool for viewing, as packed float32 vertices with an index by layer, feature and tool.

Reads a program once, in memory that the caller bounds. It must not draw, nor know who looks at it. All straightening
is in the compiled core (`ext/gcode_path.pxd`), with the reason why its deviation is what it says.
"""

from __future__ import annotations

import os
import sys
from array import array

import msgspec

from fleetctl.errors import UsageError
from fleetctl.gcode.analysis import detect, refuse_text, scanner
from fleetctl.gcode.dialects import DIALECTS
from fleetctl.gcode.limits import MotionLimits
from fleetctl.gcode.source import open_source, refuse_other_formats
from fleetctl.gcode.trace import LayerTable

DETAILS: dict[str, tuple[float, int]] = {
    "coarse": (0.5, 100_000),
    "medium": (0.1, 500_000),
    "fine": (0.02, 4_000_000),
}
"""Levels of detail: greatest deviation in mm, and greatest number of vertices (12 bytes each)."""

MAGIC = b"FCTP"
VERSION = 1
LEAST_VERTICES = 1000
MOST_VERTICES = (1 << 24) - 1
LEAST_DEVIATION_MM = 0.001
MOST_DEVIATION_MM = 1000.0


class PathRange(msgspec.Struct, frozen=True):
    """The polylines of one layer, feature and tool: `first` and the `count - 1` after it.

    `layer` counts from 1, 0 is what comes before the first; always 0 for CNC dialects. `feature` is one of
    `trace.FEATURES`; `trace.TRAVEL` are those that are no work.
    """

    layer: int
    feature: str
    tool: int
    first: int
    count: int


class PathIndex(msgspec.Struct, frozen=True, kw_only=True):
    """What `ToolPath.to_bytes` says before the numbers. `layer_z_mm` is None where a height is not known."""

    vertices: int
    polylines: int
    deviation_mm: float
    asked_mm: float
    left_out: int
    dialect: str
    bounds_mm: tuple[tuple[float, float, float], tuple[float, float, float]] | None
    layer_z_mm: tuple[float | None, ...]
    ranges: tuple[PathRange, ...]


class ToolPath(msgspec.Struct, frozen=True, kw_only=True):
    """Polylines in the order of layer, feature and tool; within one of these in the order of the program.

    Coordinates are mm in the coordinate system each axis was moved in, G92 undone, so an axis that was never homed
    counts from where it stood.
    """

    dialect: str
    xyz_f32: bytes
    """Three native float32 for each vertex."""
    starts_u32: bytes
    """Native uint32: the first vertex of each polyline, and one past the last vertex."""
    lines_u32: bytes
    """Native uint32: the line of the program where each polyline begins."""
    ranges: tuple[PathRange, ...]
    layer_z_mm: tuple[float | None, ...]
    """The height of each layer, layer 1 first."""
    asked_mm: float
    """The greatest deviation that was asked for."""
    deviation_mm: float
    """The greatest distance, both ways, between a polyline and the path that it stands for, mm; rounding to float32
    comes on top (0.00003 mm at 500 mm). More than `asked_mm` where the vertices did not suffice, or an arc was cut
    into 1024 chords. An arc that does not end on its circle (hazard `arc_radius`) has no such bound."""
    bounds_mm: tuple[tuple[float, float, float], tuple[float, float, float]] | None
    """Least and greatest x, y, z of all vertices; None if nothing moves."""
    left_out: int
    """Polylines that fitted into the deviation and were dropped because the vertices did not suffice."""

    @property
    def xyz(self) -> memoryview[float]:
        """The vertices, shape (n, 3), no copy; without any, shape (0,)."""
        if not self.xyz_f32:
            return memoryview(b"").cast("f")
        return memoryview(self.xyz_f32).cast("B").cast("f", (len(self.xyz_f32) // 12, 3))

    @property
    def starts(self) -> memoryview[int]:
        """The first vertex of each polyline, and one past the last vertex; no copy."""
        return memoryview(self.starts_u32).cast("I")

    @property
    def lines(self) -> memoryview[int]:
        """The line where each polyline begins; no copy."""
        return memoryview(self.lines_u32).cast("I")

    def index(self) -> PathIndex:
        """What there is, without the numbers."""
        return PathIndex(
            vertices=len(self.xyz_f32) // 12,
            polylines=len(self.lines_u32) // 4,
            deviation_mm=self.deviation_mm,
            asked_mm=self.asked_mm,
            left_out=self.left_out,
            dialect=self.dialect,
            bounds_mm=self.bounds_mm,
            layer_z_mm=self.layer_z_mm,
            ranges=self.ranges,
        )

    def to_bytes(self) -> bytes:
        """For a file or a web page; everything little-endian.

        `FCTP`, uint32 version (1), uint32 n, n bytes of JSON (`PathIndex`, blanks at the end so that what follows
        lies at a multiple of 4); float32 x, y, z of each vertex; uint32 first vertex of each polyline and one past
        the last; uint32 line of each polyline.
        """
        index = msgspec.json.encode(self.index())
        index += b" " * (-len(index) % 4)
        head = MAGIC + VERSION.to_bytes(4, "little") + len(index).to_bytes(4, "little")
        return b"".join(
            (head, index, _little(self.xyz_f32), _little(self.starts_u32), _little(self.lines_u32)),
        )


def _little(numbers: bytes) -> bytes:
    if sys.byteorder == "little":
        return numbers
    swapped = array("I", numbers)
    swapped.byteswap()
    return swapped.tobytes()


def tool_path(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    dialect: str = "auto",
    machine: MotionLimits | None = None,
    detail: str | float = "medium",
    max_vertices: int | None = None,
    plate: int | None = None,
) -> ToolPath:
    """The path of a program for viewing.

    `source`, `dialect` and `plate` are those of `analyze`; `machine` gives the places of home and start. `detail` is
    a name of `DETAILS`, or the greatest deviation in mm, 0.001 to 1000. With more than `max_vertices` (1000 to
    16,777,215; the level's own if left out) the path is made coarser until it fits, and says so.

    Raises UsageError for a level, deviation or number of vertices that is none, and what `analyze` raises.
    """
    deviation, most = _detail(detail, max_vertices)
    if dialect != "auto" and dialect not in DIALECTS:
        raise UsageError(f"There is no dialect {dialect!r}.", hint=f"Known are: auto, {', '.join(DIALECTS)}.")
    with open_source(source, plate=plate) as opened:
        refuse_other_formats(opened.head, opened.size_bytes)
        chosen = DIALECTS[detect(opened) if dialect == "auto" else dialect]
        scan = scanner(chosen, machine, path=(deviation, most))
        for block in opened.blocks():
            scan.feed(block)
        scan.finish()
        refuse_text(scan)
    parts = scan.path()
    assert parts is not None, "the scanner was asked for a path"
    xyz, starts, lines, ranges, reached, dropped, bounds = parts
    return ToolPath(
        dialect=chosen.name,
        xyz_f32=xyz,
        starts_u32=starts,
        lines_u32=lines,
        ranges=tuple(PathRange(*one) for one in ranges),
        layer_z_mm=tuple(layer.z_mm for layer in LayerTable(*scan.layer_rows())),
        asked_mm=deviation,
        deviation_mm=reached,
        left_out=dropped,
        bounds_mm=bounds,
    )


def _detail(detail: str | float, max_vertices: int | None) -> tuple[float, int]:
    """Deviation in mm, and greatest number of vertices."""
    if isinstance(detail, str):
        if detail not in DETAILS:
            raise UsageError(f"There is no detail {detail!r}.", hint=f"Known are: {', '.join(DETAILS)}.")
        deviation, most = DETAILS[detail]
    else:
        deviation, most = float(detail), DETAILS["fine"][1]
    if not LEAST_DEVIATION_MM <= deviation <= MOST_DEVIATION_MM:
        raise UsageError(
            f"The deviation must be from {LEAST_DEVIATION_MM} to {MOST_DEVIATION_MM:.0f} mm, not {deviation}.",
        )
    if max_vertices is not None:
        most = max_vertices
    if not LEAST_VERTICES <= most <= MOST_VERTICES:
        raise UsageError(f"The vertices must be from {LEAST_VERTICES} to {MOST_VERTICES}, not {most}.")
    return deviation, most
