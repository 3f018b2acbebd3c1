"""What the reference reading sees beside the path: heat, spindle, speeds, first times, unanswered questions.

Called by `reference` before the words of a line act, and at each motion. Written from the words of
`fleetctl.gcode.facts` and `hazards`; slow and plain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reference import Reading

Words = dict[str, Fraction]

NOZZLE, BED, CHAMBER = (1040, 1090), (1400, 1900), (1410, 1910)
AXES = frozenset("XYZ")


@dataclass
class Heat:
    """One heater: when it was first named, its greatest target, its last."""

    first: int
    top: Fraction
    top_line: int
    end: Fraction
    end_line: int


@dataclass
class Watch:
    """Facts that grow line by line."""

    heaters: dict[str, Heat] = field(default_factory=dict)
    nozzles: dict[int, Fraction] = field(default_factory=dict)
    tool_lines: dict[int, int] = field(default_factory=dict)
    hazards: dict[str, tuple[int, int]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    heated: bool = False
    feed_zero: bool = False
    spindle: bool = False
    s: Fraction = Fraction(0)
    no_speed: bool = False
    s_max: Fraction = Fraction(0)
    s_max_line: int = 0
    s_on_motion: int = 0
    on_line: int = 0
    switched_line: int = 0
    dynamic_line: int = 0
    units_line: int = 0
    distance_line: int = 0
    motion_line: int = 0
    home_line: int = 0
    work_line: int = 0
    max_feed: Fraction = Fraction(0)
    max_feed_line: int = 0
    cutting_mm: float = 0.0

    def note(self, name: str, line: int) -> None:
        first, count = self.hazards.get(name, (line, 0))
        self.hazards[name] = (first, count + 1)

    def once(self, name: str, line: int, wrong: bool) -> None:
        """A question that is asked at the first motion it concerns, and never again."""
        if name not in self.asked:
            self.asked.add(name)
            if wrong:
                self.note(name, line)

    def heat(self, name: str, target: Fraction, line: int, stays: bool = True) -> None:
        """A target that is set; one that does not stay counts only for the greatest."""
        if not stays and target <= 0:
            return
        heater = self.heaters.get(name)
        if heater is None:
            self.heaters[name] = Heat(line, target, line, target if stays else Fraction(0), line)
            return
        if target > heater.top:
            heater.top, heater.top_line = target, line
        if stays:
            heater.end, heater.end_line = target, line

    def words(self, r: Reading, g: list[int], m: list[int], w: Words) -> None:
        """The words of one line, before they act."""
        if r.dialect.cnc:
            self.spindle_words(r.line, m, w)
        elif "T" in w and not (g or m):
            self.tool_lines.setdefault(int(w["T"]), r.line)
        if r.dialect.cnc and "T" in w:
            self.tool_lines.setdefault(int(w["T"]), r.line)
        for code in m:
            self.heat_words(r, code, w)
        for code in [] if r.dialect.cnc else m:
            freed = bool(AXES & set(w)) or "E" not in w
            lets_go = code in (180, 840) and (r.dialect.extended or (freed and "S" not in w))
            if lets_go and "motion_before_home" not in self.hazards:
                self.asked.discard("motion_before_home")
        for code in g:
            if code in (200, 210):
                self.units_line = self.units_line or r.line
                self.asked.add("units_assumed")
            elif code in (900, 910):
                self.distance_line = self.distance_line or r.line
                self.asked.add("distance_assumed")
            elif code == 280:
                self.home_line = self.home_line or r.line
                if not r.dialect.cnc:
                    self.motion_line = self.motion_line or r.line
                    self.asked.add("motion_before_home")
        if "F" in w:
            self.feed_zero = w["F"] == 0
            self.asked.add("feed_missing")

    def heat_words(self, r: Reading, code: int, w: Words) -> None:
        target = w.get("S", w.get("R"))
        if code in NOZZLE and "B" in w:
            self.heat("nozzle", w["B"], r.line, stays=False)
        for name, codes in (("nozzle", NOZZLE), ("bed", BED), ("chamber", CHAMBER)):
            if code in codes and "R" in w:
                self.heat(name, w["R"], r.line, stays=False)  # RepRapFirmware: what it idles at
        if code in NOZZLE and target is not None:
            self.nozzles[int(w.get("T", r.tool))] = target
            self.heat("nozzle", target, r.line)
            self.heaters["nozzle"].end = max(0, *self.nozzles.values(), Fraction(0))
            self.heated |= target > 0
        elif code in BED and target is not None:
            self.heat("bed", target, r.line)
        elif code in CHAMBER and target is not None:
            self.heat("chamber", target, r.line)
        elif code == 3030 and "S" in w:
            self.heat("bed" if w.get("E", 0) < 0 else "nozzle", w["S"], r.line, stays=False)
        elif code == 1450:
            self.heat("nozzle", w.get("H", Fraction(0)), r.line, stays=False)
            self.heat("bed", w.get("B", Fraction(0)), r.line, stays=False)

    def spindle_words(self, line: int, m: list[int], w: Words) -> None:
        if "S" in w:
            self.s = w["S"]
            self.no_speed &= self.s <= 0
            self.s_on_motion += bool(AXES & set(w))
        for code in m:
            if code in (30, 40, 50):
                self.switched_line = line
                self.spindle = code != 50
                self.no_speed = self.spindle and self.s <= 0 and "spindle_no_speed" not in self.hazards
            if code in (30, 40):
                self.on_line = self.on_line or line
                if code == 40:
                    self.dynamic_line = self.dynamic_line or line
        if self.spindle and self.s > self.s_max:
            self.s_max, self.s_max_line = self.s, line

    def motion(
        self, r: Reading, w: Words, pushed: Fraction, moved: bool, work: bool, length: float, rapid: bool
    ) -> None:
        """One motion, with what it turned out to be."""
        line = r.line
        self.motion_line = self.motion_line or line
        self.once("units_assumed", line, True)
        self.once("distance_assumed", line, True)
        if not r.dialect.cnc:
            if AXES & set(w):
                self.once("motion_before_home", line, True)
            if pushed > 0:
                self.once("extrude_before_hot", line, not self.heated)
        if not rapid:
            self.once("feed_missing", line, True)
            if self.feed_zero:
                self.note("feed_zero", line)
                self.feed_zero = False
            if r.dialect.cnc and not self.spindle and "spindle_off_cut" not in self.hazards:
                self.note("spindle_off_cut", line)
            if self.no_speed:
                self.note("spindle_no_speed", line)
                self.no_speed = False
        feed = (r.feed or Fraction(0)) * Fraction(r.filament.feed_factor)
        if feed > self.max_feed and (moved or pushed) and not (rapid and r.dialect.cnc):
            self.max_feed, self.max_feed_line = feed, line
        if work:
            self.cutting_mm += length
            self.work_line = self.work_line or line
