"""What a Grbl controller says of its modes and offsets before a program: the answers to `$#` and `$G`.

What is wrong about them is judged in `fleetctl.protocol.standing`. A controller keeps them over programs, and so it
does F, S and the motion mode, which is G1 behind every M30 (Grbl 1.1, commands.md "$# and $G"; gcode.c). It must not
know how the answers came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleetctl.protocol.standing import (
    FRAMES,
    HEAD_LINES,
    MODES_OF_LINE,
    Obstacle,
    Settings,
    Standing,
    obstacle,
    set_by,
)

from .status import MM_PER_INCH

__all__ = ["HEAD_LINES", "Obstacle", "Settings", "Standing", "lost_by_reset", "obstacle", "read", "set_by"]

_OFFSET = re.compile(r"\[(G5[4-9](?:\.[123])?|G28|G30|G92|TLO):([-+.\d,]+)(?::[-+.\d]+)?\]\Z")
_MODES = re.compile(r"\[GC:([^\]]*)\]\Z")


def read(offset_lines: Iterable[str], mode_lines: Iterable[str], *, inches: bool) -> Standing | None:
    """The two answers; `inches` is $13. None when a number is garbled or something that must be there is not."""
    scale = MM_PER_INCH if inches else 1.0
    offsets: dict[str, tuple[float, ...]] = {}
    for line in offset_lines:
        if found := _OFFSET.match(line):
            try:
                offsets[found[1]] = tuple(float(each) * scale for each in found[2].split(","))
            except ValueError:
                return None
    told = [found[1] for line in mode_lines if (found := _MODES.match(line))]
    modes = frozenset(told[-1].split()) if told else frozenset()
    whole = all(len(point) >= 3 for name, point in offsets.items() if name != "TLO")
    complete = whole and offsets.keys() >= {*FRAMES, "G92", "TLO"}
    return Standing(offsets, modes) if complete and all(modes & group for group in MODES_OF_LINE.values()) else None


def lost_by_reset(offset_lines: Iterable[str]) -> str:
    """`G92` or `TLO` when one of them is not zero; what cannot be read counts as set. Empty when neither is."""
    for line in offset_lines:
        if not line.startswith(("[G92:", "[TLO:")):
            continue
        found = _OFFSET.match(line)
        try:
            if found is None or any(float(each) for each in found[2].split(",")):
                return line[1:4]
        except ValueError:
            return line[1:4]
    return ""
