"""Where zero is, for the reference reading: origins, G92, tool length, stored places, as plain sums of Fractions.

Written from RS274NGC's rule that a place is coordinate + G92 + tool length counted from the origin of the system; the
name of a frame is the system, with `+n` behind it while the length of tool n is only in the machine's table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

NONE = Fraction(0)


@dataclass
class Anchor:
    """G92 given where the axis stood in a frame that its own system says nothing about."""

    frame: str
    shift: Fraction
    system: str
    number: int | None


@dataclass
class Zero:
    """All that moves zero."""

    origins: dict[tuple[str, int], tuple[str, Fraction]] = field(default_factory=dict)
    g92: list[Fraction] = field(default_factory=lambda: [NONE] * 3)
    anchors: list[Anchor | None] = field(default_factory=lambda: [None] * 3)
    length: Fraction = NONE
    number: int | None = None

    def meaning(self, system: str, a: int) -> tuple[str, Fraction]:
        """(frame, what is added to a coordinate) of axis `a` in a system."""
        length = self.length if a == 2 else NONE
        anchor = self.anchors[a]
        if anchor is not None:
            same = anchor.system == system and (a < 2 or anchor.number == self.number)
            return (anchor.frame if same else "start", anchor.shift + length)
        frame, value = self.origins.get((system, a), (system, NONE))
        if a == 2 and self.number is not None:
            frame = "start" if frame == "start" or "+" in frame else f"{frame}+{self.number}"
        return frame, value + self.g92[a] + length

    def name(self, system: str, a: int, pos: Fraction, frame: str, value: Fraction) -> None:
        """G92: this place is called `value`."""
        self.anchors[a] = None
        natural, shift = self.meaning(system, a)
        if natural == frame:
            self.g92[a] += pos - value - shift
        else:
            length = self.length if a == 2 else NONE
            self.anchors[a] = Anchor(frame, pos - value - length, system, self.number)

    def clear(self) -> None:
        """G92.1."""
        self.g92, self.anchors = [NONE] * 3, [None] * 3

    def place_origin(self, system: str, a: int, frame: str, value: Fraction) -> None:
        """The origin of a system is at `value` of `frame` from here on."""
        self.origins[system, a] = (frame, value)
        anchor = self.anchors[a]
        if anchor is not None and anchor.system == system:
            anchor.system = "gone"

    def set_here(self, system: str, active: str, a: int, pos: Fraction, frame: str, value: Fraction) -> None:
        """G10 L20: this place reads `value` in `system`."""
        if self.anchors[a] is not None:
            self.place_origin(system, a, "start", NONE)
            if system == active:
                length = self.length if a == 2 else NONE
                self.anchors[a] = Anchor(frame, pos - value - length, system, self.number)
            return
        if a == 2 and self.number is not None:
            base, _, number = frame.partition("+")
            frame = base if number == str(self.number) else "start"
        self.place_origin(system, a, frame, pos - value - self.g92[a] - (self.length if a == 2 else NONE))
