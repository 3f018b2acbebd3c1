"""The tool path for viewing: it is the program's path within the stated deviation, in the stated memory."""

from __future__ import annotations

import math
import random
import struct
from contextlib import suppress
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import NotGcode, UsageError
from fleetctl.gcode import DEFAULT_LIMITS, DETAILS, DIALECTS, FEATURES, ToolPath, tool_path
from fleetctl.gcode.toolpath import PathIndex

from .reference_path import Polyline, denser, follow, strays
from .strategies import cnc_line, printer_line, programs

LIMITS = DEFAULT_LIMITS["additive"]
Points = list[tuple[float, float, float]]


def polylines(path: ToolPath) -> list[tuple[tuple[int, str, int], int, Points]]:
    """((layer, feature, tool), line, vertices) of each."""
    xyz, out = path.xyz.tolist(), []
    for one in path.ranges:
        for i in range(one.first, one.first + one.count):
            points = [tuple(point) for point in xyz[path.starts[i] : path.starts[i + 1]]]
            out.append(((one.layer, one.feature, one.tool), path.lines[i], points))
    return out


def rounding(line: Points) -> float:
    """What float32 may move a vertex by."""
    return 1e-6 + 2e-7 * max(abs(v) for point in line for v in point)


def same_path(data: bytes, dialect: str, detail: float) -> None:
    path = tool_path(data, dialect=dialect, machine=LIMITS, detail=detail)
    assert path.asked_mm == detail and path.left_out == 0
    trail = follow(data, DIALECTS[dialect], LIMITS)
    order = {name: n for n, name in enumerate(FEATURES)}
    wanted = sorted(trail.polylines, key=lambda p: (p.layer, order[p.feature], p.tool))
    found = polylines(path)
    assert [(key, line) for key, line, _ in found] == [((p.layer, p.feature, p.tool), p.line) for p in wanted]
    for (_, _, points), polyline in zip(found, wanted, strict=True):
        near(points, polyline, path.deviation_mm)


def near(points: Points, polyline: Polyline, deviation: float) -> None:
    """Both ways: no point of one is farther from the other than the deviation."""
    slack = rounding(polyline.points)
    assert math.dist(points[0], polyline.points[0]) <= 2 * slack
    assert math.dist(points[-1], polyline.points[-1]) <= 2 * slack
    if not polyline.closes:
        return
    # The reference's own arcs are chords: 720 to the turn.
    sag = 0.0
    if len(polyline.points) > 50:
        sag = max(math.dist(a, b) for a, b in pairwise(polyline.points)) * 0.0011
    assert strays(polyline.points, points, deviation + slack + sag) is None
    assert strays(denser(points, 3), polyline.points, deviation + slack + sag) is None


@settings(max_examples=80, deadline=None)
@given(programs(printer_line()), st.sampled_from(["marlin", "klipper"]), st.sampled_from([0.01, 1.0, 50.0]))
def test_printer_programs(data: bytes, dialect: str, detail: float) -> None:
    with suppress(NotGcode):
        same_path(data, dialect, detail)


@settings(max_examples=80, deadline=None)
@given(programs(cnc_line()), st.sampled_from([0.1, 20.0]))
def test_cnc_programs(data: bytes, detail: float) -> None:
    with suppress(NotGcode):
        same_path(data, "grbl", detail)


@st.composite
def wandering(draw: st.DrawFn) -> bytes:
    """Many small moves that turn slowly, so that much can be left out; now and then an arc, a turn back, a lift."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    bend, step = draw(st.sampled_from([0.0, 0.02, 0.3, 3.0])), draw(st.sampled_from([0.01, 0.2, 2.0]))
    lines, angle, x, y, z = ["G28", "M83", "M104 S200"], 0.0, 50.0, 50.0, 0.2
    for _ in range(draw(st.integers(2, 250))):
        kind = rng.randrange(60)
        if kind == 0:
            angle += math.pi
        elif kind == 1:
            z += 0.2
        elif kind == 2:
            lines.append(f"G{rng.choice((2, 3))} X{x:.4f} Y{y:.4f} I{rng.uniform(-5, 5):.4f} J1 E.1")
        elif kind == 3:
            lines.append(rng.choice([";TYPE:Perimeter", "G1 E-1", "G1 X50 Y50 F6000", ";TYPE:Perimeter"]))
        angle += rng.uniform(-bend, bend)
        x, y = x + step * math.cos(angle), y + step * math.sin(angle)
        lines.append(f"G1 X{x:.4f} Y{y:.4f} Z{z:.3f} E.05")
    return "\n".join(lines).encode()


@settings(max_examples=50, deadline=None)
@given(wandering(), st.sampled_from([0.005, 0.05, 0.4, 5.0]))
def test_paths_that_can_be_straightened(data: bytes, detail: float) -> None:
    same_path(data, "marlin", detail)


def circle(vertices: int, radius: float = 40.0) -> bytes:
    points = (
        (100 + radius * math.cos(a), 100 + radius * math.sin(a))
        for a in (2 * math.pi * i / 3000 for i in range(vertices))
    )
    return b"G28\nM83\nM104 S200\nG0 X140 Y100\n" + b"".join(b"G1 X%.4f Y%.4f E.1\n" % point for point in points)


def test_what_can_be_left_out_is() -> None:
    coarse, fine = (tool_path(circle(3000), dialect="marlin", detail=d) for d in (0.5, 0.01))
    # A circle needs pi / acos(1 - d / r) chords for a sagitta of d; an open window of 32 takes at most 32 at once.
    assert 3000 / 32 < len(coarse.lines) + coarse.index().vertices < 3000 / 32 * 1.6
    assert coarse.index().vertices <= fine.index().vertices < 600
    straight = b"G28\nM83\nM104 S200\n" + b"".join(b"G1 X%d E1\n" % x for x in range(1, 33))
    assert tool_path(straight, dialect="marlin").xyz.tolist() == [[0, 0, 0], [32, 0, 0]]


@pytest.mark.parametrize("chord", [0.5, 0.01])
def test_arcs_are_cut_into_as_few_chords_as_the_deviation_allows(chord: float) -> None:
    path = tool_path(b"G21 G90 F100\nG0 X0 Y0 Z0\nG2 X0 Y0 I50 J0\n", dialect="grbl", detail=chord)
    (points,) = (points for (_, feature, _), _, points in polylines(path) if feature == "cut")
    enough = math.pi / math.acos(1 - chord / 50)
    assert enough <= len(points) - 1 <= 3 * enough
    radii = [math.hypot(p[0] - 50, p[1]) for p in denser(points, 8)]
    assert min(radii) >= 50 - chord - 1e-4 and max(radii) <= 50 + 1e-4


def test_an_arc_that_would_need_too_many_chords_says_so() -> None:
    path = tool_path(b"G21 G90 F100\nG0 X0 Y0 Z0\nG2 X0 Y0 I50000 J0\n", dialect="grbl", detail=0.01)
    (points,) = (points for (_, feature, _), _, points in polylines(path) if feature == "cut")
    assert len(points) <= 1025
    worst = max(abs(math.hypot(p[0] - 50000, p[1]) - 50000) for p in denser(points, 8))
    assert 0.1 < worst <= path.deviation_mm + 0.01 < 1.0


@pytest.mark.parametrize("most", [1000, 3000, 9000])
def test_memory_is_bounded_and_what_that_costs_is_told(most: int) -> None:
    rng = random.Random(3)
    lines, x, y = ["G28", "M83", "M104 S200"], 100.0, 100.0
    for i in range(12_000):
        x, y = x + rng.uniform(-1, 1), y + rng.uniform(-1, 1)
        if i % 40 == 0:
            lines.append(f"G0 X{x:.3f} Y{y:.3f}")
        elif i % 1000 == 1:
            lines.append(f"G1 Z{i / 1000 + 0.2:.3f}")
        else:
            lines.append(f"G1 X{x:.3f} Y{y:.3f} E.1")
    data = "\n".join(lines).encode()
    path = tool_path(data, dialect="marlin", machine=LIMITS, detail=0.001, max_vertices=most)
    assert 100 < path.index().vertices <= most
    assert len(path.lines) <= most / 2
    assert path.deviation_mm > path.asked_mm
    originals = {(p.line, p.feature): p for p in follow(data, DIALECTS["marlin"], LIMITS).polylines}
    found = polylines(path)
    assert path.left_out == len(originals) - len(found)
    for (_, feature, _), line, points in found[:: max(1, len(found) // 60)]:
        near(points, originals[line, feature], path.deviation_mm)
    kept = {(line, feature) for (_, feature, _), line, _ in found}
    for key, polyline in originals.items():
        if key not in kept:
            assert all(math.dist(point, polyline.points[0]) <= path.deviation_mm + 1e-3 for point in polyline.points)


def test_layers_features_and_tools() -> None:
    body = b";LAYER_CHANGE\n;Z:.2\nG0 X5 Y5 Z.2\n;TYPE:Perimeter\nG1 X9 E1\n;TYPE:Infill\nG1 Y9 E1\nT1\nG1 X5 E1\n"
    body += b";LAYER_CHANGE\n;TYPE:Perimeter\nG1 Y5 E1\nG1 Y4 Z.4\n"
    path = tool_path(b"G28\nM83\nM104 S200\nG1 X1 F600\n" + body, dialect="marlin")
    assert [(key, line) for key, line, _ in polylines(path)] == [
        ((0, "travel", 0), 4), ((1, "inner_wall", 0), 9), ((1, "infill", 0), 11), ((1, "infill", 1), 13),
        ((1, "travel", 0), 7), ((2, "inner_wall", 1), 16), ((2, "travel", 1), 17),
    ]  # fmt: skip
    assert path.layer_z_mm == (0.2, 0.2)
    assert path.bounds_mm == ((0, 0, 0), (9, 9, pytest.approx(0.4)))


def test_as_bytes_for_a_page() -> None:
    path = tool_path(circle(500), dialect="marlin", detail="fine")
    data = path.to_bytes()
    magic, version, size = struct.unpack_from("<4sII", data)
    assert (magic, version, size % 4) == (b"FCTP", 1, 0)
    index = msgspec.json.decode(data[12 : 12 + size], type=PathIndex)
    assert index == path.index() and index.ranges and index.vertices == path.xyz.shape[0]
    at = 12 + size
    assert list(struct.unpack_from(f"<{3 * index.vertices}f", data, at)) == [v for p in path.xyz.tolist() for v in p]
    at += 12 * index.vertices
    assert list(struct.unpack_from(f"<{index.polylines + 1}I", data, at)) == list(path.starts)
    at += 4 * index.polylines + 4
    assert list(struct.unpack_from(f"<{index.polylines}I", data, at)) == list(path.lines)
    assert len(data) == at + 4 * index.polylines
    assert path.starts[index.polylines] == index.vertices


def test_a_program_that_moves_nothing() -> None:
    path = tool_path(b"M104 S0\nM140 S0\n", dialect="marlin")
    assert (path.index().vertices, path.ranges, path.bounds_mm, list(path.starts)) == (0, (), None, [0])


@pytest.mark.parametrize(
    "asked",
    [{"detail": "finest"}, {"detail": 0.0}, {"detail": math.nan}, {"detail": 1e9}, {"dialect": "basic"},
     {"max_vertices": 10}, {"max_vertices": 1 << 24}],
)  # fmt: skip
def test_what_cannot_be_asked_for(asked: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        tool_path(b"G1 X1\n", **asked)


def test_levels_are_each_finer_than_the_last() -> None:
    levels = list(DETAILS.values())
    assert levels == sorted(levels, key=lambda level: -level[0]) == sorted(levels, key=lambda level: level[1])
    with pytest.raises(NotGcode):
        tool_path(b"")
    assert tool_path(b"G1 X1\n", dialect="grbl", detail="coarse").asked_mm == levels[0][0]
