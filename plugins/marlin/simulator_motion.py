"""How the pretend Marlin moves: positions, modes, limits, homing, and the moves it queues.

It must not know the link or the heat, except that cold plastic is not pushed. Behaviour is Marlin 2.1's with stock
configuration: soft endstops on homed axes, no motion modes, G92 shifts the coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fleetctl.sim.machine import Task, Wait
from fleetctl.sim.motion import Arc, Move, Point, arc_sweep_rad, direction, limited

if TYPE_CHECKING:
    from .simulator import MarlinSimulator

Words = dict[str, float | None]

AXES = "XYZE"
COLD_DEGC = 170.0
INCH_MM = 25.4
BUMP_S = 2.0
PROBES_A_SIDE = 3
PROBE_S = 2.0
SLOWEST_MM_S = 0.01


class Motion:
    """Position and modes. `native` is X, Y, Z, E in machine coordinates, mm, at the end of all that is queued."""

    def __init__(self, machine: MarlinSimulator) -> None:
        self.machine = machine
        self.native = [0.0, 0.0, 0.0, 0.0]
        self.shift = [0.0, 0.0, 0.0, 0.0]
        self.relative = False
        self.relative_e = False
        self.unit_mm = 1.0
        self.feed_mm_s = 25.0
        self.feed_percent = 100.0
        self.flow_percent = 100.0
        self.accel_print = 1000.0
        self.accel_travel = 1500.0
        self.accel_retract = 2000.0
        self.axis_accel = [2000.0, 2000.0, 100.0, 5000.0]
        self.axis_speed = [300.0, 300.0, 10.0, 60.0]
        self.homed: set[str] = set()
        self.cold_degc = COLD_DEGC
        self.extruded_mm = 0.0
        self.since_plate_mm = 0.0
        self.bounds_mm: tuple[Point, Point] | None = None

    def drained(self) -> Wait:
        """Until every queued move is done."""
        return Wait(lambda: self.machine.planner.queued == 0, motion=True)

    def take_position(self, point: Point) -> None:
        """Believe the tool to be here (after a quick stop)."""
        self.native[:3] = point

    def report(self) -> str:
        """The line of M114."""
        logical = [value - shift for value, shift in zip(self.native, self.shift, strict=True)]
        steps = self.machine.planner.position(self.machine.now_s)
        named = " ".join(f"{axis}:{value:.2f}" for axis, value in zip(AXES, logical, strict=True))
        return (
            named
            + " Count "
            + " ".join(f"{axis}:{round(value * 80)}" for axis, value in zip("XYZ", steps, strict=True))
        )

    # Moves

    def _target(self, words: Words) -> list[float]:
        target = list(self.native)
        for index, letter in enumerate(AXES):
            value = words.get(letter)
            if value is None:
                continue
            value *= self.unit_mm
            if self.relative_e if letter == "E" else self.relative:
                target[index] += value
            else:
                target[index] = value + self.shift[index]
        feed = words.get("F")
        if feed is not None and feed > 0:
            self.feed_mm_s = feed * self.unit_mm / 60
        return target

    def _g0(self, words: Words) -> Task | None:
        if self.machine.stopped:
            self.machine.say_stopped()
            return None
        return self._go(self._target(words), None)

    _g1 = _g0

    def _g2(self, words: Words) -> Task | None:
        return self._arc(words, clockwise=True)

    def _g3(self, words: Words) -> Task | None:
        return self._arc(words, clockwise=False)

    def _arc(self, words: Words, *, clockwise: bool) -> Task | None:
        if self.machine.stopped:
            self.machine.say_stopped()
            return None
        x, y = self.native[0], self.native[1]
        target = self._target(words)
        centre = self._arc_centre(words, target, clockwise)
        if centre is None:
            self.machine.say("Error:G2/G3 bad parameters")
            return None
        start_rad = math.atan2(y - centre[1], x - centre[0])
        end_rad = math.atan2(target[1] - centre[1], target[0] - centre[0])
        sweep_rad = arc_sweep_rad(start_rad, end_rad, clockwise)
        radius_mm = math.hypot(x - centre[0], y - centre[1])
        return self._go(target, Arc(centre, radius_mm, start_rad, sweep_rad, 0, 1, 2))

    def _arc_centre(self, words: Words, target: list[float], clockwise: bool) -> tuple[float, float] | None:
        x, y = self.native[0], self.native[1]
        radius = words.get("R")
        if radius is None:
            i_mm, j_mm = (words.get("I") or 0.0) * self.unit_mm, (words.get("J") or 0.0) * self.unit_mm
            return (x + i_mm, y + j_mm) if i_mm or j_mm else None
        radius *= self.unit_mm
        dx, dy = target[0] - x, target[1] - y
        chord = math.hypot(dx, dy)
        if chord == 0:
            return None
        side = -1.0 if clockwise == (radius > 0) else 1.0
        # A radius too small is taken as half the chord (Marlin, G2_G3.cpp).
        height = side * math.sqrt(max(0.0, radius * radius - chord * chord / 4))
        return (x + dx / 2 - dy / chord * height, y + dy / 2 + dx / chord * height)

    def _go(self, target: list[float], arc: Arc | None) -> Task | None:
        machine = self.machine
        pushed_mm = target[3] - self.native[3]
        if pushed_mm and machine.tool_degc() < self.cold_degc:
            machine.say("echo: cold extrusion prevented")
            self.native[3] = target[3]
            pushed_mm = 0.0
        self._clamp(target)
        move = self._plan(target, pushed_mm, arc)
        self.native = target
        if move is None:
            return None
        if machine.planner.free > 0:
            self._queue(move, pushed_mm)
            return None
        return self._queue_later(move, pushed_mm)

    def _clamp(self, target: list[float]) -> None:
        """Soft endstops: an axis that is homed cannot be sent off the machine."""
        for index, most_mm in enumerate(self.machine.options.bed_mm):
            if AXES[index] in self.homed:
                target[index] = min(max(target[index], 0.0), most_mm)

    def _plan(self, target: list[float], pushed_mm: float, arc: Arc | None) -> Move | None:
        start: Point = (self.native[0], self.native[1], self.native[2])
        end: Point = (target[0], target[1], target[2])
        speed = self.feed_mm_s * self.feed_percent / 100
        if arc is not None:
            length = arc.length_mm(end[2] - start[2])
            entry, leave = arc.ends()
            return Move(start, end, length, max(speed, SLOWEST_MM_S), self.accel_print, entry, leave, arc=arc)
        unit, length = direction(start, end)
        if length > 0:
            accel = limited(self.accel_print if pushed_mm else self.accel_travel, unit, self.axis_accel)
            speed = limited(speed, unit, self.axis_speed)
            return Move(start, end, length, max(speed, SLOWEST_MM_S), accel, unit, unit)
        if pushed_mm == 0:
            return None
        along_e = (0.0, 0.0, 0.0, math.copysign(1.0, pushed_mm))
        speed = max(min(speed, self.axis_speed[3]), SLOWEST_MM_S)
        return Move(start, end, abs(pushed_mm), speed, self.accel_retract, along_e, along_e)

    def _queue(self, move: Move, pushed_mm: float) -> None:
        self.machine.planner.push(move, self.machine.now_s)
        pushed_mm *= self.flow_percent / 100
        self.extruded_mm += pushed_mm
        if pushed_mm > 0 and (move.start[0], move.start[1]) != (move.end[0], move.end[1]):
            self.since_plate_mm += pushed_mm
        low, high = self.bounds_mm or (move.end, move.end)
        (x, y, z), (a, b, c), (d, e, f) = move.end, low, high
        self.bounds_mm = ((min(x, a), min(y, b), min(z, c)), (max(x, d), max(y, e), max(z, f)))

    def _queue_later(self, move: Move, pushed_mm: float) -> Task:
        stops = self.machine.quick_stops
        yield Wait(lambda: self.machine.planner.free > 0, motion=True)
        if self.machine.quick_stops == stops:
            self._queue(move, pushed_mm)

    # Homing and levelling

    def _g28(self, words: Words) -> Task:
        axes = [index for index, letter in enumerate("XYZ") if letter in words] or [0, 1, 2]
        yield self.drained()
        machine = self.machine
        for index in axes:
            speed = machine.options.homing_mm_s if index < 2 else machine.options.homing_z_mm_s
            done_s = machine.now_s + abs(machine.position_mm[index]) / speed + BUMP_S
            yield Wait(lambda: False, at_s=done_s)
            self.native[index] = self.shift[index] = 0.0
            machine.found_home(index, (self.native[0], self.native[1], self.native[2]))
            self.homed.add(AXES[index])
        machine.say(self.report())

    def _g29(self, words: Words) -> Task | None:
        if not {"X", "Y", "Z"} <= self.homed:
            self.machine.say("echo:Home XYZ First")
            return None
        return self._level()

    def _level(self) -> Task:
        yield self.drained()
        for _ in range(PROBES_A_SIDE * PROBES_A_SIDE):
            yield Wait(lambda: False, at_s=self.machine.now_s + PROBE_S)
        self.machine.say("Bilinear Leveling Grid:")
        self.machine.say("      0      1      2")
        for row in range(PROBES_A_SIDE):
            self.machine.say(f" {row}" + " +0.000" * PROBES_A_SIDE)

    # Modes and limits

    def _g20(self, words: Words) -> None:
        self.unit_mm = INCH_MM

    def _g21(self, words: Words) -> None:
        self.unit_mm = 1.0

    def _g90(self, words: Words) -> None:
        self.relative = self.relative_e = False

    def _g91(self, words: Words) -> None:
        self.relative = self.relative_e = True

    def _m82(self, words: Words) -> None:
        self.relative_e = False

    def _m83(self, words: Words) -> None:
        self.relative_e = True

    def _g92(self, words: Words) -> None:
        named = [letter for letter in AXES if letter in words]
        for index, letter in enumerate(AXES):
            if letter in named or not named:
                self.shift[index] = self.native[index] - (words.get(letter) or 0.0) * self.unit_mm

    def _m201(self, words: Words) -> None:
        self._set_limits(self.axis_accel, words)

    def _m203(self, words: Words) -> None:
        self._set_limits(self.axis_speed, words)

    def _set_limits(self, limits: list[float], words: Words) -> None:
        for index, letter in enumerate(AXES):
            value = words.get(letter)
            if value is not None and value > 0:
                limits[index] = value * self.unit_mm

    def _m204(self, words: Words) -> None:
        both = words.get("S")
        self.accel_print = words.get("P") or both or self.accel_print
        self.accel_travel = words.get("T") or both or self.accel_travel
        self.accel_retract = words.get("R") or self.accel_retract

    def _m220(self, words: Words) -> None:
        if (percent := words.get("S")) is None:
            self.machine.say(f"FR:{self.feed_percent:.0f}%")
        else:
            self.feed_percent = max(1.0, percent)

    def _m221(self, words: Words) -> None:
        if (percent := words.get("S")) is None:
            self.machine.say(f"echo:E0 Flow: {self.flow_percent:.0f}%")
        else:
            self.flow_percent = max(0.0, percent)
