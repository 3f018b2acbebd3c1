"""What the pretend Grbl does with an accepted line: outputs, offsets, motion, dwell, program flow, homing, jogging.

It must not know the link. Each task yields what it waits for; the answer is the caller's. Order of execution within a
line follows the table "Order of execution" of RS274/NGC as Grbl 1.1 documents it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fleetctl.sim.machine import Task, Wait
from fleetctl.sim.motion import Move, Point, direction, limited

from .simulator_parser import Block, Modes, Refused

if TYPE_CHECKING:
    from .simulator import GrblSimulator

NOWHERE: Point = (0.0, 0.0, 0.0)
SLOWEST_MM_S = 0.01


class Execution:
    """Carries out blocks on one machine."""

    def __init__(self, machine: GrblSimulator) -> None:
        self.machine = machine

    def drained(self) -> Wait:
        """Until every queued move is done."""
        return Wait(lambda: self.machine.planner.queued == 0, motion=True)

    def run(self, block: Block) -> Task:
        """One line of G-code."""
        machine = self.machine
        before = machine.modes
        machine.modes = replace(block.modes)
        if block.changes_tool and machine.firmware.tool_change == "waits" and not machine.checking:
            yield self.drained()
            machine.spindle = machine.modes.spindle = 5
            machine.await_tool()
            yield Wait(lambda: True)
        yield from self._outputs(block, before)
        if block.once == 40:
            yield from self._dwell(block.dwell_s)
        yield from self._once(block)
        if block.moves:
            yield from self._move(block)
        if block.flow is not None:
            yield from self._flow(block.flow)

    def _outputs(self, block: Block, before: Modes) -> Task:
        """Spindle and coolant change only after everything queued before them is done."""
        machine = self.machine
        modes = block.modes
        if machine.checking:
            return
        if (modes.spindle, modes.rpm) != (before.spindle, before.rpm) and block.spindle_named:
            if not (machine.settings[32] and modes.spindle == before.spindle):
                yield self.drained()
            turned = machine.spindle
            machine.spindle, machine.rpm = modes.spindle, modes.rpm
            machine.outputs_changed()
            if turned != modes.spindle:
                yield from self._spin()
        if modes.flood != machine.flood:
            yield self.drained()
            machine.flood = modes.flood
            machine.outputs_changed()

    def _spin(self) -> Task:
        """grblHAL and FluidNC wait for the spindle, in state Idle, as in a dwell."""
        if self.machine.options.spindle_s and self.machine.firmware.name != "grbl":
            yield Wait(lambda: False, at_s=self.machine.now_s + self.machine.options.spindle_s)

    def _dwell(self, seconds: float) -> Task:
        if not self.machine.checking:
            yield self.drained()
            yield Wait(lambda: False, at_s=self.machine.now_s + seconds * self.machine.options.dwell_stretch)

    def _once(self, block: Block) -> Task:
        """Offsets. Writing the EEPROM also happens in check mode, as in Grbl 1.1."""
        machine = self.machine
        offsets = machine.offsets
        if block.once == 100 and block.work_point is not None:
            offsets.work[block.work_index] = block.work_point
            yield from self.write_eeprom()
        elif block.once in (281, 301):
            yield self.drained()
            name = "g28" if block.once == 281 else "g30"
            setattr(offsets, name, machine.planned)
            yield from self.write_eeprom()
        elif block.once == 920 and block.work_point is not None:
            offsets.g92 = block.work_point
        elif block.once == 921:
            offsets.g92 = NOWHERE
        elif block.once in (280, 300):
            stored = offsets.g28 if block.once == 280 else offsets.g30
            if block.any_axis:
                yield from self.travel(block.target)
                # Only the named axes go on to the stored position (gcode.c, "Move only the axes specified").
                here = machine.planned
                x, y, z = (stored[axis] if axis in block.named_axes else here[axis] for axis in range(3))
                stored = (x, y, z)
            yield from self.travel(stored)
        if block.once is not None or machine.modes.tool_length_mm or block.modes.coordinates:
            machine.offsets_changed()

    def write_eeprom(self) -> Task:
        """An AVR hears nothing while it writes: bytes that arrive meanwhile are lost."""
        machine = self.machine
        yield self.drained()
        if machine.options.eeprom_write_s > 0 and machine.firmware.deaf_while_storing:
            machine.deaf_until_s = machine.now_s + machine.options.eeprom_write_s
            yield Wait(lambda: False, at_s=machine.deaf_until_s)

    def _move(self, block: Block) -> Task:
        modes = block.modes
        if modes.motion == 0:
            yield from self.travel(block.target)
        elif modes.motion in (10, 20, 30):
            yield from self.feed(block)
            self.machine.cutting_moves += not self.machine.checking
        else:
            yield from self._probe(block)

    def travel(self, target: Point) -> Task:
        """A rapid move in a straight line to a point in machine coordinates."""
        start = self.machine.planned
        unit, length = direction(start, target)
        speed = limited(1e9, unit, self.machine.rates_mm_s())
        accel = limited(1e9, unit, self.machine.accels_mm_s2())
        yield from self._queue(Move(start, target, length, speed, accel, unit, unit, rapid=True))

    def feed(self, block: Block) -> Task:
        """A G1, G2 or G3 move; an arc is one move here, where Grbl queues many short lines."""
        machine = self.machine
        start = machine.planned
        unit, length = direction(start, block.target)
        entry = leave = unit
        if block.arc is not None:
            length = block.arc.length_mm(block.target[block.arc.third] - start[block.arc.third])
            entry, leave = block.arc.ends()
        speed = block.modes.feed_mm_min / 60
        if block.inverse_minutes is not None:
            speed = length / (block.inverse_minutes * 60)
        speed = max(limited(speed, unit, machine.rates_mm_s()), SLOWEST_MM_S)
        accel = limited(1e9, entry, machine.accels_mm_s2())
        yield from self._queue(Move(start, block.target, length, speed, accel, entry, leave, arc=block.arc))

    def _queue(self, move: Move) -> Task:
        machine = self.machine
        if not machine.within_travel(move.end) or (move.arc and not self._arc_fits(move)):
            yield from self._soft_limit()
            return
        if move.length_mm > 0 and not machine.checking:
            yield Wait(lambda: machine.planner.free > 0, motion=True)
            machine.push(move)
        machine.planned = move.end

    def _arc_fits(self, move: Move) -> bool:
        """Grbl checks every short line of an arc; 32 points find the same overrun."""
        return all(self.machine.within_travel(move.at(step / 32)) for step in range(1, 32))

    def _soft_limit(self) -> Task:
        """Come to rest, then alarm: the line is never answered."""
        machine = self.machine
        if machine.planner.moving:
            machine.state = "Hold"
            machine.planner.hold(machine.now_s)
            yield Wait(lambda: not machine.planner.stopping, motion=True)
        machine.alarm(2)

    def _probe(self, block: Block) -> Task:
        """Straight down to the option `probe_z_mm`; G38.4 and G38.5 (away) are taken as having no contact."""
        machine = self.machine
        if machine.checking:
            return
        yield self.drained()
        if machine.probe_closed and block.modes.motion in (382, 383):
            machine.alarm(4)  # "already triggered before starting cycle" (gnea/grbl motion_control.c)
            return
        start, target = machine.planned, block.target
        surface = machine.options.probe_z_mm
        hit = block.modes.motion in (382, 383) and target[2] <= surface <= start[2] and target[2] < start[2]
        if hit:
            share = (start[2] - surface) / (start[2] - target[2])
            target = (
                start[0] + (target[0] - start[0]) * share,
                start[1] + (target[1] - start[1]) * share,
                surface,
            )
        yield from self.feed(replace(block, target=target))
        if not machine.is_running_task():
            return
        yield self.drained()
        machine.probed = (machine.planned, hit)
        if not hit and block.modes.motion in (382, 384):
            machine.alarm(5)
            return
        machine.say(machine.system.probe_report())

    def _flow(self, flow: int) -> Task:
        machine = self.machine
        if machine.checking or flow == 1:
            if flow in (2, 30):
                self._reset_modes()
            return
        yield self.drained()
        if flow == 0:
            machine.pause()
            yield Wait(lambda: True)
            return
        self._reset_modes()
        turned, machine.spindle, machine.flood = machine.spindle, 5, False
        machine.outputs_changed()
        if turned != 5:
            yield from self._spin()
        machine.reset_overrides()
        machine.say("[MSG:Pgm End]")
        if machine.cutting_moves:
            machine.make_parts()
        machine.cutting_moves = 0

    def _reset_modes(self) -> None:
        """What M2 and M30 set back; units, tool length, G92, F and S stay."""
        modes = self.machine.modes
        modes.motion, modes.plane, modes.absolute, modes.inverse_time = 10, 17, True, False
        modes.coordinates, modes.spindle, modes.flood = 0, 5, False

    # From `$` commands

    def jog(self, block: Block) -> Task:
        """`$J=`: a feed move that leaves the modes alone; too far is refused, not an alarm."""
        machine = self.machine
        if not machine.within_travel(block.target):
            raise Refused(15)
        start = machine.planned
        unit, length = direction(start, block.target)
        if length == 0:
            return
        speed = max(limited(block.modes.feed_mm_min / 60, unit, machine.rates_mm_s()), SLOWEST_MM_S)
        accel = limited(1e9, unit, machine.accels_mm_s2())
        yield Wait(lambda: machine.planner.free > 0, motion=True)
        machine.push(Move(start, block.target, length, speed, accel, unit, unit), jog=True)
        machine.planned = block.target

    def home(self) -> Task:
        """`$H`: Z first, then X and Y together; the answer comes at the end."""
        machine = self.machine
        machine.state = "Home"
        corner = machine.home_corner()
        for axes in ((2,), (0, 1)):
            away = max(abs(machine.position_mm[index] - corner[index]) for index in axes)
            pull_s = 4 * machine.settings[27] / (machine.settings[24] / 60)
            debounce_s = 4 * machine.settings[26] / 1000
            yield Wait(lambda: False, at_s=machine.now_s + away / (machine.settings[25] / 60) + pull_s + debounce_s)
            machine.at_home(axes)
        machine.state = "Idle"
        machine.answer_pending_query()
