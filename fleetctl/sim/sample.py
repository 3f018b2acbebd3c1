"""The programs of the demo's sample order: small, real-looking G-code for a printer and for a mill.

They fit the profiles `generic-220` and `generic-mill-3018`. Pure text, the same bytes each time, so
that a second start of the demo finds its programs by hash. It must not know the fleet, nor the core that reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

FILAMENT_MM = 1.75
LINE_WIDTH_MM = 0.45
LAYER_MM = 0.3
PRINT_MM_S = 55.0
TRAVEL_MM_S = 150.0
NOZZLE_DEGC = 205
BED_DEGC = 60

MILL_OFFSET_MM = (-250.0, -150.0, -20.0)
"""G54 of the demo's mills in machine coordinates: the stock's near left corner, on its top."""

STEP_OVER_MM = 1.5
CUT_MM_MIN = 700
PLUNGE_MM_MIN = 150
SPINDLE_RPM = 8000
SAFE_MM = 5.0


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle on the bed, mm."""

    left: float
    front: float
    width: float
    depth: float

    def inset(self, by_mm: float) -> Rectangle:
        """The same, smaller by `by_mm` on every side."""
        return Rectangle(self.left + by_mm, self.front + by_mm, self.width - 2 * by_mm, self.depth - 2 * by_mm)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Five points: round the outline and back to the first."""
        right, back = self.left + self.width, self.front + self.depth
        first = (self.left, self.front)
        return (first, (right, self.front), (right, back), (self.left, back), first)


def bracket(layers: int = 16) -> bytes:
    """One angle bracket, 46 x 24 mm, for a Marlin printer: about 500 lines and 8 minutes at life speed."""
    body = (Rectangle(87.0, 98.0, 46.0, 24.0),)
    return _print("bracket", body, layers)


def clip_plate(clips: int = 4, layers: int = 8) -> bytes:
    """A plate of cable clips, 16 x 12 mm each, up to nine on a plate (a run's yield)."""
    if not 1 <= clips <= 9:
        raise ValueError("A plate holds 1 to 9 clips")
    spots = ((70.0 + 30.0 * (number % 3), 70.0 + 30.0 * (number // 3)) for number in range(clips))
    bodies = tuple(Rectangle(left, front, 16.0, 12.0) for left, front in spots)
    return _print(f"clips x{clips}", bodies, layers)


def milled_plate(depth_mm: float = 3.0) -> bytes:
    """One 60 x 40 mm plate with a pocket and four bores, for a Grbl mill; G54, Z0 on top of the stock."""
    lines = [
        "(fleetctl sample: plate 60 x 40, pocket 36 x 18, four bores)",
        "(tool: 3 mm end mill; stock 70 x 50 x 6)",
        "G21 G90 G17 G94",
        "G54",
        f"G0 Z{SAFE_MM:.3f}",
        f"S{SPINDLE_RPM} M3",
        "G4 P3",
        *_pocket(Rectangle(12.0, 11.0, 36.0, 18.0), depth_mm),
        *(line for x, y in ((6, 6), (54, 6), (54, 34), (6, 34)) for line in _bore(x, y, depth_mm)),
        *_outline(Rectangle(-1.5, -1.5, 63.0, 43.0), depth_mm),
        f"G0 Z{SAFE_MM:.3f}",
        "M5",
        "G53 G0 Z-1",
        "G0 X0 Y0",
        "M30",
    ]
    return _text(lines)


def _print(name: str, bodies: tuple[Rectangle, ...], layers: int) -> bytes:
    lines = [
        f"; fleetctl sample: {name}",
        "; FLAVOR:Marlin",
        "; nozzle_diameter = 0.4",
        f"; layer_height = {LAYER_MM}",
        "; filament_type = PLA",
        f"; filament_diameter = {FILAMENT_MM}",
        f";LAYER_COUNT:{layers}",
        *_warm_up(),
    ]
    extruded = _Extruder()
    for layer in range(layers):
        height = LAYER_MM * (layer + 1)
        lines += [f";LAYER:{layer}", f"G1 Z{height:.2f} F600"]
        if layer == 1:
            lines.append("M106 S255")
        for number, body in enumerate(bodies):
            lines.append(f"; part {number + 1}")
            lines += _walls(body, extruded)
            lines += _filling(body, layer, extruded)
    lines += _wind_down(LAYER_MM * layers)
    return _text(lines)


def _warm_up() -> list[str]:
    return [
        f"M140 S{BED_DEGC}",
        f"M104 S{NOZZLE_DEGC}",
        "G21",
        "G90",
        "M82",
        "G28",
        f"M190 S{BED_DEGC}",
        f"M109 S{NOZZLE_DEGC}",
        "G92 E0",
        "G1 X10 Y10 Z0.3 F6000",
        "G1 X90 Y10 E8 F1500 ; prime line",
        "G92 E0",
    ]


def _wind_down(top_mm: float) -> list[str]:
    return [
        "; end",
        "M107",
        f"G1 Z{top_mm + 10:.2f} F600",
        "G1 X0 Y200 F6000",
        "M104 S0",
        "M140 S0",
        "M84",
    ]


class _Extruder:
    """How much filament has been pushed out so far; E is absolute."""

    def __init__(self) -> None:
        self._total_mm = 0.0

    def to(self, start: tuple[float, float], end: tuple[float, float]) -> str:
        """An extruding move."""
        volume_mm3 = math.dist(start, end) * LINE_WIDTH_MM * LAYER_MM
        self._total_mm += volume_mm3 / (math.pi * (FILAMENT_MM / 2) ** 2)
        return f"G1 X{end[0]:.3f} Y{end[1]:.3f} E{self._total_mm:.5f} F{PRINT_MM_S * 60:.0f}"


def _travel(to: tuple[float, float]) -> str:
    return f"G0 X{to[0]:.3f} Y{to[1]:.3f} F{TRAVEL_MM_S * 60:.0f}"


def _walls(body: Rectangle, extruded: _Extruder) -> Iterator[str]:
    yield ";TYPE:WALL-OUTER"
    for wall in range(2):
        corners = body.inset(LINE_WIDTH_MM * (wall + 0.5)).corners
        yield _travel(corners[0])
        for start, end in pairwise(corners):
            yield extruded.to(start, end)


def _filling(body: Rectangle, layer: int, extruded: _Extruder) -> Iterator[str]:
    """Parallel lines, along X on even layers and along Y on odd ones."""
    yield ";TYPE:FILL"
    inner = body.inset(LINE_WIDTH_MM * 2.5)
    along_x = layer % 2 == 0
    pitch = LINE_WIDTH_MM * 2.2
    count = int((inner.depth if along_x else inner.width) / pitch)
    here: tuple[float, float] | None = None
    for number in range(count):
        across = pitch * number
        if along_x:
            ends = [(inner.left, inner.front + across), (inner.left + inner.width, inner.front + across)]
        else:
            ends = [(inner.left + across, inner.front), (inner.left + across, inner.front + inner.depth)]
        if number % 2:
            ends.reverse()
        yield _travel(ends[0]) if here is None else extruded.to(here, ends[0])
        yield extruded.to(ends[0], ends[1])
        here = ends[1]


def _levels(depth_mm: float, step_mm: float) -> list[float]:
    """Heights of the passes, mm, each below zero."""
    passes = max(1, math.ceil(depth_mm / step_mm))
    return [-depth_mm * (number + 1) / passes for number in range(passes)]


def _pocket(area: Rectangle, depth_mm: float) -> Iterator[str]:
    yield "(pocket)"
    yield f"G0 X{area.left:.3f} Y{area.front:.3f}"
    rows = int(area.depth / STEP_OVER_MM)
    for level in _levels(depth_mm, 0.5):
        yield f"G1 Z{level:.3f} F{PLUNGE_MM_MIN}"
        for row in range(rows + 1):
            y = area.front + row * STEP_OVER_MM
            near, far = area.left, area.left + area.width
            if row % 2:
                near, far = far, near
            yield f"G1 X{near:.3f} Y{y:.3f} F{CUT_MM_MIN}"
            yield f"G1 X{far:.3f}"
        yield f"G0 Z{SAFE_MM:.3f}"
        yield f"G0 X{area.left:.3f} Y{area.front:.3f}"


def _bore(x: float, y: float, depth_mm: float) -> Iterator[str]:
    """A helix of full turns, 2 mm across the tool's centre line, then one flat turn."""
    yield f"(bore at {x} {y})"
    yield f"G0 X{x + 1:.3f} Y{y:.3f}"
    yield f"G1 Z0 F{PLUNGE_MM_MIN}"
    for level in _levels(depth_mm, 0.5):
        yield f"G2 X{x + 1:.3f} Y{y:.3f} Z{level:.3f} I-1 J0 F{PLUNGE_MM_MIN * 2}"
    yield f"G2 X{x + 1:.3f} Y{y:.3f} I-1 J0"
    yield f"G0 Z{SAFE_MM:.3f}"


def _outline(area: Rectangle, depth_mm: float, radius_mm: float = 4.0) -> Iterator[str]:
    """Round the part with rounded corners, climbing direction, deeper each time."""
    yield "(outline)"
    left, front = area.left, area.front
    right, back = left + area.width, front + area.depth
    r = radius_mm
    yield f"G0 X{left + r:.3f} Y{front:.3f}"
    for level in _levels(depth_mm, 1.0):
        yield f"G1 Z{level:.3f} F{PLUNGE_MM_MIN}"
        yield f"G1 X{right - r:.3f} Y{front:.3f} F{CUT_MM_MIN}"
        yield f"G3 X{right:.3f} Y{front + r:.3f} I0 J{r:.3f}"
        yield f"G1 X{right:.3f} Y{back - r:.3f}"
        yield f"G3 X{right - r:.3f} Y{back:.3f} I{-r:.3f} J0"
        yield f"G1 X{left + r:.3f} Y{back:.3f}"
        yield f"G3 X{left:.3f} Y{back - r:.3f} I0 J{-r:.3f}"
        yield f"G1 X{left:.3f} Y{front + r:.3f}"
        yield f"G3 X{left + r:.3f} Y{front:.3f} I{r:.3f} J0"


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")
