"""The G-code core: any split of the bytes gives the same facts, and the facts are sane. See README.md.

First byte: the dialect. Second: one in sixteen keeps the time of every line (that costs), 2 and 4 choose the limits,
all of it seeds the splits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from fleetctl._ext import gcode_core
from fleetctl.gcode import DIALECTS, MotionLimits
from fleetctl.gcode.analysis import scanner

NAMES = tuple(DIALECTS)
SWITCHES = {"feed", "finish", "set_limits", "set_places"}

DEVIATION = MotionLimits(
    max_feed_mm_s=(200.0, 180.0, 12.0, 40.0),
    max_accel_mm_s2=(1000.0, 900.0, 200.0, 5000.0),
    junction_deviation_mm=0.02,
    rapid_mm_s=100.0,
    start_mm=(1.0, -2.0, 3.0),
)
JERK = MotionLimits(
    max_feed_mm_s=(200.0, 180.0, 12.0, 40.0),
    max_accel_mm_s2=(1000.0, 900.0, 200.0, 5000.0),
    accel_mm_s2=800.0,
    jerk_mm_s=(8.0, 8.0, 0.4, 4.5),
    home_mm=(0.0, 200.0, 5.0),
)
LIMITS = (None, DEVIATION, JERK, None)

ANSWERS = tuple(
    name
    for name in dir(gcode_core.Scanner)
    if not name.startswith("_") and name not in SWITCHES
    and (not callable(getattr(gcode_core.Scanner, name))
         or (getattr(gcode_core.Scanner, name).__doc__ or "").split("\n")[0].split(" ->")[0].endswith("(self)"))
)  # fmt: skip
"""Everything a Scanner can be asked without an argument, so that a new answer is compared without a word here."""


def everything(scan: gcode_core.Scanner) -> dict[str, Any]:
    """All answers of a scanner."""
    found = {}
    for name in ANSWERS:
        value = getattr(scan, name)
        found[name] = value() if callable(value) else value
    return found


def split(program: bytes, seed: int) -> list[bytes]:
    """The program cut into blocks at places that look arbitrary and are the same every time."""
    dice = random.Random(seed * 65536 + len(program))
    longest = dice.choice((1, 2, 3, 7, 30, 300))
    blocks, at = [], 0
    while at < len(program):
        size = dice.randint(0 if dice.random() < 0.1 else 1, longest)
        blocks.append(program[at : at + size])
        at += size
    return blocks


def read(blocks: Sequence[bytes], dialect: str, options: int) -> dict[str, Any]:
    """All facts of a program given in blocks."""
    scan = scanner(DIALECTS[dialect], LIMITS[options >> 1 & 3], time_at_line=options & 15 == 1)
    for block in blocks:
        scan.feed(block)
    scan.finish()
    return everything(scan)


def floats(value: object) -> Iterator[float]:
    """Every float in a structure of tuples, lists and dictionaries."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from floats(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from floats(item)


def check_sane(facts: dict[str, Any], program: bytes) -> None:
    """What holds for every program, however mad."""
    totals = facts["totals"]
    lines = totals["lines"]
    assert all(math.isfinite(value) for value in floats(facts)), "a fact is not a finite number"
    assert totals["size_bytes"] == len(program)
    assert lines <= len(program) and totals["commands"] <= lines
    assert totals["motion_s"] >= 0 and totals["dwell_s"] >= 0
    for name, (line, column, count) in facts["hazards"].items():
        assert 1 <= line <= lines and column >= 1 and count >= 1, f"{name} stands at no place"
    for _, motion, work, _length in facts["frames"]:
        for reach, inner in zip(motion, work, strict=True):
            assert inner is None or (reach is not None and reach[0] <= inner[0] and inner[2] <= reach[2])
            assert reach is None or (0 <= reach[1] <= lines and 0 <= reach[3] <= lines)
    if facts["times"] is not None:
        times = memoryview(facts["times"]).cast("d")
        assert len(times) == lines
        assert all(a <= b for a, b in pairwise(times)), "time runs backwards"


def one(data: bytes) -> None:
    """One input."""
    if len(data) < 2:
        return
    dialect, options, program = NAMES[data[0] % len(NAMES)], data[1], data[2:]
    whole = read([program], dialect, options)
    check_sane(whole, program)
    cut = read(split(program, options), dialect, options)
    assert cut == whole, [name for name in whole if cut[name] != whole[name]]
