"""Percentages, volumes and firmware retraction for the reference reading, as Marlin's pages describe them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from fleetctl.gcode import Dialect


@dataclass
class Filament:
    """Flow and diameter by tool, retraction for all; lengths in mm, speeds in mm/s."""

    tool: int = 0
    flow: dict[int, Fraction] = field(default_factory=dict)
    diameter: dict[int, Fraction] = field(default_factory=dict)
    feed_factor: float = 1.0
    length: Fraction = Fraction(0)
    extra: Fraction = Fraction(0)
    speeds: list[Fraction] = field(default_factory=lambda: [Fraction(45), Fraction(8)])
    back: bool = False

    @property
    def factor(self) -> Fraction:
        """Filament per E."""
        flow, diameter = self.flow.get(self.tool, Fraction(1)), self.diameter.get(self.tool)
        return flow / (Fraction(math.pi) / 4 * diameter**2) if diameter else flow

    def command(self, dialect: Dialect, m: int, w: dict[str, Fraction], unit: Fraction) -> None:
        """M200 D, M207, M208, M220, M221; Klipper has only the percentages, RepRapFirmware's M208 is the travel.

        `unit` is what a length of 1 is, mm."""
        if m in (2000, 2070, 2080) and (dialect.name == "klipper" or (m == 2080 and dialect.name == "rrf")):
            return
        if m == 2000 and "D" in w:
            self.diameter[self.tool] = w["D"] * unit
        elif m == 2210 and w.get("S"):
            self.flow[self.tool] = w["S"] / 100
        elif m == 2200 and w.get("S"):
            self.feed_factor = float(w["S"]) / 100
        elif m == 2070:
            self.length = w.get("S", self.length)
            if "F" in w:
                self.speeds = [w["F"] / 60, w["F"] / 60 if dialect.name == "rrf" else self.speeds[1]]
        elif m == 2080:
            self.extra = w.get("S", self.extra)
            self.speeds[1] = w["F"] / 60 if "F" in w else self.speeds[1]

    def retract(self, back: bool) -> Fraction:
        """How far the filament goes at G10, or at G11 (`back`)."""
        if self.back != back:
            return Fraction(0)
        self.back = not back
        return self.length + self.extra if back else -self.length
