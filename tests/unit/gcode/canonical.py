"""LinuxCNC's own interpreter as an oracle: runs `rs274 -g` on a program and reads the moves that it prints.

Only the ends of moves, arcs, dwells, and the error it stops with. Coordinates are in mm from the machine's zero, to
four decimals: the offsets that rs274 announces are added to the program coordinates that it prints. Tests that use
it are skipped where the program is not installed (Debian `linuxcnc-uspace`).
"""

from __future__ import annotations

import itertools
import math
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

RS274 = shutil.which("rs274")

_MOVE = re.compile(r"(STRAIGHT_TRAVERSE|STRAIGHT_FEED|RIGID_TAP|PROBE|ARC_FEED|DWELL)\(([^)]*)\)")
_OFFSET = re.compile(r"(SET_G92_OFFSET|SET_G5X_OFFSET|USE_TOOL_LENGTH_OFFSET)\(([^)]*)\)")
_INCH_MM = 25.4


@dataclass(frozen=True)
class Step:
    """One canonical call. `end_mm` is x, y, z; of an arc also plane (`XY`, `XZ`, `YZ`), centre and turns in it."""

    kind: str
    end_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    plane: str = ""
    centre_mm: tuple[float, float] = (0.0, 0.0)
    turns: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Canonical:
    """What rs274 made of a program: its steps up to the end, or up to `error`."""

    steps: tuple[Step, ...]
    error: str


def canonical(program: str, folder: Path) -> Canonical:
    """Run a program (M2 is added) with empty parameters and tool table."""
    source = folder / "program.ngc"
    source.write_text(program + "\nM2\n")
    parameters = folder / "rs274.var"
    parameters.write_text("".join(f"{number}\t0.000000\n" for number in _PERSISTENT))
    assert RS274 is not None
    done = subprocess.run(
        [RS274, "-g", "-v", str(parameters), str(source)], capture_output=True, text=True, timeout=20, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("executing")]
    return Canonical(tuple(_steps(done.stdout)), lines[0] if lines else "")


_PERSISTENT = (
    *range(5161, 5170),
    *range(5181, 5190),
    *range(5210, 5220),
    5220,
    *(system + axis for system in range(5221, 5400, 20) for axis in range(10)),
)


def _steps(text: str) -> list[Step]:
    found: list[Step] = []
    plane, unit = "XY", 1.0
    offsets: dict[str, list[float]] = {}
    for line in text.splitlines():
        if "SELECT_PLANE" in line:
            plane = line.rsplit("_", 1)[1][:2]
        elif "USE_LENGTH_UNITS" in line:
            unit = _INCH_MM if "INCHES" in line else 1.0
        elif offset := _OFFSET.search(line):
            values = [float(part) * unit for part in re.split(r"[ ,]+", offset[2])]
            offsets[offset[1]] = values[1:4] if offset[1] == "SET_G5X_OFFSET" else values[:3]
        elif move := _MOVE.search(line):
            found.append(_step(move[1], [float(part) for part in move[2].split(",")], plane, unit, offsets))
    return found


def _step(kind: str, values: list[float], plane: str, unit: float, offsets: dict[str, list[float]]) -> Step:
    shift = [sum(offset[axis] for offset in offsets.values()) for axis in range(3)]

    def place(point: tuple[float, float, float]) -> tuple[float, float, float]:
        x, y, z = (value * unit + shift[axis] for axis, value in enumerate(point))
        return (x, y, z)

    if kind == "DWELL":
        return Step(kind, seconds=values[0])
    if kind != "ARC_FEED":
        return Step(kind, place((values[0], values[1], values[2])))
    first, second = {"XY": (0, 1), "XZ": (2, 0), "YZ": (1, 2)}[plane]
    across = 3 - first - second
    end, centre = [0.0] * 3, [0.0] * 3
    end[first], end[second], end[across] = values[0], values[1], values[5]
    centre[first], centre[second] = values[2], values[3]
    middle = place((centre[0], centre[1], centre[2]))
    return Step(kind, place((end[0], end[1], end[2])), plane, (middle[first], middle[second]), int(values[4]))


def path_of(done: Canonical) -> tuple[list[list[float]], float, float]:
    """([least x y z, greatest x y z], length of all feeds mm, dwells s), from the steps alone; arcs are sampled."""
    low, high = [math.inf] * 3, [-math.inf] * 3
    here: tuple[float, float, float] | None = None
    length = dwell = 0.0
    for step in done.steps:
        dwell += step.seconds
        if step.kind == "DWELL":
            continue
        if here is None:  # the way from the machine's zero to the first place is no part of the program's own
            here = step.end_mm
        points, cut = _trace(here, step)
        length += cut
        for point in points:
            for axis in range(3):
                low[axis], high[axis] = min(low[axis], point[axis]), max(high[axis], point[axis])
        here = here if step.kind == "RIGID_TAP" else step.end_mm
    return [low, high], length, dwell


def _trace(here: tuple[float, float, float], step: Step) -> tuple[list[tuple[float, ...]], float]:
    if step.kind != "ARC_FEED":
        straight = math.dist(here, step.end_mm)
        cut = {"STRAIGHT_FEED": straight, "PROBE": straight, "RIGID_TAP": 2 * straight}.get(step.kind, 0.0)
        return [here, step.end_mm], cut
    first, second = {"XY": (0, 1), "XZ": (2, 0), "YZ": (1, 2)}[step.plane]
    across = 3 - first - second
    cx, cy = step.centre_mm
    start = math.atan2(here[second] - cy, here[first] - cx)
    r0 = math.hypot(here[first] - cx, here[second] - cy)
    r1 = math.hypot(step.end_mm[first] - cx, step.end_mm[second] - cy)
    sweep = math.atan2(step.end_mm[second] - cy, step.end_mm[first] - cx) - start
    if step.turns > 0:
        sweep = sweep % math.tau or math.tau
        sweep += math.tau * (step.turns - 1)
    else:
        sweep = -((-sweep) % math.tau or math.tau) + math.tau * (step.turns + 1)
    count = 3000
    points = []
    for i in range(count + 1):
        share = i / count
        angle, radius = start + sweep * share, r0 + (r1 - r0) * share
        point = [0.0] * 3
        point[first], point[second] = cx + radius * math.cos(angle), cy + radius * math.sin(angle)
        point[across] = here[across] + (step.end_mm[across] - here[across]) * share
        points.append(tuple(point))
    return points, sum(math.dist(a, b) for a, b in itertools.pairwise(points))
