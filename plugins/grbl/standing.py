"""How a Grbl controller stands before a program: its modes and offsets, compared with what the gate assumed.

The preflight gate proves a program in G17 and G94, in G54 until the program says otherwise, without G92 and tool
length, and with the work offsets and the places of G28 and G30 on record. A controller keeps all of these over
programs (Grbl 1.1, commands.md "$# and $G"). This module judges; it must not know how the answers came, and changes
nothing on the machine: somebody may have set a G92 on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from .status import MM_PER_INCH, Point

TOLERANCE_MM = 0.01
"""Offsets are told with three decimals, and written down by people with two."""

FRAMES = frozenset(f"G{number}" for number in range(54, 60))
"""The work offsets that Grbl 1.1 has."""

HEAD_LINES = 200
"""A program that sets nothing within so many lines leaves the modes as they are."""

_OFFSET = re.compile(r"\[(G5[4-9]|G28|G30|G92|TLO):([-+.\d,]+)\]\Z")
_MODES = re.compile(r"\[GC:([^\]]*)\]\Z")
_WORD = re.compile(rb"([A-Z])([-+]?(?:\d+\.?\d*|\.\d+))")
_MOVES = frozenset("XYZABCIJKR")
_CANCEL_G92, _TOOL_LENGTH = frozenset({"G92.1"}), frozenset({"G49", "G43.1"})
_OF_LINE: dict[str, frozenset[str]] = {
    "plane": frozenset({"G17", "G18", "G19"}),
    "feed mode": frozenset({"G93", "G94"}),
    "frame": FRAMES,
}
"""Modes that hold for the move of their own line too."""


class Obstacle(NamedTuple):
    """What is wrong, and what a person does about it."""

    reason: str
    hint: str


class Standing(NamedTuple):
    """What `$#` and `$G` answered: offsets in mm, of a tool length one number; modes as words without spaces."""

    offsets_mm: dict[str, tuple[float, ...]]
    modes: frozenset[str]


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
    complete = all(len(offsets.get(name, ())) >= 3 for name in (*FRAMES, "G92")) and "TLO" in offsets
    return Standing(offsets, modes) if complete and all(modes & group for group in _OF_LINE.values()) else None


def obstacle(
    standing: Standing, expected_mm: Mapping[str, Point], set_by_program: Callable[[], frozenset[str]]
) -> Obstacle | None:
    """The first thing in which the controller differs from what the gate assumed, if any.

    `expected_mm` are the work offsets on record. `set_by_program` is asked only when a mode differs; see `set_by`.
    """
    wrong = _wrong_modes(standing)
    if wrong:
        already = set_by_program()
        for name, found in wrong.items():
            if name not in already:
                return found
    for frame, expected in sorted(expected_mm.items()):
        here = standing.offsets_mm.get(frame)
        if here is not None and any(abs(a - b) > TOLERANCE_MM for a, b in zip(here[:3], expected, strict=True)):
            return Obstacle(
                f"{frame} on the machine is {_point(here[:3])}, the set-up says {_point(expected)}.",
                "Set one of them right: touch off again, or enter the machine's offset in its set-up.",
            )
    return None


def _wrong_modes(standing: Standing) -> dict[str, Obstacle]:
    modes, offsets = standing.modes, standing.offsets_mm
    wrong: dict[str, Obstacle] = {}
    if "G17" not in modes:
        plane = _one(modes, "plane")
        wrong["plane"] = _left(plane, "arcs would be cut in another plane", "G17")
    if "G94" not in modes:
        wrong["feed mode"] = _left(_one(modes, "feed mode"), "F would not be a feed a minute", "G94")
    if "G54" not in modes:
        frame = _one(modes, "frame")
        wrong["frame"] = _left(frame, "the program would run in that work offset, not in G54", "G54")
    if compensation := modes & {"G41", "G42"}:
        wrong["compensation"] = _left(min(compensation), "cutter compensation is on", "G40")
    if any(abs(each) > TOLERANCE_MM for each in offsets["G92"]):
        wrong["G92"] = Obstacle(
            f"G92 is set ({_point(offsets['G92'][:3])}), so the program would run elsewhere than was checked.",
            "Clear it with G92.1, or reset the machine.",
        )
    if any(abs(each) > TOLERANCE_MM for each in offsets["TLO"]):
        length = max(offsets["TLO"], key=abs)
        wrong["tool length"] = Obstacle(
            f"A tool length offset is set ({length:.3f} mm), so the program would run elsewhere than was checked.",
            "Clear it with G49, or reset the machine.",
        )
    return wrong


def _left(mode: str, consequence: str, wanted: str) -> Obstacle:
    return Obstacle(
        f"{mode} is active on the machine: {consequence}.",
        f"Send {wanted} to it, reset it, or let the program begin with {wanted}.",
    )


def _one(modes: frozenset[str], group: str) -> str:
    return min(modes & _OF_LINE[group])


def _point(values: Iterable[float]) -> str:
    return " ".join(f"{axis} {value:.3f}" for axis, value in zip("XYZ", values, strict=False))


def set_by(lines: Iterable[bytes]) -> frozenset[str]:
    """What a program sets itself before it moves: of `plane`, `feed mode`, `frame`, `G92` and `tool length`.

    `lines` are cleaned ones, in order. A rapid move in machine coordinates (G53 G0) depends on none of them, and is
    how many programs begin. G92.1 and G49 hold only after their line: Grbl has read its target by then (gcode.c).
    """
    found: set[str] = set()
    for line in lines:
        words = _WORD.findall(line.upper())
        letters = {letter.decode() for letter, _ in words}
        codes = {_code(number) for letter, number in words if letter == b"G"}
        found |= {name for name, group in _OF_LINE.items() if codes & group}
        lengthens = bool(codes & _TOOL_LENGTH)
        moves = bool(letters & _MOVES) and not (lengthens and letters & _MOVES == {"Z"})
        if (moves and not {"G53", "G0"} <= codes) or codes & {"G28", "G30"}:
            break
        if codes & _CANCEL_G92:
            found.add("G92")
        if lengthens:
            found.add("tool length")
    return frozenset(found)


def _code(number: bytes) -> str:
    return f"G{float(number):g}"
