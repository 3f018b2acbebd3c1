"""LinuxCNC's own interpreter, run as a separate process on a program, and what its canonical calls say.

`rs274 -g FILE` (Debian's linuxcnc-uspace) prints one call per line, in the unit in force, four decimals, coordinates
without the origins, G92 and tool offsets that it prints as calls of their own. It starts with every axis and every
coordinate system at 0, so all systems are one here: a place is what is printed plus those offsets.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

BINARY = shutil.which("rs274")
MISSING = "LinuxCNC's rs274 is not installed (Debian package linuxcnc-uspace)"
CALL = re.compile(r"^\s*\d+\s+N\S*\s+(\w+)\((.*)\)\s*$")
Point = tuple[float, float, float]

SPIRAL_MM = 2e-4
"""More than four printed decimals make of one radius."""

SAMPLES = 3000


@dataclass
class Canon:
    """What the interpreter made of a program. Millimetres; lengths of work as the tool goes it."""

    refused: str = ""
    points: list[Point] = field(default_factory=list)
    moves: int = 0
    low: list[float] = field(default_factory=lambda: [math.inf] * 3)
    high: list[float] = field(default_factory=lambda: [-math.inf] * 3)
    cutting_mm: float = 0.0
    dwell_s: float = 0.0
    calls: set[str] = field(default_factory=set)
    pos: list[float] = field(default_factory=lambda: [0.0] * 3)
    origin: list[float] = field(default_factory=lambda: [0.0] * 3)
    shift: list[float] = field(default_factory=lambda: [0.0] * 3)
    length: list[float] = field(default_factory=lambda: [0.0] * 3)
    inch: bool = False
    plane: int = 17

    @property
    def unit(self) -> float:
        return 25.4 if self.inch else 1.0

    def add(self, values: list[float]) -> None:
        for a in range(3):
            self.low[a] = min(self.low[a], values[a])
            self.high[a] = max(self.high[a], values[a])

    def place(self, program: list[float]) -> list[float]:
        return [program[a] * self.unit + self.origin[a] + self.shift[a] + self.length[a] for a in range(3)]


def run(program: bytes, folder: Path, *, limit_s: float = 10.0) -> Canon | None:
    """The canonical calls of a program, or None if the interpreter did not come to an end in time."""
    path = folder / "program.ngc"
    path.write_bytes(program)
    for left in ("rs274ngc.var", "rs274ngc.var.bak"):  # parameters may not live on from run to run
        (folder / left).unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [str(BINARY), "-g", str(path)],
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},  # where it maps its tool table: two at a time spoil each other's
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    canon = Canon()
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if match := CALL.match(line):
            take(canon, match[1], match[2])
    if done.returncode:
        said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line != "executing"]
        canon.refused = said[0] if said else "?"
    return canon


def take(canon: Canon, name: str, text: str) -> None:
    """One canonical call."""
    canon.calls.add(name)
    values = [float(part) for part in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", text)]
    if name == "USE_LENGTH_UNITS":
        canon.inch = "INCH" in text
    elif name == "SELECT_PLANE":
        canon.plane = {"XZ": 18, "YZ": 19}.get(text[-2:], 17)
    elif name == "SET_G5X_OFFSET":
        canon.origin = [value * canon.unit for value in values[1:4]]  # the first is the number of the system
    elif name == "SET_G92_OFFSET":
        canon.shift = [value * canon.unit for value in values[:3]]
    elif name == "USE_TOOL_LENGTH_OFFSET":
        canon.length = [value * canon.unit for value in values[:3]]
    elif name in ("STRAIGHT_TRAVERSE", "STRAIGHT_FEED", "STRAIGHT_PROBE"):
        end = canon.place(values[:3])
        if name != "STRAIGHT_TRAVERSE":
            canon.cutting_mm += math.dist(canon.pos, end)
        arrive(canon, end)
    elif name == "RIGID_TAP":  # there and back
        end = canon.place(values[:3])
        canon.cutting_mm += 2 * math.dist(canon.pos, end)
        canon.moves += 1
        canon.add(end)
    elif name == "ARC_FEED":
        arc(canon, values)
    elif name == "DWELL":
        canon.dwell_s += values[0]


def arrive(canon: Canon, end: list[float]) -> None:
    canon.pos = end
    canon.moves += 1
    canon.add(end)
    canon.points.append((end[0], end[1], end[2]))


def arc(canon: Canon, values: list[float]) -> None:
    """ARC_FEED(end on both axes of the plane, centre on both, turns, end on the third axis)."""
    p = {17: 0, 18: 2, 19: 1}[canon.plane]
    q, lift = (p + 1) % 3, (p + 2) % 3
    program = [0.0] * 3
    program[p], program[q], program[lift] = values[0], values[1], values[5]
    end = canon.place(program)
    program[p], program[q] = values[2], values[3]
    centre = canon.place(program)
    turns = round(values[4])
    start = math.atan2(canon.pos[q] - centre[q], canon.pos[p] - centre[p])
    stop = math.atan2(end[q] - centre[q], end[p] - centre[p])
    radius = math.hypot(canon.pos[p] - centre[p], canon.pos[q] - centre[q])
    swept = (stop - start) % math.tau if turns > 0 else (start - stop) % math.tau
    if swept < 1e-4 or swept > math.tau - 1e-4:  # printed with four decimals: start and end are the same
        swept = math.tau
    swept += math.tau * (abs(turns) - 1)
    end_radius = math.hypot(end[p] - centre[p], end[q] - centre[q])
    if abs(end_radius - radius) > SPIRAL_MM:
        spiral(canon, (p, q, lift), centre, (start, swept if turns > 0 else -swept), (radius, end_radius), end)
        return
    for side in range(4):
        ahead = (side * math.pi / 2 - start) * (1 if turns > 0 else -1) % math.tau
        if ahead <= swept:
            extreme = list(canon.pos)
            axis, sign = (p, 1 - side) if side % 2 == 0 else (q, 2 - side)
            extreme[axis] = centre[axis] + sign * radius
            canon.low[axis] = min(canon.low[axis], extreme[axis])
            canon.high[axis] = max(canon.high[axis], extreme[axis])
    canon.add(list(canon.pos))
    canon.cutting_mm += math.hypot(swept * radius, end[lift] - canon.pos[lift])
    arrive(canon, end)


def spiral(
    canon: Canon,
    axes: tuple[int, int, int],
    centre: list[float],
    turn: tuple[float, float],
    radii: tuple[float, float],
    end: list[float],
) -> None:
    """An arc whose ends lie on different radii, from many points of it."""
    p, q, lift = axes
    here, before = list(canon.pos), list(canon.pos)
    canon.add(here)
    for i in range(1, SAMPLES + 1):
        share = i / SAMPLES
        angle, radius = turn[0] + turn[1] * share, radii[0] + (radii[1] - radii[0]) * share
        point = [0.0] * 3
        point[p], point[q] = centre[p] + radius * math.cos(angle), centre[q] + radius * math.sin(angle)
        point[lift] = here[lift] + (end[lift] - here[lift]) * share
        canon.add(point)
        canon.cutting_mm += math.dist(before, point)
        before = point
    arrive(canon, end)
