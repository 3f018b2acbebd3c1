"""What a slow reading makes of a program line by line: positions, and polylines for viewing.

Over `reference`; every move is taken as it is planned there. Arcs are sampled finely from their own geometry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from unittest.mock import patch

from fleetctl.gcode import Dialect, MotionLimits

from . import reference

Point = tuple[float, float, float]
SAMPLES_PER_TURN = 720


@dataclass
class Polyline:
    layer: int
    feature: str
    tool: int
    line: int
    points: list[Point] = field(default_factory=list)
    closes: bool = True
    """Every arc of it ends on its circle."""


@dataclass
class Trail:
    """The polylines in the order of the program, and where each line leaves the axes."""

    polylines: list[Polyline] = field(default_factory=list)
    places: list[tuple[float, ...]] = field(default_factory=list)
    feature: str = "unknown"


def follow(data: bytes, dialect: Dialect, limits: MotionLimits) -> Trail:
    """Read a whole program."""
    trail = Trail()
    r = reference.Reading(dialect, limits)
    plan_one = reference.plan_one

    def spy(
        r: reference.Reading, delta: list[float], pushed: float, arc: reference.Curve | None, rapid: bool
    ) -> None:
        move(trail, r, delta, pushed, arc, rapid)
        plan_one(r, delta, pushed, arc, rapid)

    with patch.object(reference, "plan_one", spy):
        for text in reference.re.split(r"\r\n|\n|\r", data.decode("latin-1")):
            r.line += 1
            if text.startswith(";TYPE:Perimeter"):
                trail.feature = "inner_wall"
            words = reference.split(text, dialect)
            executed = any(letter != "N" for letter, _ in words)
            if executed:
                reference.execute(r, words)
            if executed or not trail.places:
                here = tuple(
                    math.nan if frame == "start" else float(p) for p, frame in zip(r.pos, r.frame, strict=True)
                )
                trail.places.append(here if executed else (math.nan,) * 3)
            else:
                trail.places.append(trail.places[-1])
    return trail


def kind(trail: Trail, r: reference.Reading, delta: list[float], pushed: float, curved: bool, rapid: bool) -> str:
    if not r.dialect.cnc:
        return trail.feature if pushed > 0 else "travel"
    if rapid:
        return "rapid"
    return "plunge" if not curved and delta[2] < 0 and delta[0] == delta[1] == 0.0 else "cut"


def move(
    trail: Trail,
    r: reference.Reading,
    delta: list[float],
    pushed: float,
    arc: reference.Curve | None,
    rapid: bool,
) -> None:
    """One motion that ends at `r.pos` and went `delta`."""
    if not any(delta) and arc is None:
        return
    end = [float(p) for p in r.pos]
    start = [e - d for e, d in zip(end, delta, strict=True)]
    key = (0 if r.dialect.cnc else r.layers, kind(trail, r, delta, pushed, arc is not None, rapid), r.tool)
    last = trail.polylines[-1] if trail.polylines else None
    if last is None or (last.layer, last.feature, last.tool) != key or math.dist(last.points[-1], start) > 1e-6:
        last = Polyline(*key, line=r.line, points=[(start[0], start[1], start[2])])
        trail.polylines.append(last)
    if arc is not None:
        around(last, arc, start, end)
    last.points.append((end[0], end[1], end[2]))


def around(polyline: Polyline, arc: reference.Curve, start: list[float], end: list[float]) -> None:
    """Points on an arc, its ends left out."""
    centre = [start[arc.p] - arc.radius * math.cos(arc.start), start[arc.q] - arc.radius * math.sin(arc.start)]
    third = 3 - arc.p - arc.q
    count = max(2, math.ceil(abs(arc.sweep) / (2 * math.pi) * SAMPLES_PER_TURN))
    for i in range(1, count):
        angle = arc.start + arc.sweep * i / count
        point = [0.0, 0.0, 0.0]
        point[arc.p] = centre[0] + arc.radius * math.cos(angle)
        point[arc.q] = centre[1] + arc.radius * math.sin(angle)
        point[third] = start[third] + (end[third] - start[third]) * i / count
        polyline.points.append((point[0], point[1], point[2]))
    last = math.hypot(end[arc.p] - centre[0], end[arc.q] - centre[1])
    polyline.closes &= abs(last - arc.radius) < 1e-3


def distance(point: Point, a: Point, b: Point) -> float:
    """From a point to a segment."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    px, py, pz = point[0] - a[0], point[1] - a[1], point[2] - a[2]
    length2 = ux * ux + uy * uy + uz * uz
    t = min(1.0, max(0.0, (ux * px + uy * py + uz * pz) / length2)) if length2 else 0.0
    return math.hypot(px - t * ux, py - t * uy, pz - t * uz)


def strays(points: list[Point], line: list[Point], tolerance: float) -> Point | None:
    """The first point that is farther than the tolerance from the polyline, taken in its order; None if all are near.

    Each point may be near to the segment of the one before, or to a later one, never to an earlier.
    """
    at = 0
    for point in points:
        while distance(point, line[at], line[at + 1]) > tolerance:
            at += 1
            if at == len(line) - 1:
                return point
    return None


def denser(line: list[Point], parts: int) -> list[Point]:
    """The same polyline with points in between."""
    out = [line[0]]
    for a, b in pairwise(line):
        for i in range(1, parts + 1):
            x, y, z = (p + (q - p) * i / parts for p, q in zip(a, b, strict=True))
            out.append((x, y, z))
    return out
