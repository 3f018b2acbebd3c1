"""The programs that the benchmark of the G-code core reads: real sliced ones, and generated ones for mills and arcs.

Models and generated programs come from code, the same bytes each time; PrusaSlicer slices the models when it is
installed. Everything is kept in a folder, so that a second run finds it.
"""

from __future__ import annotations

import math
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

GENERATED_BYTES = 20_000_000

SLICER = (
    "prusa-slicer", "-g", "--gcode-flavor", "marlin2", "--nozzle-diameter", "0.4", "--filament-diameter", "1.75",
    "--machine-limits-usage", "emit_to_gcode", "--remaining-times",
    "--machine-max-acceleration-x", "1000", "--machine-max-acceleration-y", "1000",
    "--machine-max-acceleration-z", "200", "--machine-max-acceleration-e", "5000",
    "--machine-max-acceleration-extruding", "1250", "--machine-max-acceleration-retracting", "1250",
    "--machine-max-acceleration-travel", "1500", "--machine-max-feedrate-x", "200", "--machine-max-feedrate-y", "200",
    "--machine-max-feedrate-z", "12", "--machine-max-feedrate-e", "120", "--machine-max-jerk-x", "8",
    "--machine-max-jerk-y", "8", "--machine-max-jerk-z", "0.4", "--machine-max-jerk-e", "4.5",
    "--temperature", "215", "--bed-temperature", "60", "--retract-length", "0.8",
    "--bed-shape", "0x0,250x0,250x210,0x210", "--center", "125,105", "--fill-pattern", "gyroid", "--brim-width", "0",
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One program to measure. `says_limits`: the file sets the limits of motion, as slicers' do."""

    name: str
    path: Path
    dialect: str
    cnc: bool = False
    says_limits: bool = False


def programs(folder: Path) -> list[Program]:
    """All of them; those that need the slicer only where it is installed."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    if shutil.which(SLICER[0]):
        ball, large = folder / "ball.stl", folder / "large.stl"
        kept(ball, lambda path: path.write_bytes(rippled_ball(12.0, 120)))
        kept(large, lambda path: path.write_bytes(rippled_ball(45.0, 500)))
        found += [
            sliced("sliced 1 MB", ball, folder / "small.gcode", "0.3", "10%", "0.0125"),
            sliced("sliced 20 MB", large, folder / "medium.gcode", "0.4", "12%", "0.0125"),
            sliced("sliced 100 MB", large, folder / "large.gcode", "0.1", "30%", "0.004"),
        ]
    for name, file, dialect, lines in (
        ("printed arcs", "arcs.gcode", "marlin", printed_arcs),
        ("milled, arcs and inches", "pockets.nc", "linuxcnc", milled_pockets),
        ("milled, modal lines", "finish.nc", "grbl", milled_finish),
    ):
        kept(folder / file, lambda path, lines=lines: write_lines(path, lines()))  # type: ignore[misc]
        found.append(Program(name, folder / file, dialect, cnc=dialect != "marlin"))
    return found


def kept(path: Path, make: Callable[[Path], object]) -> None:
    """Makes a file unless it is there, under another name until it is whole."""
    if not path.exists():
        partial = path.with_name("partial-" + path.name)
        make(partial)
        partial.rename(path)


def sliced(name: str, model: Path, path: Path, layer_mm: str, fill: str, resolution_mm: str) -> Program:
    """A model through PrusaSlicer."""
    settings = ("--layer-height", layer_mm, "--fill-density", fill, "--gcode-resolution", resolution_mm)

    def run(target: Path) -> None:
        subprocess.run([*SLICER, *settings, "-o", str(target), str(model)], check=True, capture_output=True)

    kept(path, run)
    return Program(name, path, "marlin", says_limits=True)


def rippled_ball(radius_mm: float, steps: int) -> bytes:
    """A binary STL of a ball with ripples, flat below: curved walls of short segments, as scanned things have."""

    def at(u: int, v: int) -> tuple[float, float, float]:
        around, up = 2 * math.pi * (u % (2 * steps)) / (2 * steps), math.pi * v / steps
        r = radius_mm * (1 + 0.03 * math.sin(12 * around) * math.sin(up) ** 2 + 0.02 * math.sin(20 * up))
        flat = math.sin(up) if 0 < v < steps else 0.0
        return (r * flat * math.cos(around), r * flat * math.sin(around), max(-0.8 * radius_mm, -r * math.cos(up)))

    triangles = []
    for v in range(steps):
        for u in range(2 * steps):
            a, b, c, d = at(u, v), at(u + 1, v), at(u + 1, v + 1), at(u, v + 1)
            triangles += [(a, b, c)] if v else []
            triangles += [(a, c, d)] if v < steps - 1 else []
    packed = b"".join(struct.pack("<12fH", 0, 0, 0, *a, *b, *c, 0) for a, b, c in triangles)
    return b"\0" * 80 + struct.pack("<I", len(triangles)) + packed


def write_lines(path: Path, lines: Iterator[str]) -> None:
    """Lines until the file is as large as all generated ones are."""
    with path.open("w", newline="\n") as file:
        while file.tell() < GENERATED_BYTES:
            file.writelines(next(lines) + "\n" for _ in range(1000))


def printed_arcs() -> Iterator[str]:
    """A print whose walls are G2 and G3, as slicers with arc fitting write them."""
    rnd = random.Random(2)
    yield from ("G28", "G90", "M83", "M104 S210", "G1 X100 Y100 Z0.2 F1800")
    z = 0.2
    while True:
        z = round(z + 0.2, 2)
        yield from (";LAYER_CHANGE", f"G1 Z{z} F720", "G1 F2400")
        for _ in range(600):
            x, y, r = rnd.uniform(60, 160), rnd.uniform(60, 160), rnd.uniform(0.5, 12)
            yield f"G0 X{x + r:.3f} Y{y:.3f} F9000"
            yield f"G3 X{x:.3f} Y{y + r:.3f} I{-r:.3f} J0 E{r * 0.052:.5f} F2400"
            yield f"G2 X{x - r:.3f} Y{y:.3f} I{-r:.3f} J0 E{r * 0.157:.5f}"
            yield f"G1 X{x - r + rnd.uniform(0.1, 4):.3f} Y{y:.3f} E.0712"


def milled_pockets() -> Iterator[str]:
    """Pockets cut in circles, in inches, with line numbers, comments and drilled holes, and without blanks."""
    rnd = random.Random(1)
    number = 10
    yield from ("%", "O1001(POCKETS)", "G17G20G40G49G80G90", "G54", "T1M6", "S9500M3", "G0X0.Y0.Z1.0M8")
    while True:
        x, y = rnd.uniform(1, 20), rnd.uniform(1, 12)
        yield from (f"(POCKET AT {x:.2f},{y:.2f})", f"N{number}G0X{x + 0.05:.4f}Y{y:.4f}", "G1Z-.125F12.")
        for step in range(40):
            r = 0.05 + step * 0.01
            yield f"N{number + 10}G3X{x - r:.4f}Y{y:.4f}I{-r:.4f}J0.F35.5"
            yield f"N{number + 20}X{x + r:.4f}Y{y:.4f}I{r:.4f}J0."
            yield f"N{number + 30}G1X{x + r + 0.01:.4f}"
            number = number % 90000 + 30
        yield from (f"G81X{x:.4f}Y{y:.4f}Z-.75R.1F8.", "G80", "G1Z.1F30.")


def milled_finish() -> Iterator[str]:
    """A ball cutter that goes over a surface row by row; most lines are bare axis words."""
    yield from ("(FINISH)", "G21 G90 G94 G17", "G54", "S18000 M3", "G0 Z15.", "G1 F1800")
    row = 0
    while True:
        y = row * 0.2 % 150
        columns = range(800) if row % 2 == 0 else range(799, -1, -1)
        yield f"Y{y:.4f}"
        for column in columns:
            x = column * 0.25
            z = -5 + 3 * math.sin(x / 11) * math.cos(y / 9)
            yield f"X{x:.4f}Z{z:.4f}" if row % 3 else f"G1 X{x:.4f} Y{y:.4f} Z{z:.4f}"
        row += 1
