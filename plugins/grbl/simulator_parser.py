"""How the pretend Grbl reads one line of G-code: words, modal groups, and every refusal with its number.

A line is judged whole before anything is done with it (validate, then act). Error numbers and their order follow the
documentation of Grbl 1.1 (`error_codes_en_US.csv`, `gcode.c`). It must not know the link, the planner or time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fleetctl.sim.motion import Arc, Point, arc_sweep_rad

INCH_MM = 25.4
MOST_LINE_NUMBER = 9_999_999
AXES = "XYZ"

WORD = re.compile(r"([A-Z])([-+]?(?:\d+\.?\d*|\.\d+))?")

MOTIONS = {0: "G0", 10: "G1", 20: "G2", 30: "G3", 382: "G38.2", 383: "G38.3", 384: "G38.4", 385: "G38.5", 800: "G80"}
GROUPS: dict[int, str] = (
    dict.fromkeys(MOTIONS, "motion")
    | dict.fromkeys((40, 100, 280, 281, 300, 301, 530, 920, 921), "once")
    | dict.fromkeys((170, 180, 190), "plane")
    | dict.fromkeys((900, 910), "distance")
    | {911: "arc distance", 400: "cutter", 610: "path"}
    | dict.fromkeys((930, 940), "feed mode")
    | dict.fromkeys((200, 210), "units")
    | dict.fromkeys((431, 490), "tool length")
    | dict.fromkeys((540, 550, 560, 570, 580, 590), "coordinates")
)
"""G codes times ten, and the modal group of each."""
M_GROUPS = {0: "flow", 1: "flow", 2: "flow", 30: "flow", 3: "spindle", 4: "spindle", 5: "spindle"} | {
    8: "coolant",
    9: "coolant",
}
TAKES_AXES = frozenset((100, 280, 300, 920, 431))
PLANE_AXES = {17: (0, 1, 2), 18: (2, 0, 1), 19: (1, 2, 0)}
OFFSET_LETTERS = "IJK"


class Refused(Exception):
    """The line is refused with `error:code` and nothing has changed."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error:{code}")
        self.code = code


@dataclass(slots=True)
class Modes:
    """The modal state between lines. `motion` is the G code times ten."""

    motion: int = 0
    plane: int = 17
    inches: bool = False
    absolute: bool = True
    inverse_time: bool = False
    coordinates: int = 0
    tool_length_mm: float = 0.0
    feed_mm_min: float = 0.0
    rpm: float = 0.0
    tool: int = 0
    spindle: int = 5
    flood: bool = False


@dataclass(slots=True)
class Offsets:
    """Where coordinates start, machine mm. All but `g92` live in the EEPROM."""

    work: list[Point] = field(default_factory=lambda: [(0.0, 0.0, 0.0)] * 6)
    g28: Point = (0.0, 0.0, 0.0)
    g30: Point = (0.0, 0.0, 0.0)
    g92: Point = (0.0, 0.0, 0.0)

    def total(self, modes: Modes) -> Point:
        """Machine position minus work position."""
        (x, y, z), (a, b, c) = self.work[modes.coordinates], self.g92
        return (x + a, y + b, z + c + modes.tool_length_mm)


@dataclass(slots=True)
class Block:
    """One accepted line: the modes after it and what to do once. `target` is in machine mm."""

    modes: Modes
    once: int | None = None
    moves: bool = False
    target: Point = (0.0, 0.0, 0.0)
    arc: Arc | None = None
    dwell_s: float = 0.0
    flow: int | None = None
    spindle_named: bool = False
    inverse_minutes: float | None = None
    work_index: int = 0
    work_point: Point | None = None
    any_axis: bool = False
    changes_tool: bool = False
    named_axes: tuple[int, ...] = ()


def read_words(text: str) -> list[tuple[str, float]]:
    """Letters and numbers of a line without spaces and comments; error 1 or 2 for what is neither."""
    words: list[tuple[str, float]] = []
    at = 0
    while at < len(text):
        found = WORD.match(text, at)
        if found is None:
            raise Refused(1)
        if found[2] is None:
            raise Refused(2)
        words.append((found[1], float(found[2])))
        at = found.end()
    return words


class Reader:
    """Reads one line against the state before it. Use once: `Reader(...).block()`."""

    def __init__(
        self,
        text: str,
        modes: Modes,
        position: Point,
        offsets: Offsets,
        *,
        jog: bool = False,
        knows_m6: bool = False,
    ) -> None:
        self._before = modes
        self._knows_m6 = knows_m6
        self._changes_tool = False
        self._position = position
        self._offsets = offsets
        self._jog = jog
        self._values: dict[str, float] = {}
        self._codes: dict[str, int] = {}
        self._axis_code: int | None = None
        for letter, value in read_words(text):
            self._take(letter, value)

    def _take(self, letter: str, value: float) -> None:
        if letter == "G":
            self._take_g(round(value * 10), value)
        elif letter == "M":
            code = int(value)
            if code != value:
                raise Refused(23)
            if code == 6 and self._knows_m6:
                self._changes_tool = True
                return
            if code not in M_GROUPS:
                raise Refused(20)
            self._take_code(M_GROUPS[code], code)
        elif letter in "FIJKLNPRSTXYZ":
            if letter in self._values:
                raise Refused(25)
            if letter in "FNPST" and value < 0:
                raise Refused(4)
            self._values[letter] = value
        else:
            raise Refused(20)

    def _take_g(self, code: int, value: float) -> None:
        if code not in GROUPS or abs(code - value * 10) > 1e-6:
            raise Refused(20)
        if code in TAKES_AXES or GROUPS[code] == "motion":
            if self._axis_code is not None:
                raise Refused(24 if GROUPS[code] != "motion" or self._axis_code in TAKES_AXES else 21)
            self._axis_code = code
        self._take_code(GROUPS[code], code)

    def _take_code(self, group: str, code: int) -> None:
        if group in self._codes:
            raise Refused(21)
        self._codes[group] = code

    def block(self) -> Block:
        """The accepted line. Raises Refused."""
        if self._jog:
            self._check_jog()
        modes = self._modes()
        block = Block(modes, once=self._codes.get("once"), flow=self._codes.get("flow"))
        block.changes_tool = self._changes_tool
        block.spindle_named = "spindle" in self._codes or "S" in self._values
        block.named_axes = tuple(axis for axis, letter in enumerate(AXES) if letter in self._values)
        block.any_axis = bool(block.named_axes)
        if self._values.pop("N", 0.0) > MOST_LINE_NUMBER:
            raise Refused(27)
        if block.any_axis and self._axis_code is None:
            self._axis_code = modes.motion
        block.moves = self._axis_code is not None and GROUPS[self._axis_code] == "motion"
        self._feed(block)
        self._once(block)
        self._read_tool_length(block)
        if block.moves:
            self._motion(block)
        self._no_word_left()
        return block

    def _check_jog(self) -> None:
        allowed = {"units", "distance"}
        if any(group not in allowed and self._codes[group] != 530 for group in self._codes):
            raise Refused(16)
        if self._axis_code is not None:
            raise Refused(16)
        if not any(letter in self._values for letter in AXES):
            raise Refused(26)
        if not self._values.get("F"):
            raise Refused(22)
        self._axis_code = 10

    def _modes(self) -> Modes:
        before, codes = self._before, self._codes
        modes = replace(before)
        if self._axis_code in MOTIONS and self._axis_code is not None:
            modes.motion = self._axis_code
        modes.plane = codes.get("plane", before.plane * 10) // 10
        modes.inches = codes.get("units", 200 if before.inches else 210) == 200
        modes.absolute = codes.get("distance", 900 if before.absolute else 910) == 900
        modes.inverse_time = codes.get("feed mode", 930 if before.inverse_time else 940) == 930
        if "coordinates" in codes:
            modes.coordinates = (codes["coordinates"] - 540) // 10
        modes.spindle = codes.get("spindle", before.spindle)
        modes.flood = codes.get("coolant", 8 if before.flood else 9) == 8
        if "S" in self._values:
            modes.rpm = self._values.pop("S")
        if "T" in self._values:
            tool = self._values.pop("T")
            if tool != int(tool):
                raise Refused(23)
            modes.tool = int(tool)
        return modes

    def _feed(self, block: Block) -> None:
        modes = block.modes
        feed = self._values.pop("F", None)
        needs_feed = block.moves and modes.motion not in (0, 800)
        if modes.inverse_time:
            if needs_feed and feed is None:
                raise Refused(22)
            if feed:
                block.inverse_minutes = 1 / feed
            return
        if feed is not None:
            modes.feed_mm_min = feed * self._unit(modes)
        elif self._before.inverse_time:
            modes.feed_mm_min = 0.0
        if needs_feed and modes.feed_mm_min == 0:
            raise Refused(22)

    @staticmethod
    def _unit(modes: Modes) -> float:
        return INCH_MM if modes.inches else 1.0

    def _axis_values(self, modes: Modes) -> list[float | None]:
        """X, Y, Z of the line in mm, taken out of the words."""
        unit = self._unit(modes)
        return [self._values.pop(letter) * unit if letter in self._values else None for letter in AXES]

    def _target(self, modes: Modes, values: Sequence[float | None], *, machine: bool) -> Point:
        base = self._offsets.total(modes)
        point = list(self._position)
        for index, value in enumerate(values):
            if value is None:
                continue
            if machine:
                point[index] = value
            elif modes.absolute:
                point[index] = value + base[index]
            else:
                point[index] += value
        return (point[0], point[1], point[2])

    def _once(self, block: Block) -> None:
        modes = block.modes
        if block.once == 40:
            if "P" not in self._values:
                raise Refused(28)
            block.dwell_s = self._values.pop("P")
        elif block.once == 100:
            self._g10(block)
        elif block.once == 920:
            if not block.any_axis:
                raise Refused(26)
            base = self._offsets.work[modes.coordinates]
            shift = list(self._offsets.g92)
            for index, value in enumerate(self._axis_values(modes)):
                if value is not None:
                    length = modes.tool_length_mm if index == 2 else 0.0
                    shift[index] = self._position[index] - base[index] - value - length
            block.work_point = (shift[0], shift[1], shift[2])
        elif block.once in (280, 300):
            block.target = self._target(modes, self._axis_values(modes), machine=False)
        elif block.once == 530 and modes.motion not in (0, 10):
            raise Refused(30)

    def _g10(self, block: Block) -> None:
        if not block.any_axis:
            raise Refused(26)
        if "P" not in self._values or "L" not in self._values:
            raise Refused(28)
        if "R" in self._values:
            raise Refused(20)
        way, number = self._values.pop("L"), int(self._values.pop("P"))
        if way not in (2, 20):
            raise Refused(20)
        if number > 6:
            raise Refused(29)
        block.work_index = number - 1 if number else block.modes.coordinates
        point = list(self._offsets.work[block.work_index])
        for index, value in enumerate(self._axis_values(block.modes)):
            if value is None:
                continue
            length = block.modes.tool_length_mm if index == 2 else 0.0
            here = self._position[index] - self._offsets.g92[index] - length
            point[index] = value if way == 2 else here - value
        block.work_point = (point[0], point[1], point[2])

    def _read_tool_length(self, block: Block) -> None:
        code = self._codes.get("tool length")
        if code == 490:
            block.modes.tool_length_mm = 0.0
        elif code == 431:
            if "Z" not in self._values or "X" in self._values or "Y" in self._values:
                raise Refused(37)
            block.modes.tool_length_mm = self._values.pop("Z") * self._unit(block.modes)

    def _motion(self, block: Block) -> None:
        modes = block.modes
        values = self._axis_values(modes)
        if modes.motion == 800:
            if block.any_axis:
                raise Refused(31)
            block.moves = False
            return
        block.target = self._target(modes, values, machine=block.once == 530)
        if modes.motion in (0, 10):
            block.moves = block.any_axis
            return
        if not block.any_axis:
            raise Refused(26)
        if modes.motion in (20, 30):
            first, second, third = PLANE_AXES[modes.plane]
            if values[first] is None and values[second] is None:
                raise Refused(32)
            block.arc = self._arc(modes, block.target, (first, second, third))
        elif block.target == self._position:
            raise Refused(33)

    def _arc(self, modes: Modes, target: Point, axes: tuple[int, int, int]) -> Arc:
        first, second, third = axes
        unit = self._unit(modes)
        x, y = self._position[first], self._position[second]
        dx, dy = target[first] - x, target[second] - y
        clockwise = modes.motion == 20
        if "R" in self._values:
            centre = self._centre_of_radius(self._values.pop("R") * unit, (x, y), (dx, dy), clockwise)
        else:
            letters = (OFFSET_LETTERS[first], OFFSET_LETTERS[second])
            if not any(letter in self._values for letter in letters):
                raise Refused(35)
            i_mm, j_mm = (self._values.pop(letter, 0.0) * unit for letter in letters)
            centre = (x + i_mm, y + j_mm)
        radius = math.hypot(x - centre[0], y - centre[1])
        ends = math.hypot(target[first] - centre[0], target[second] - centre[1])
        error = abs(radius - ends)
        if error > 0.5 or (error > 0.005 and error > 0.001 * radius):
            raise Refused(33)
        start_rad = math.atan2(y - centre[1], x - centre[0])
        end_rad = math.atan2(target[second] - centre[1], target[first] - centre[0])
        return Arc(centre, radius, start_rad, arc_sweep_rad(start_rad, end_rad, clockwise), first, second, third)

    @staticmethod
    def _centre_of_radius(
        radius: float, start: tuple[float, float], delta: tuple[float, float], clockwise: bool
    ) -> tuple[float, float]:
        chord = math.hypot(*delta)
        if chord == 0:
            raise Refused(33)
        height_squared = radius * radius - chord * chord / 4
        if height_squared < 0:
            raise Refused(34)
        side = -1.0 if clockwise == (radius > 0) else 1.0
        height = side * math.sqrt(height_squared)
        middle = (start[0] + delta[0] / 2, start[1] + delta[1] / 2)
        return (middle[0] - delta[1] / chord * height, middle[1] + delta[0] / chord * height)

    def _no_word_left(self) -> None:
        """Words that nothing used: error 31 for axes, 36 for others."""
        if any(letter in self._values for letter in AXES):
            raise Refused(31)
        if self._values:
            raise Refused(36)
