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

from fleetctl.errors import UsageError
from fleetctl.sim.heat import Heater
from fleetctl.sim.machine import SimulatedMachine, Task, Wait
from fleetctl.sim.motion import Planner, Point
from fleetctl.sim.options import read_options
from fleetctl.sim.parts import PartSpec

from .simulator_commands import Commands
from .simulator_firmwares import Queued
from .simulator_kin import CANCEL, FIRMWARES, Smoothieware
from .simulator_motion import Motion

QUESTIONS = re.compile(r"M(?:27|105|108|110|112|113|114|115|119|154|155|410|503|876|999)(?!\d)")
"""Commands of the host about the link or the state; they are heard but are not lines of a program."""


@dataclass(frozen=True)
class MarlinOptions:
    """The build options of the pretend firmware and the machine under it. Defaults are Marlin 2.1's own; those that
    another `firmware` has are in `simulator_firmwares`. `silent_waits`: it says nothing while it waits for a person.
    `usb_bursts`: native USB, where lines sent together arrive together, so that those behind a bad one are thrown
    away with it and bring no request of their own.
    """

    firmware: str = "marlin2"
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
    card: bool = False
    card_reports: bool = False
    autoreport_position: bool = False
    usb_bursts: bool = False
    silent_waits: bool = False
    board_uuid: str = ""
    busy_s: float = 2.0
    boot_s: float = 0.0
    tools: int = 1
    residency_s: float = 10.0
    hotend_rise_s: float = 120.0
    bed_rise_s: float = 250.0
    homing_mm_s: float = 50.0
    homing_z_mm_s: float = 10.0


ESCAPED = re.compile(rb"\\(.?)")
"""Marlin drops a backslash before it looks at the checksum (queue.cpp, process_stream_char)."""

LONGEST_BYTES = 4096
"""More than this without a line end is noise and is not kept."""


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

    faults = (
        "thermal",
        "maxtemp",
        "maxtemp-in-two-lines",
        "kill",
        "stop",
        "reset",
        "power-panic",
        "runout",
        "notification",
        "shutdown",
        "card-print",
        "card-pause",
    )

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
        self.firmware = FIRMWARES[options.firmware](self)
        self._interrupt_looks = self.firmware.has_emergency and (
            options.emergency_parser or self.firmware.emergency is not FIRMWARES["marlin2"].emergency
        )
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
        self.person_answer = 0
        self.prints_from_card = False
        self.card_paused = False
        self.card_every_s = 0.0
        self._card_at_s = 0.0
        self.quick_stops = 0
        self.report_every_s = 0.0
        self.reports_position = False
        self.commands = Commands(self)
        self._ring = bytearray()
        self._line = bytearray()
        self._line_at_s = self.now_s
        self._wait_at_s = self.now_s + self.firmware.wait_every_s
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
        for text in self.firmware.banner:
            self._say(text)

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.resets += 1
            self._boot()
        elif self.killed:
            return
        elif kind == "thermal":
            self.firmware.thermal()
        elif kind == "maxtemp":
            self.kill("MAXTEMP triggered, system stopped! Heater_ID: 0")
        elif kind == "maxtemp-in-two-lines":
            self._say("Error:0")
            self.kill(": Extruder switched off. MAXTEMP triggered !", prefix="")
        elif kind == "kill":
            self.kill()
        elif kind == "stop":
            self.heaters_off()
            self.stopped = True
            self.say_stopped()
        elif kind == "power-panic":
            self._say("INT4")
            self.halt()
        elif kind == "runout":
            self._say("//action:filament_runout T0")
            self._queue.insert(min(1, len(self._queue)), Queued("M600", None, silent=True))
            self._pump()
        elif kind == "card-print":
            self.prints_from_card, self.card_paused = not self.prints_from_card, False
        elif kind == "card-pause":
            self.card_paused = not self.card_paused
        else:
            self._say("//action:notification Layer 7 of 9" if kind == "notification" else "// action:shutdown")

    def halt(self) -> None:
        """Dead until a reset, or until the firmware's own word of revival: heaters off, motion dropped."""
        self.heaters_off()
        self.planner.flush(self.now_s)
        self.commands.spoil()
        self.killed = True
        self._task = self._wait = None
        self._queue.clear()
        self._ring.clear()
        self._line.clear()

    def kill(self, reason: str | None = None, prefix: str = "Error:") -> None:
        """Halt until the next reset: heaters off, motion dead, nothing is read any more."""
        if reason is not None:
            self._say(f"{prefix}{reason}")
        self._say("Error:Printer halted. kill() called!")
        if self.options.host_actions:
            self._say("//action:poweroff")
        self.halt()

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
    def queued(self) -> int:
        """Commands in the queue, the one in work included."""
        return len(self._queue)

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
        resends = self.resends
        for piece in data.replace(b"\r", b"\n").splitlines(keepends=True):
            if self._silent_until_s is not None:
                return
            if self.options.usb_bursts and self.resends > resends:
                self._scan_emergency(piece)
                continue
            if CANCEL in piece and isinstance(self.firmware, Smoothieware):
                piece = piece.replace(bytes((CANCEL,)), b"")
                self.firmware.halted_by_byte()
            if self.killed:
                self._hear_when_killed(piece)
                continue
            self._scan_emergency(piece)
            if self.killed:
                continue
            if len(self._queue) >= self.options.bufsize:
                room = self.options.rx_bytes - len(self._ring)
                if room < len(piece):
                    self.firmware.ring_is_full()
                self._ring += piece[:room]
                self.lost_bytes += max(0, len(piece) - room)
            else:
                self._collect(piece)
            self._pump()

    def _hear_when_killed(self, piece: bytes) -> None:
        self._line += piece
        if self._line.endswith(b"\n"):
            line = bytes(self._line).strip()
            self._line.clear()
            if line:
                self.firmware.hear_when_stopped(line)

    def _scan_emergency(self, piece: bytes) -> None:
        """The interrupt that looks at every byte, whatever the queue does."""
        ended = piece.endswith(b"\n")
        if not self._interrupt_looks:
            return
        if ended and not self._scan:
            line = piece
        else:
            self._scan += piece[: 96 - min(96, len(self._scan))]
            if not ended:
                return
            line = bytes(self._scan)
            self._scan.clear()
        if b"M" in line[:16] and (found := self.firmware.emergency.match(line)):
            self.act_on_emergency(found[1], found[2])

    def act_on_emergency(self, code: bytes, rest: bytes) -> None:
        """M108, M112, M410 or M876, picked out of the stream."""
        if code == b"112":
            self.firmware.stop()
        elif code == b"108":
            self.heat_wait_broken = True
            self.person_waited_for = False
        elif code == b"410":
            self.quick_stop()
        elif (found := re.match(rb"\s*S(\d)", rest)) and (self.person_waited_for or self.person_answer < 0):
            self.person_answer = int(found[1])
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
        self._line_at_s = self.now_s
        if ended:
            raw = bytes(self._line)
            self._line.clear()
            for line in raw.split(b":") if self.firmware.colon_ends_line else [raw]:
                kept = significant(line, self.options.line_bytes)
                self._accept(ESCAPED.sub(rb"\1", kept) if self.firmware.drops_backslash else kept)

    def _accept(self, line: bytes) -> None:
        """A line without its comment: judge it, then queue it."""
        firmware = self.firmware
        self._wait_at_s = self.now_s + firmware.wait_every_s
        if not line:
            if firmware.ok_for_empty:
                self._say("ok")
            return
        command = firmware.judge(line)
        if not command:
            return
        self._queue.append(command)
        moves = command.text.startswith(("G0 ", "G1 "))
        if firmware.ok_when == "read" or (firmware.ok_when == "moves-read" and moves):
            self._say(firmware.ok(command))

    def drop_ring(self) -> None:
        """Throw away what waits in the receive ring."""
        self._ring.clear()

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
        if not (QUESTIONS.match(text) or command.silent):
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
        if self.killed or not self._queue:
            return
        self._task = self._wait = None
        self.busy_text = "processing"
        command = self._queue.popleft()
        when = self.firmware.ok_when
        told_before = when == "read" or (when == "moves-read" and command.text.startswith(("G0 ", "G1 ")))
        if not (self.ok_said or told_before or command.silent):
            self._say(self.firmware.ok(command))
        self._wait_at_s = self.now_s + self.firmware.wait_every_s
        self._refill()

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
        if self.card_every_s > 0:
            times.append(self._card_at_s)
        if self.firmware.wait_every_s > 0 and not self._queue:
            times.append(self._wait_at_s)
        if self.firmware.unfinished_s > 0 and self._line:
            times.append(self._line_at_s + self.firmware.unfinished_s)
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
            if not (self.person_waited_for and self.options.silent_waits):
                self._say(f"{self.firmware.busy}{self.busy_text}")
        if (
            self.firmware.unfinished_s > 0
            and self._line
            and self.now_s >= self._line_at_s + self.firmware.unfinished_s
        ):
            self._line.clear()
            self.firmware.unfinished()
        if self.firmware.wait_every_s > 0 and not self._queue and self.now_s >= self._wait_at_s:
            self._wait_at_s = self.now_s + self.firmware.wait_every_s
            self._say("wait")
        if self.report_every_s > 0 and self.now_s >= self._report_at_s:
            self._report_at_s = self.now_s + self.report_every_s
            if not (self.person_waited_for and self.options.silent_waits):
                self._say(self.temperatures())
                if self.reports_position:
                    self._say(self.motion.report())

        if self.card_every_s > 0 and self.now_s >= self._card_at_s:
            self.report_card_every(self.card_every_s)
            self._say(self.firmware.card())

    def report_card_every(self, interval_s: float) -> None:
        """M27 S: 0 ends the reports."""
        self.card_every_s = interval_s
        self._card_at_s = self.now_s + interval_s

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
    kind = FIRMWARES.get(str(options.get("firmware", "marlin2")))
    if kind is None:
        raise UsageError(f"There is no firmware {options['firmware']!r}.", hint=f"It knows {', '.join(FIRMWARES)}.")
    own, parts = read_options(MarlinOptions, {**kind.options, **options})
    return MarlinSimulator(own, seed=seed, parts=parts)
