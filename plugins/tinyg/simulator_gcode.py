"""What a line of G-code does on the pretend TinyG: modes, moves, offsets, homing and probing cycles, switches.

Straight and arc words alike are straight moves. A part of `TinygSimulator`; it must not know bytes or JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fleetctl.sim.motion import Move, Point, direction, limited

from .simulator_json import JsonLines

COMMENT = re.compile(rb"\([^)]*\)?|;.*")
WORD = re.compile(r"([A-Z])([-+]?(?:\d+\.?\d*|\.\d+))")
RATES_MM_S: Point = (33.0, 33.0, 13.0)
ACCELS_MM_S2: Point = (100.0, 100.0, 100.0)
AXES = "XYZ"
HOMING_S = 6.0
KNOWN_G = frozenset(
    (
        *(0, 1, 2, 3, 4, 10, 17, 18, 19, 20, 21, 28, 28.2, 28.3, 30, 38.2, 40, 49, 53, 54, 55, 56, 57, 58, 59),
        *(61, 61.1, 64, 80, 90, 91, 92, 92.1, 93, 94),
    )
)
KNOWN_M = frozenset((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 30, 60))
NOOP, UNSUPPORTED, MALFORMED, NO_FEED, ALARMED, PROBE_FAILED = 3, 100, 101, 142, 203, 250


def significant(line: bytes) -> str:
    """What counts of a line: no comments and blanks, upper case."""
    return COMMENT.sub(b"", line).translate(None, bytes(range(33))).decode("latin-1").upper()


class GcodeLines(JsonLines):
    """The part of `TinygSimulator` that carries out lines."""

    def do_line(self, line: bytes) -> None:
        """Read one line, act, and answer it."""
        self.line_bytes = len(line) + 1
        if line.lstrip().startswith(b"{"):
            self.do_json(line)
        else:
            self.answer({}, self._do_gcode(significant(line)))
        self.line_bytes = 0
        self.report_changes()

    def _do_gcode(self, text: str) -> int:
        self.heard.add(text, self.now_s)
        if self.alarmed or self.stat == 2:
            return 204 if self.is_g2core else ALARMED
        if self.is_g2core and self.stat in (self.shut_down, 13):
            return 205
        if not text:
            return 0
        if text.startswith("/"):
            return NOOP
        words = [(letter, float(value)) for letter, value in WORD.findall(text)]
        if "".join(letter + value for letter, value in WORD.findall(text)) != text:
            return MALFORMED
        codes = {value for letter, value in words if letter == "G"}
        flow = {value for letter, value in words if letter == "M"}
        values = {letter: value for letter, value in words if letter not in "GM"}
        if codes - KNOWN_G or flow - KNOWN_M or values.keys() - set("XYZIJKLRFSPTN"):
            return UNSUPPORTED
        status = self._carry_out(codes, flow, values)
        if status == 0:
            self.executed.add(text, self.now_s)
        return status

    def _carry_out(self, codes: set[float], flow: set[float], values: dict[str, float]) -> int:
        self._take_modes(codes, values)
        if "S" in values:
            self._queue(f"S{values['S']:g}")
        for code in sorted(flow - {0, 1, 2, 30, 60}):
            self._queue(f"M{code:g}")
        given = any(axis in values for axis in AXES)
        if 4 in codes:
            self._dwell(values.get("P", 0.0))
        elif 10 in codes:
            return self._set_frame(values)
        elif codes & {28.2, 38.2}:
            return self._cycle(28.2 in codes, values)
        elif 92 in codes or 92.1 in codes:
            self._set_g92(values if 92 in codes else None)
        elif given and not codes & {28, 28.3, 30}:
            status = self._move(values, machine=53 in codes)
            if status:
                return status
        if flow & {2, 30}:
            self._queue("M30")
        elif flow & {0, 1, 60}:
            self._queue("M0")
        return 0

    def _take_modes(self, codes: set[float], values: dict[str, float]) -> None:
        self.inches = True if 20 in codes else False if 21 in codes else self.inches
        self.relative = False if 90 in codes else True if 91 in codes else self.relative
        self.plane = next((int(code) - 17 for code in codes & {17, 18, 19}), self.plane)
        self.feed_mode = next((int(code) - 93 for code in codes & {93, 94}), self.feed_mode)
        self.frame = next((int(code) - 53 for code in codes & {54, 55, 56, 57, 58, 59}), self.frame)
        if "F" in values:
            self.feed_mm_min = values["F"] * self.unit_mm
        if 80 in codes:
            self.motion = 4
        else:
            self.motion = next((int(code) for code in codes & {0, 1, 2, 3}), self.motion)

    def _move(self, values: dict[str, float], *, machine: bool) -> int:
        if self.motion == 4:
            return MALFORMED
        if self.motion and self.feed_mm_min <= 0:
            return NO_FEED
        start, end = self.planned, self._target(values, machine=machine)
        travel = self.options.travel_mm
        if travel and self.is_homed and any(not -travel <= each <= 0.0 for each in end):
            status = 221 if self.is_g2core else 220
            self.alarm(status, "Soft limit exceeded")
            return status
        unit, length = direction(start, end)
        if length > 0:
            speed = limited(self.feed_mm_min / 60 if self.motion else 1e9, unit, RATES_MM_S)
            accel = limited(1e9, unit, ACCELS_MM_S2)
            self._push(Move(start, end, length, speed, accel, unit, unit, rapid=not self.motion))
        self.planned = end
        self.cutting_moves += bool(self.motion)
        return 0

    def _target(self, values: dict[str, float], *, machine: bool) -> Point:
        target = list(self.planned)
        for index, axis in enumerate(AXES):
            if axis in values:
                place = values[axis] * self.unit_mm
                target[index] = place + (
                    self.planned[index] if self.relative else 0.0 if machine else self.offset_mm[index]
                )
        return (target[0], target[1], target[2])

    def _push(self, move: Move) -> None:
        self.planner.push(move, self.now_s)
        self._pushed += 1
        if self.stat in (1, 3, 4):
            self.go(5)

    def _queue(self, action: str) -> None:
        """A command in the planner's queue, carried out when everything before it is."""
        self._actions.append((self._pushed, action))
        self._carry_out_actions()

    def _dwell(self, seconds: float) -> None:
        if seconds > 0:
            here = self.planned
            self._push(Move(here, here, seconds, 1.0, 1e9, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))

    def _set_frame(self, values: dict[str, float]) -> int:
        number = int(values.get("P", 0))
        if not 1 <= number <= 6:
            return 110
        offset = list(self.frames[number - 1])
        for index, axis in enumerate(AXES):
            if axis in values:
                offset[index] = values[axis] * self.unit_mm
        self.frames[number - 1] = (offset[0], offset[1], offset[2])
        return 0

    def _set_g92(self, values: dict[str, float] | None) -> None:
        offset = list(self.g92)
        for index, axis in enumerate(AXES):
            if values is None:
                offset[index] = 0.0
            elif axis in values:
                frame = self.frames[self.frame - 1][index]
                offset[index] = self.planned[index] - frame - values[axis] * self.unit_mm
        self.g92 = (offset[0], offset[1], offset[2])

    # Cycles: nothing is read before they end

    def _cycle(self, homing: bool, values: dict[str, float]) -> int:
        if self.planner.queued or self._actions:
            return 106  # pretend: the real one waits for its planner first; our host sends it at rest
        if homing:
            self.is_homed = False
            self._begin_cycle(9, HOMING_S if self.options.homing else 0.5, self._homed)
            return 0
        if self.feed_mm_min <= 0:
            return NO_FEED
        end = self._target(values, machine=False)
        plate = self.options.probe_z_mm
        start = self.planned
        touches = start[2] > plate >= end[2]
        unit, length = direction(start, end)
        if touches:
            share = (start[2] - plate) / (start[2] - end[2])
            end = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share, plate)
            length *= share
        if length <= 0:
            return 251
        speed = limited(self.feed_mm_min / 60, unit, RATES_MM_S)
        accel = limited(1e9, unit, ACCELS_MM_S2)
        self.stat = 7
        self._push(Move(start, end, length, speed, accel, unit, unit))
        self.planned = end
        self.spindle = 0
        self._begin_cycle(7, self.planner.next_deadline() or self.now_s, lambda: self._probed(touches), at=True)
        return 0

    def _begin_cycle(self, stat: int, seconds: float, at_end: Callable[[], None], *, at: bool = False) -> None:
        self.cycle = (seconds if at else self.now_s + seconds, at_end)
        self.stat = stat
        self._report_at_s = self.now_s + self.options.report_s

    def _homed(self) -> None:
        if not self.options.homing:
            self.go(3)
            self.answer({"msg": "Homing error - X axis settings misconfigured"}, 240)
            return
        self._zero = (0.0, 0.0, 0.0)
        self.planner.place((0.0, 0.0, 0.0))
        self.planned = (0.0, 0.0, 0.0)
        self.is_homed = True
        self.go(3)

    def _probed(self, touched: bool) -> None:
        self.motion = 4
        place = self.planner.position(self.now_s)
        self.tell_probe(touched, place)
        if self.is_g2core and not touched:
            self.alarm(PROBE_FAILED, "Probe cycle failed")
        else:
            self.go(3)

    # What is carried out in its turn

    def switch(self, action: str) -> None:
        """An action of the queue."""
        code, value = action[0], float(action[1:])
        if code == "S":
            self.speed = value
        elif value in (3, 4, 5):
            self.spindle = 0 if value == 5 else int(value)
        elif value in (7, 8, 9):
            self.flood = value == 8 or (self.flood and value == 7)
            self.mist = value == 7 or (self.mist and value == 8)
        elif value == 30:
            self.spindle, self.flood, self.mist = 0, False, False
            self.g92, self.frame, self.plane, self.relative, self.motion = (0.0, 0.0, 0.0), 1, 0, False, 4
            if self.cutting_moves:
                self._make_parts()
            self.cutting_moves = 0
            self.go(4)
        elif value == 0:
            self.go(3)
