"""A pretend Marlin 2.1 board: the serial link, the command queue, the keep-alive, boot and kill.

What each command does is in `simulator_commands` and `simulator_motion`. This module must not know the driver or the
engine: it reads the link with its own code, so that the two check each other. Behaviour follows Marlin's `queue.cpp`,
`e_parser.cpp`, `gcode.cpp` (host keep-alive) and `MarlinCore.cpp` (kill), told in own words.

A plate of parts is made when `M84`, `M18` or `M77` runs, after at least 1 mm of filament was laid down in moves along
X or Y since the last plate; `M410`, a kill or a reset spoils what was begun. A print that a host gave up without any
of these leaves a plate too: something is on the bed, whoever counts it.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import NamedTuple

from fleetctl.sim.heat import Heater
from fleetctl.sim.machine import SimulatedMachine, Task, Wait
from fleetctl.sim.motion import Planner, Point
from fleetctl.sim.options import read_options
from fleetctl.sim.parts import PartSpec

from .simulator_commands import Commands
from .simulator_motion import Motion

EMERGENCY = re.compile(rb" *(?:N[-0-9 ]*)?M(108|112|410|876)(?![0-9])(.*)")
LINE_NUMBER = re.compile(rb"N\s*(-?\d+)")

QUESTIONS = re.compile(r"M(?:105|108|110|112|113|114|115|119|154|155|410|503|876)(?!\d)")
"""Commands of the host about the link or the state; they are heard but are not lines of a program."""


@dataclass(frozen=True)
class MarlinOptions:
    """The build options of the pretend firmware and the machine under it. Defaults are Marlin 2.1's own."""

    machine_type: str = "Simulated 220"
    bed_mm: tuple[float, ...] = (220.0, 220.0, 250.0)
    bufsize: int = 4
    rx_bytes: int = 128
    line_bytes: int = 96
    planner_blocks: int = 16
    emergency_parser: bool = True
    advanced_ok: bool = False
    resend_ok: bool = True
    host_actions: bool = True
    autoreport: bool = True
    busy_s: float = 2.0
    boot_s: float = 0.0
    tools: int = 1
    residency_s: float = 10.0
    hotend_rise_s: float = 120.0
    bed_rise_s: float = 250.0
    homing_mm_s: float = 50.0
    homing_z_mm_s: float = 10.0


LONGEST_BYTES = 4096
"""More than this without a line end is noise and is not kept."""


class Queued(NamedTuple):
    text: str
    number: int | None


def significant(line: bytes, line_bytes: int = 96) -> bytes:
    """What Marlin keeps of a line: no comment, no surrounding spaces, cut at the command buffer's length."""
    return line.split(b";", 1)[0].lstrip(b" ")[: line_bytes - 1].rstrip(b" ")


def as_executed(program: bytes) -> list[str]:
    """The texts that `executed` holds after just this unnumbered program, for `fleetctl.sim.record.digest`."""
    texts = (significant(line).decode("latin-1") for line in program.replace(b"\r", b"\n").split(b"\n"))
    return [text for text in texts if text and not QUESTIONS.match(text)]


class MarlinSimulator(SimulatedMachine):
    """One printer. Extra attributes: `hotends`, `bed` (heaters), `fan` (0 to 255), `last_number`, `lost_bytes`,
    `resends`, `killed`, `homed`, `motion` (`native`, `extruded_mm`, `bounds_mm`, modes)."""

    faults = ("thermal", "maxtemp", "kill", "stop", "reset")

    def __init__(self, options: MarlinOptions, *, seed: int, parts: PartSpec | None = None) -> None:
        super().__init__(seed=seed, parts=parts)
        self.options = options
        self.hotends = [
            Heater(ceiling_degc=400.0, rise_s=options.hotend_rise_s, fall_s=150.0) for _ in range(options.tools)
        ]
        self.bed = Heater(ceiling_degc=140.0, rise_s=options.bed_rise_s, fall_s=600.0)
        self.planner = Planner(options.planner_blocks - 1, deviation_mm=0.02)
        self.killed = False
        self.lost_bytes = 0
        self.resends = 0
        self._physical_offset: Point = (0.0, 0.0, 0.0)
        self._boot()
        self.resets = 0

    # Boot and faults

    def _boot(self) -> None:
        x, y, z = self.position_mm
        self.planner.flush(self.now_s)
        self.planner.place((0.0, 0.0, 0.0))
        self._physical_offset = (x, y, z)
        self.heaters_off()
        self.fan = 0
        self.killed = False
        self.stopped = False
        self.last_number = 0
        self.busy_s = self.options.busy_s
        self.busy_text = "processing"
        self.ok_said = False
        self.heat_wait_broken = False
        self.person_waited_for = False
        self.quick_stops = 0
        self.report_every_s = 0.0
        self.commands = Commands(self)
        self._ring = bytearray()
        self._line = bytearray()
        self._scan = bytearray()
        self._queue: deque[Queued] = deque()
        self._task: Task | None = None
        self._wait: Wait | None = None
        self._busy_at_s = 0.0
        self._report_at_s = 0.0
        self._silent_until_s: float | None = None
        if self.options.boot_s > 0:
            self._silent_until_s = self.now_s + self.options.boot_s
        else:
            self._greet()

    def _greet(self) -> None:
        self._silent_until_s = None
        for text in (
            "start",
            "echo:Marlin 2.1.2 (simulated)",
            "echo: Last Updated: 2024-01-01 | Author: (none, default config)",
            "echo: Free Memory: 4096  PlannerBufferBytes: 1520",
            "echo:Hardcoded Default Settings Loaded",
        ):
            self._say(text)

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.resets += 1
            self._boot()
        elif self.killed:
            return
        elif kind == "thermal":
            self.kill("Thermal Runaway, system stopped! Heater_ID: 0")
        elif kind == "maxtemp":
            self.kill("MAXTEMP triggered, system stopped! Heater_ID: 0")
        elif kind == "kill":
            self.kill()
        elif kind == "stop":
            self.heaters_off()
            self.stopped = True
            self.say_stopped()

    def kill(self, reason: str | None = None) -> None:
        """Halt until the next reset: heaters off, motion dead, nothing is read any more."""
        if reason is not None:
            self._say(f"Error:{reason}")
        self._say("Error:Printer halted. kill() called!")
        if self.options.host_actions:
            self._say("//action:disconnect")
        self.heaters_off()
        self.planner.flush(self.now_s)
        self.commands.spoil()
        self.killed = True
        self._task = self._wait = None
        self._queue.clear()

    def heaters_off(self) -> None:
        for heater in (*self.hotends, self.bed):
            heater.set_target(0.0, self.now_s)

    def say_stopped(self) -> None:
        """The refusal of motion after `stop`."""
        self._say(
            "Error:Printer stopped due to errors. Fix the error and use M999 to restart. "
            "(Temperature is reset. Set it after restarting)"
        )

    # What an observer sees

    @property
    def activity(self) -> str:
        if self.killed:
            return "killed"
        if self.person_waited_for:
            return "paused for user"
        return "busy" if self._queue or self.planner.queued else "idle"

    @property
    def motion(self) -> Motion:
        return self.commands.motion

    @property
    def homed(self) -> frozenset[str]:
        return frozenset(self.motion.homed)

    @property
    def position_mm(self) -> Point:
        x, y, z = self.planner.position(self.now_s)
        dx, dy, dz = self._physical_offset
        return (x + dx, y + dy, z + dz)

    @property
    def outputs(self) -> dict[str, float]:
        found = {f"hotend{index}": heater.target_degc for index, heater in enumerate(self.hotends)}
        return found | {"bed": self.bed.target_degc, "fan": float(self.fan)}

    def snapshot(self) -> dict[str, object]:
        temperatures = {f"hotend{i}": round(h.temperature(self.now_s), 2) for i, h in enumerate(self.hotends)}
        temperatures["bed"] = round(self.bed.temperature(self.now_s), 2)
        return super().snapshot() | {
            "temperatures_degc": temperatures,
            "homed": sorted(self.motion.homed),
            "extruded_mm": round(self.motion.extruded_mm, 4),
            "last_number": self.last_number,
            "resends": self.resends,
            "lost_bytes": self.lost_bytes,
        }

    def tool_degc(self) -> float:
        """Temperature of the hotend in use."""
        return self.hotends[self.commands.tool].temperature(self.now_s)

    def found_home(self, axis: int, point: Point) -> None:
        """The tool is at `point` and the firmware's coordinate of this axis is true again."""
        offset = list(self._physical_offset)
        offset[axis] = 0.0
        self._physical_offset = (offset[0], offset[1], offset[2])
        self.planner.place(point)

    # Bytes in: receive ring, emergency parser, lines

    def _settle(self) -> None:
        self.planner.advance(self.now_s)

    def _hear(self, data: bytes) -> None:
        for piece in data.replace(b"\r", b"\n").splitlines(keepends=True):
            if self.killed or self._silent_until_s is not None:
                return
            self._scan_emergency(piece)
            if self.killed:
                return
            if len(self._queue) >= self.options.bufsize:
                room = self.options.rx_bytes - len(self._ring)
                self._ring += piece[:room]
                self.lost_bytes += max(0, len(piece) - room)
            else:
                self._collect(piece)
            self._pump()

    def _scan_emergency(self, piece: bytes) -> None:
        """The interrupt that looks at every byte, whatever the queue does."""
        ended = piece.endswith(b"\n")
        if not self.options.emergency_parser:
            return
        if ended and not self._scan:
            line = piece
        else:
            self._scan += piece[: 96 - min(96, len(self._scan))]
            if not ended:
                return
            line = bytes(self._scan)
            self._scan.clear()
        if b"M" in line[:16] and (found := EMERGENCY.match(line)):
            self._act_on_emergency(found[1], found[2])

    def _act_on_emergency(self, code: bytes, rest: bytes) -> None:
        if code == b"112":
            self.kill("M112 Shutdown")
        elif code == b"108":
            self.heat_wait_broken = True
            self.person_waited_for = False
        elif code == b"410":
            self.quick_stop()
        elif rest.strip().startswith(b"S"):
            self.person_waited_for = False
        self._pump()

    def quick_stop(self) -> None:
        """M410: drop all planned moves where they are."""
        self.planner.flush(self.now_s)
        self.quick_stops += 1
        self.motion.take_position(self.planner.position(self.now_s))
        self.commands.spoil()

    def _collect(self, piece: bytes) -> None:
        """Bytes of one line, or its beginning, go to the line buffer; a whole line is judged and queued."""
        ended = piece.endswith(b"\n")
        self._line += piece.rstrip(b"\n")[: LONGEST_BYTES - len(self._line)]
        if ended:
            raw = bytes(self._line)
            self._line.clear()
            self._accept(significant(raw, self.options.line_bytes))

    def _accept(self, line: bytes) -> None:
        """A line without its comment: check number and sum, then queue it. Empty lines get no answer."""
        if not line:
            return
        number: int | None = None
        if line.startswith(b"N"):
            renumbers = b"M110" in line
            second = line.find(b"N", 4) if renumbers else -1
            found = LINE_NUMBER.match(line, max(0, second))
            number = int(found[1]) if found else 0
            if number != self.last_number + 1 and not renumbers:
                return self._complain("Line Number is not Last Line Number+1")
            body, star, digits = line.rpartition(b"*")
            if not star:
                return self._complain("No Checksum with line number")
            if not digits.strip().isdigit() or int(digits) != reduce(xor, body, 0):
                return self._complain("checksum mismatch")
            self.last_number = number
            line = LINE_NUMBER.sub(b"", body, count=1).strip(b" ")
        elif not self.options.emergency_parser and (found := EMERGENCY.match(line)):
            self._act_on_emergency(found[1], found[2])
            if self.killed:
                return
        self._queue.append(Queued(line.decode("latin-1"), number))

    def _complain(self, what: str) -> None:
        self._say(f"Error:{what}, Last Line: {self.last_number}")
        self.ask_resend()

    def ask_resend(self) -> None:
        """Throw away what waits in the receive ring and ask for the line after the last good one."""
        self.resends += 1
        self._ring.clear()
        self._say(f"Resend: {self.last_number + 1}")
        if self.options.resend_ok:
            self._say("ok")

    def _refill(self) -> None:
        """Move whole lines from the ring to the queue while it has room."""
        while self._ring and len(self._queue) < self.options.bufsize:
            end = self._ring.find(b"\n") + 1 or len(self._ring)
            piece = bytes(self._ring[:end])
            del self._ring[:end]
            self._collect(piece)

    # The command in progress

    def _pump(self) -> None:
        """Run queued commands until one has to wait."""
        while not self.killed:
            if self._task is None:
                if not self._queue:
                    return
                self._begin(self._queue[0])
            elif self._is_due():
                self._step(self._task)
            else:
                return

    def _is_due(self) -> bool:
        wait = self._wait
        return wait is None or wait.done() or (wait.at_s is not None and self.now_s >= wait.at_s)

    def _begin(self, command: Queued) -> None:
        text = command.text
        self.heard.add(text, self.now_s, command.number)
        if not QUESTIONS.match(text):
            self.executed.add(text, self.now_s, command.number)
        self._busy_at_s = self.now_s + self.busy_s
        self.ok_said = False
        task = self.commands.run(text)
        if task is None:
            self._finish()
        else:
            self._task = task
            self._step(task)

    def _step(self, task: Task) -> None:
        try:
            self._wait = next(task)
        except StopIteration:
            self._finish()

    def _finish(self) -> None:
        if self.killed:
            return
        self._task = self._wait = None
        self.busy_text = "processing"
        command = self._queue.popleft()
        if not self.ok_said:
            self._say("ok" + self._ok_details(command.number))
        self._refill()

    def _ok_details(self, number: int | None) -> str:
        if not self.options.advanced_ok:
            return ""
        named = "" if number is None else f" N{number}"
        return f"{named} P{self.planner.free} B{self.options.bufsize - len(self._queue)}"

    # Time

    def next_deadline(self) -> float | None:
        if self._silent_until_s is not None:
            return self._silent_until_s
        if self.killed:
            return None
        times: list[float] = []
        if self._task is not None:
            if self.busy_s > 0:
                times.append(self._busy_at_s)
            if self._wait is not None and self._wait.at_s is not None:
                times.append(self._wait.at_s)
            if self._wait is not None and self._wait.motion and (end_s := self.planner.next_deadline()) is not None:
                times.append(end_s)
        if self.report_every_s > 0:
            times.append(self._report_at_s)
        return min(times, default=None)

    def _wake(self) -> None:
        if self._silent_until_s is not None:
            self._greet()
            return
        self.planner.advance(self.now_s)
        self._pump()
        if self.killed:
            return
        if self._task is not None and self.busy_s > 0 and self.now_s >= self._busy_at_s:
            self._busy_at_s = self.now_s + self.busy_s
            self._say(f"echo:busy: {self.busy_text}")
        if self.report_every_s > 0 and self.now_s >= self._report_at_s:
            self._report_at_s = self.now_s + self.report_every_s
            self._say(self.temperatures())

    def report_every(self, interval_s: float) -> None:
        """M155: 0 ends the reports."""
        self.report_every_s = interval_s
        self._report_at_s = self.now_s + interval_s

    def say(self, text: str) -> None:
        """One line to the host, for the commands."""
        self._say(text)

    def make_parts(self) -> None:
        """The plate is done."""
        self._make_parts()

    def temperatures(self) -> str:
        """The report of M105 without its `ok`."""
        tool = self.commands.tool
        now_s = self.now_s

        def one(name: str, heater: Heater) -> str:
            return f" {name}:{heater.temperature(now_s):.2f} /{heater.target_degc:.2f}"

        text = one("T", self.hotends[tool]) + one("B", self.bed)
        if len(self.hotends) > 1:
            text += "".join(one(f"T{index}", heater) for index, heater in enumerate(self.hotends))
        text += f" @:{round(self.hotends[tool].power(now_s) * 127)} B@:{round(self.bed.power(now_s) * 127)}"
        if len(self.hotends) > 1:
            text += "".join(f" @{i}:{round(h.power(now_s) * 127)}" for i, h in enumerate(self.hotends))
        return text


def simulator(seed: int, **options: object) -> MarlinSimulator:
    """A powered-on printer. `options` are the fields of `MarlinOptions` and `PartSpec`, also as text.

    Raises UsageError for an unknown option or a value that does not fit.
    """
    own, parts = read_options(MarlinOptions, options)
    return MarlinSimulator(own, seed=seed, parts=parts)
