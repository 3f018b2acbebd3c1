"""Runs a program that the gate has judged on a simulated machine, and says what the machine did.

The extremes are computed here from the moves that the simulator queues, with neither the core nor the gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec
import pytest
from fleetctl_plugins.grbl.simulator import GrblSimulator
from fleetctl_plugins.grbl.simulator import simulator as grbl
from fleetctl_plugins.marlin.simulator import MarlinSimulator
from fleetctl_plugins.marlin.simulator import simulator as marlin

from fleetctl.errors import NotGcode
from fleetctl.gcode import analyze
from fleetctl.gcode.facts import Analysis
from fleetctl.gcode.limits import DEFAULT_LIMITS
from fleetctl.model.profile import PROFILES, Setup
from fleetctl.preflight.gate import Verdict, check
from fleetctl.protocol.feeder import Feeder
from fleetctl.sim.motion import Move, Point

MILL = PROFILES["generic-mill-3018"]
PRINTER = PROFILES["generic-220"]
OFFSETS = {"G54": (-250.0, -150.0, -20.0), "G55": (-100.0, -80.0, -10.0), "G59": (-40.0, -30.0, -5.0)}
MILL_SETUP = Setup(offsets_mm=OFFSETS)
MILL_START: Point = (-120.0, -70.0, -8.0)
PRINTER_START: Point = (30.0, 20.0, 15.0)
LONGEST_S = 1e7


@dataclass
class Ride:
    """What a machine did with a program: its answers that are no plain ok, and how far its axes went, mm."""

    said: list[str] = field(default_factory=list)
    low: list[float] = field(default_factory=lambda: [math.inf] * 3)
    high: list[float] = field(default_factory=lambda: [-math.inf] * 3)
    hottest_degc: dict[str, float] = field(default_factory=dict)
    fastest_rpm: float = 0.0

    def at(self, point: Point) -> None:
        for axis, value in enumerate(point):
            self.low[axis] = min(self.low[axis], value)
            self.high[axis] = max(self.high[axis], value)

    def along(self, move: Move) -> None:
        """Both ends of a move, and of an arc the points where it turns back."""
        self.at(move.start)
        self.at(move.end)
        arc = move.arc
        if arc is None:
            return
        first, last = sorted((arc.start_rad, arc.start_rad + arc.sweep_rad))
        for quarter in range(math.ceil(first / (math.pi / 2)), math.floor(last / (math.pi / 2)) + 1):
            point = [move.start[0], move.start[1], move.start[2]]
            angle = quarter * math.pi / 2
            point[arc.first] = arc.centre[0] + arc.radius_mm * math.cos(angle)
            point[arc.second] = arc.centre[1] + arc.radius_mm * math.sin(angle)
            self.at((point[0], point[1], point[2]))


def judge(program: bytes, kind: str) -> tuple[Analysis | None, Verdict | None]:
    """The gate's verdict as the controller asks for it; (None, None) for what is no G-code at all."""
    try:
        facts = analyze(program)
    except NotGcode:
        return None, None
    if kind == "grbl":
        return facts, check(facts, MILL, MILL_SETUP)
    return facts, check(facts, PRINTER, Setup())


def bounds_from_start(program: bytes, kind: str) -> tuple[list[float], list[float]] | None:
    """The core's extremes in machine coordinates, started where the machine starts; None where it knows less."""
    limits = DEFAULT_LIMITS["cnc" if kind == "grbl" else "additive"]
    start = MILL_START if kind == "grbl" else PRINTER_START
    facts = analyze(program, dialect=kind, machine=msgspec.structs.replace(limits, start_mm=start))
    low, high = [math.inf] * 3, [-math.inf] * 3
    for frame in facts.frames:
        if frame.frame == "start" or (frame.frame != "machine" and frame.frame not in OFFSETS):
            return None
        offset = OFFSETS.get(frame.frame, (0.0, 0.0, 0.0))
        for axis, reach in enumerate(frame.motion.axes):
            if reach is not None:
                low[axis] = min(low[axis], reach.low_mm + offset[axis])
                high[axis] = max(high[axis], reach.high_mm + offset[axis])
    return low, high


def feed(program: bytes, kind: str) -> list[tuple[bytes, int, int]]:
    """The lines that the real feeder gives to a machine. Raises what the feeder refuses."""
    if kind == "grbl":
        feeder = Feeder(line_limit_bytes=79, remove_spaces=True)
    else:
        feeder = Feeder(line_limit_bytes=95, text_commands=True)
    feeder.push(program)
    feeder.finish()
    lines: list[tuple[bytes, int, int]] = []
    while True:
        some = feeder.take(64) if kind == "grbl" else feeder.take_numbered(64, len(lines) + 1)
        if not some:
            return lines
        lines += some


def mill() -> GrblSimulator:
    """A homed mill with its offsets, standing inside its envelope."""
    machine = grbl(1, eeprom_write_s=0.0)
    for name, offset in OFFSETS.items():
        machine.offsets.work[int(name[1:]) - 54] = offset
    machine.offsets.g28 = machine.offsets.g30 = (-10.0, -10.0, -1.0)
    machine.planner.place(MILL_START)
    machine.planned = MILL_START
    machine.take_output()
    return machine


def printer() -> MarlinSimulator:
    """A printer that knows where it stands, with nothing that would hold it back at its ends."""
    machine = marlin(1, busy_s=0.0, autoreport=False, hotend_rise_s=0.001, bed_rise_s=0.001, residency_s=0.0)
    machine.motion._clamp = lambda target: None  # type: ignore[method-assign]
    machine.planner.place(PRINTER_START)
    machine.motion.native[:3] = PRINTER_START
    machine.take_output()
    return machine


def ride(program: bytes, kind: str) -> Ride:
    """Stream the program line by line, each answered before the next; it ends with the first error, as a run does."""
    machine = mill() if kind == "grbl" else printer()
    result = Ride()
    push = machine.planner.push

    def watched(move: Move, now_s: float) -> None:
        result.along(move)
        push(move, now_s)

    machine.planner.push = watched  # type: ignore[method-assign]
    result.at(MILL_START if kind == "grbl" else PRINTER_START)
    if isinstance(machine, MarlinSimulator):
        _watch_homing(machine, result)
    now_s = 0.0
    for line, _, _ in feed(program, kind):
        machine.receive(line, now_s)
        now_s = _until_answered(machine, result, now_s)
        if any(text.startswith(("error", "ALARM", "silence")) for text in result.said):
            break
    return result


def _until_answered(machine: GrblSimulator | MarlinSimulator, result: Ride, now_s: float) -> float:
    """Let time pass until the line is answered; a person at the machine lets it go on whenever it waits."""
    while now_s < LONGEST_S:
        answered = False
        for text in machine.take_output().decode("latin-1").splitlines():
            if text.split(" ")[0] == "ok":
                answered = True
            elif text.startswith(("error", "ALARM", "echo:Unknown", "Error")):
                result.said.append(text)
                answered |= not text.startswith("echo")
        _look(machine, result)
        if answered:
            return now_s
        if isinstance(machine, GrblSimulator) and machine.state == "Hold":
            machine.receive(b"~", now_s)
            continue
        if isinstance(machine, MarlinSimulator) and machine.person_waited_for:
            machine.receive(b"M108\n", now_s)
            continue
        deadline_s = machine.next_deadline()
        if deadline_s is None:
            break
        now_s = max(now_s, deadline_s)
        machine.elapse(now_s)
    result.said.append("silence")
    return now_s


def _watch_homing(machine: MarlinSimulator, result: Ride) -> None:
    """Homing is no move of the planner; where it ends counts."""
    found = machine.found_home

    def found_home(axis: int, point: Point) -> None:
        result.at(point)
        found(axis, point)

    machine.found_home = found_home  # type: ignore[method-assign]


def _look(machine: GrblSimulator | MarlinSimulator, result: Ride) -> None:
    if isinstance(machine, GrblSimulator):
        result.fastest_rpm = max(result.fastest_rpm, machine.outputs["spindle"])
    else:
        for name, heater in {"nozzle": machine.hotends[0], "bed": machine.bed}.items():
            result.hottest_degc[name] = max(result.hottest_degc.get(name, 0.0), heater.target_degc)


def left_envelope(result: Ride, kind: str) -> str:
    """Which axis left the envelope, or an empty string."""
    envelope = (MILL if kind == "grbl" else PRINTER).envelope
    assert envelope is not None
    for axis in range(3):
        if result.low[axis] < envelope.least_mm[axis] - 0.01 or result.high[axis] > envelope.greatest_mm[axis] + 0.01:
            return f"{'XYZ'[axis]} went from {result.low[axis]:.3f} to {result.high[axis]:.3f}"
    return ""


def agree(program: bytes, kind: str, result: Ride) -> bool:
    """Whether the core's extremes are the machine's, where both know them."""
    known = bounds_from_start(program, kind)
    if known is None:
        return True
    low, high = known
    return low == pytest.approx(result.low, abs=0.004) and high == pytest.approx(result.high, abs=0.004)
