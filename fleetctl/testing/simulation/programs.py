"""Seeded programs in which every line is unique, so that one executed line says which program it is and where.

Each line is written twice by the generator itself: as it stands in the file, with comments and spaces, and as a
firmware executes it. That second writing is the independent reading which I4 is checked against. This module must
not know the feeder, the engines or the simulators.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SLOWEST_MM_MIN = 20.0
COMMENT_RATE = 0.1


@dataclass(frozen=True)
class SimulatedProgram:
    """`lines` are the texts that a firmware executes, in order; the last one lays the plate."""

    name: str
    dialect: str
    data: bytes
    lines: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The hash by which everybody names it."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class Library:
    """All programs of a world, found by hash and by any of their lines."""

    programs: list[SimulatedProgram] = field(default_factory=list)
    by_sha256: dict[str, SimulatedProgram] = field(default_factory=dict)
    by_line: dict[str, tuple[SimulatedProgram, int]] = field(default_factory=dict)
    find_made: Callable[[str], SimulatedProgram | None] = lambda _sha256: None
    """Reads a program that was made of another one while the world went on."""

    def named(self, sha256: str) -> SimulatedProgram | None:
        """The program of that hash."""
        if sha256 not in self.by_sha256 and (made := self.find_made(sha256)) is not None:
            self.by_sha256[sha256] = made
        return self.by_sha256.get(sha256)

    def add(self, program: SimulatedProgram) -> None:
        """Raises ValueError when a line is not unique: then I4 could not be checked."""
        for number, line in enumerate(program.lines):
            if line in self.by_line:
                raise ValueError(f"{line!r} is in two places")
            self.by_line[line] = (program, number)
        self.programs.append(program)
        self.by_sha256[program.sha256] = program


def make_program(dialect: str, number: int, rng: random.Random, *, lines: int, duration_s: float) -> SimulatedProgram:
    """A program of about `lines` lines and `duration_s` on the machine; `number` (1 to 99) keeps it unique."""
    if dialect == "marlin":
        steps, style = list(_print(number, rng, lines, duration_s)), (_marlin_file_line, _marlin_executed)
    else:
        steps, style = list(_mill(number, rng, lines, duration_s)), (_grbl_file_line, _grbl_executed)
    in_file, executed = style
    text = "".join(in_file(step, rng) + "\n" for step in steps)
    head = "; simulated print\n; FLAVOR:Marlin\n" if dialect == "marlin" else "(simulated part)\n"
    return SimulatedProgram(
        f"{dialect}-{number}.gcode", dialect, (head + text).encode(), tuple(executed(step) for step in steps)
    )


def _feed_mm_min(length_mm: float, duration_s: float) -> float:
    return max(SLOWEST_MM_MIN, length_mm * 60 / max(duration_s, 0.1))


def _print(number: int, rng: random.Random, lines: int, duration_s: float) -> Iterator[str]:
    """Moves are quick and every few of them a dwell takes long: a planner full of long moves would keep the last
    line waiting for longer than any host is patient, as no real program does."""
    mark = f"{number:02d}"
    yield f"G4 P{number}"
    yield f"M140 S50.{mark}"
    yield f"M109 S200.{mark}"
    yield f"G28 R{number}"
    yield f"G92 E0.00{mark}"
    x, filament = 100.0, 0.0
    moves = max(2, lines - 9)
    dwells = set(rng.sample(range(moves), max(1, min(moves // 3, 20))))
    for index in range(moves):
        if index in dwells:
            yield f"G4 S{duration_s / len(dwells) * rng.uniform(0.7, 1.3):.0f} P{index * 100 + number}"
            continue
        step_mm = rng.uniform(20.0, 80.0)
        x = round(x + step_mm if x < 110 else x - step_mm, 2)
        y = 60.0 + 100.0 * ((index * 7919) % 997) / 997
        filament += rng.uniform(0.5, 1.5)
        yield f"G1 X{x:.2f} Y{y:.2f} E{filament:.2f}{mark} F{_feed_mm_min(step_mm, rng.uniform(0.5, 3.0)):.0f}"
    yield f"M107 P{number}"
    yield f"M104 S0 P{number}"
    yield f"M140 S0 P{number}"
    yield f"M84 S{number}"


def _mill(number: int, rng: random.Random, lines: int, duration_s: float) -> Iterator[str]:
    mark = f"{number:02d}"
    yield f"G4 P0.1{mark}"
    yield f"G21 G90 G54 F10{mark}"
    yield f"G0 Z-2.1{mark}"
    yield f"S80{mark} M3"
    x = -150.0
    moves = max(2, lines - 7)
    for index in range(moves):
        step_mm = rng.uniform(20.0, 80.0)
        target = x - step_mm if x > -150 else x + step_mm
        feed = _feed_mm_min(step_mm, duration_s / moves * rng.uniform(0.5, 1.5))
        y = -150.0 + (index * 0.1)
        yield f"G1 X{target:.1f}{mark} Y{y:.1f}{mark} Z{-rng.uniform(5, 20):.2f} F{feed:.0f}"
        x = target
    yield f"G0 Z-1.3{mark}"
    yield f"M5 S{number}"
    yield f"S{number} M30"


def _marlin_file_line(step: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < COMMENT_RATE:
        return f"{step} ; {rng.randrange(1000)}"
    return f";LAYER:{rng.randrange(99)}\n\n  {step}" if chance < 2 * COMMENT_RATE else step


def _marlin_executed(step: str) -> str:
    return step


def _grbl_file_line(step: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < COMMENT_RATE:
        return f"{step} (note {rng.randrange(1000)})"
    return f"; remark {rng.randrange(99)}\n\n{step.lower()}" if chance < 2 * COMMENT_RATE else step


def _grbl_executed(step: str) -> str:
    return step.replace(" ", "").upper()
