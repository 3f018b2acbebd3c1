"""Canned cycles for the reference reading: the list of steps of one line, from the LinuxCNC manual's descriptions.

A step is ("rapid" | "feed", {axis: (value, frame)}) or ("dwell", seconds). Heights are Fractions in their frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

Height = tuple[Fraction, str]
Ends = dict[int, Height]
Step = tuple[str, Ends | float]
CYCLES = (730, 810, 820, 830, 850, 860, 890)
BACK = Fraction(254, 1000)


@dataclass
class Cycle:
    """What stays in force while a row of cycles goes on."""

    code: int = 0
    r: Fraction = Fraction(0)
    z: Fraction = Fraction(0)
    q: Fraction = Fraction(0)
    p: Fraction = Fraction(0)
    level: tuple[Fraction, str] = (Fraction(0), "start")


def steps(
    c: Cycle,
    across: int,
    at: tuple[Fraction, str],
    first: Ends,
    by: dict[int, Fraction],
    heights: tuple[Fraction, Fraction, str],
    old: bool,
    times: int,
) -> Iterator[Step]:
    """The tool stands `at` a height along the axis `across`; `heights` is (r, bottom, frame); `old` says G98."""
    r, bottom, frame = heights
    level, level_frame = c.level
    if level_frame == frame and level < r:
        yield "rapid", {across: (r, frame)}
        at = (r, frame)
        level = r
    back = (r, frame)
    if old:
        back = (max(level, r) if level_frame == frame else level, level_frame)
    place = dict(first)
    for hole in range(times):
        over = dict(place)
        if at[1] == frame and back[1] == frame:
            over[across] = max(at, back)
        if over:
            yield "rapid", over
        if over.get(across, at) != (r, frame):
            yield "rapid", {across: (r, frame)}
        for kind, what in one(c, r, bottom, frame, back):
            yield kind, what if isinstance(what, float) else {across: what}
        at = back
        if hole + 1 < times:
            place = {a: (value + by.get(a, Fraction(0)), f) for a, (value, f) in place.items()}


def one(c: Cycle, r: Fraction, bottom: Fraction, frame: str, back: Height) -> Iterator[tuple[str, Height | float]]:
    """One hole from R on: heights and dwells."""
    depth = r - c.q
    while c.code in (730, 830) and depth > bottom:
        yield "feed", (depth, frame)
        if c.code == 830:
            yield "rapid", (r, frame)
        yield "rapid", (depth + BACK, frame)
        depth -= c.q
    yield "feed", (bottom, frame)
    if c.code in (820, 860, 890):
        yield "dwell", float(c.p)
    if c.code == 850:
        yield "feed", (r, frame)
    yield ("feed" if c.code == 890 else "rapid"), back
    if c.code == 860:
        yield "dwell", 0.0
