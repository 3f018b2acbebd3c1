"""How a mill stands before a program: its modes and offsets, compared with what the preflight gate assumed.

The gate proves a program in G17 and G94, in G54 until the program says otherwise, without G92, tool length and
scaling, with the spindle off, and with the work offsets and the places of G28 and G30 on record. Controllers keep all
of these over programs, and so they do F, S and the motion mode (Grbl 1.1, commands.md "$# and $G"; TinyG 0.97,
canonical_machine.c). This module judges; it must not know any firmware's way to tell them, and changes nothing on the
machine: somebody may have set a G92 on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

Point = tuple[float, float, float]

TOLERANCE_MM = 0.01
"""Offsets are told with three decimals, and written down by people with two."""

FRAMES = frozenset(f"G{number}" for number in range(54, 60))
"""The work offsets that every firmware of the family has."""

MORE_FRAMES = frozenset({"G59.1", "G59.2", "G59.3"})
"""Those of FluidNC and of some builds of grblHAL."""

HEAD_LINES = 200
"""A program that sets nothing within so many lines leaves the modes as they are."""

_WORD = re.compile(rb"([A-Z])([-+]?(?:\d+\.?\d*|\.\d+))")
_MOVES = frozenset("XYZABCIJKR")
_CANCEL_G92, _TOOL_LENGTH = frozenset({"G92.1"}), frozenset({"G49", "G43.1"})
_MOTION = frozenset({f"G{number}" for number in (0, 1, 2, 3, 5, 33, 73, 76, 80, 81, 82, 83, 85, 86, 89)}) | {
    "G5.1",
    "G38.2",
    "G38.3",
    "G38.4",
    "G38.5",
}
_FEEDS = _MOTION - {"G0", "G80"}
MODES_OF_LINE: dict[str, frozenset[str]] = {
    "plane": frozenset({"G17", "G18", "G19"}),
    "feed mode": frozenset({"G93", "G94", "G95"}),
    "frame": FRAMES | MORE_FRAMES,
}
"""Modes that hold for the move of their own line too."""

OF_MOVES = frozenset({*MODES_OF_LINE, "motion", "scaling", "compensation", "G92", "tool length"})
"""What does not matter to a program that moves nothing."""


class Obstacle(NamedTuple):
    """What is wrong, and what a person does about it."""

    reason: str
    hint: str


class Standing(NamedTuple):
    """What the controller told: offsets in mm, of a tool length one number; modes as words without spaces."""

    offsets_mm: dict[str, tuple[float, ...]]
    modes: frozenset[str]

    def left(self, letter: str) -> float:
        """F or S as it was left; 0 when none was, or when it cannot be read."""
        values = [mode[1:] for mode in self.modes if mode[:1] == letter]
        try:
            return float(values[0]) if values else 0.0
        except ValueError:
            return 0.0


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
    if scaling := {mode for mode in modes if mode.startswith("G51")}:
        wrong["scaling"] = _left(min(scaling), "the program would be cut in another size", "G50")
    _wrong_motion(standing, wrong)
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


def _wrong_motion(standing: Standing, wrong: dict[str, Obstacle]) -> None:
    """How it moves and turns by itself when the program does not say."""
    modes = standing.modes
    if "G0" not in modes and (motion := modes & _MOTION):
        wrong["motion"] = _left(min(motion), "the program's first move would be made by it", "G0")
    if turning := modes & {"M3", "M4"}:
        wrong["spindle"] = _left(min(turning), "the spindle or laser is on before the program begins", "M5")
    if feed := standing.left("F"):
        wrong["F"] = Obstacle(
            f"F{feed:g} is left from before, and the program cuts without an F of its own.", "Give the program an F."
        )
    if speed := standing.left("S"):
        wrong["S"] = Obstacle(
            f"S{speed:g} is left from before, and the program starts the spindle without an S of its own.",
            "Give the program an S.",
        )


def _left(mode: str, consequence: str, wanted: str) -> Obstacle:
    return Obstacle(
        f"{mode} is active on the machine: {consequence}.",
        f"Send {wanted} to it, reset it, or let the program begin with {wanted}.",
    )


def _one(modes: frozenset[str], group: str) -> str:
    return min(modes & MODES_OF_LINE[group])


def _point(values: Iterable[float]) -> str:
    return " ".join(f"{axis} {value:.3f}" for axis, value in zip("XYZ", values, strict=False))


class Settings:
    """What a program sets itself before it matters, line by line; `names` may grow until `done`."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._motion = ""
        self.moved = False
        self.open = {"F", "S"}
        """Of which it is not known yet whether the program sets them in time."""

    @property
    def done(self) -> bool:
        """Nothing that follows can matter."""
        return self.moved and not self.open

    def take(self, line: bytes) -> None:
        """The next cleaned line."""
        words = _WORD.findall(line.upper())
        letters = {letter.decode() for letter, _ in words}
        codes = {_code(number) for letter, number in words if letter == b"G"}
        turns = {f"M{float(number):g}" for letter, number in words if letter == b"M"} & {"M3", "M4", "M5"}
        motion = codes & _MOTION
        if motion:
            self._motion = min(motion)
        moves = _moves(letters, codes)
        if not self.moved:
            self._take_modes(letters, codes, motion, turns, moves)
        self._settle("S", "S" in letters, bool(turns & {"M3", "M4"}))
        self._settle("F", "F" in letters, moves and self._motion in _FEEDS)

    def _take_modes(self, letters: set[str], codes: set[str], motion: set[str], turns: set[str], moves: bool) -> None:
        self.names |= {name for name, group in MODES_OF_LINE.items() if codes & group}
        if motion:
            self.names.add("motion")
        if turns:
            self.names.add("spindle")
        if codes & {"G50"}:
            self.names.add("scaling")
        if (moves and not {"G53", "G0"} <= codes) or codes & {"G28", "G30"}:
            self.moved = True
            return
        if codes & _CANCEL_G92:
            self.names.add("G92")
        if codes & _TOOL_LENGTH:
            self.names.add("tool length")

    def _settle(self, letter: str, named: bool, needed: bool) -> None:
        if letter in self.open and (named or needed):
            self.open.discard(letter)
            if named:
                self.names.add(letter)


def _moves(letters: set[str], codes: set[str]) -> bool:
    lengthens = bool(codes & _TOOL_LENGTH)
    return bool(letters & _MOVES) and not (lengthens and letters & _MOVES == {"Z"})


def set_by(lines: Iterable[bytes], *, whole: bool = False) -> frozenset[str]:
    """What a program sets itself before it matters: of `plane`, `feed mode`, `frame`, `motion`, `spindle`, `scaling`,
    `G92` and `tool length` before it moves, `F` before it cuts, `S` before it starts the spindle.

    `lines` are cleaned ones, in order; `whole` says that no more follow. A rapid move in machine coordinates (G53 G0)
    depends on none of them, and is how many programs begin. G92.1 and G49 hold only after their line: its target is
    read by then (Grbl, gcode.c).
    """
    found = Settings()
    for line in lines:
        found.take(line)
        if found.done:
            break
    # What never came up in all these lines is not needed in them.
    unmoved = OF_MOVES if whole and not found.moved else frozenset()
    return frozenset(found.names | found.open | unmoved)


def _code(number: bytes) -> str:
    return f"G{float(number):g}"
