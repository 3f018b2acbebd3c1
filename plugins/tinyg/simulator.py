"""A pretend TinyG or g2core: receive buffer, planner queue, feed hold, queue flush, reset, alarm, shutdown.

What a line does is in `simulator_gcode`, what it answers and reports in `simulator_json`. It must not know the
driver. Behaviour follows TinyG 0.97 build 440 (`controller.c`, `canonical_machine.c`, `xio_usb.c`, `planner.h`) and
g2core build 101 (`controller.cpp`, `xio.cpp`, `alarm.cpp`, `cycle_feedhold.cpp`); where the two differ, the option
`firmware` says which.

Parts are made when `M2` or `M30` is carried out, after at least one feed move since the last.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from fleetctl.sim.motion import Planner, Point
from fleetctl.sim.options import read_options
from fleetctl.sim.parts import PartSpec

from .simulator_gcode import GcodeLines, significant

CONTROLS = b"!~%\x18"
PIECES = re.compile(rb"[!~%\x18]|[^!~%\x18\r\n]*[\r\n]|[^!~%\x18\r\n]+")
HEADROOM = 4
"""Planner buffers that must be free before a line is read."""


def as_executed(program: bytes) -> list[str]:
    """The texts that `executed` holds after just this program; waits are the host's."""
    found = [significant(line) for line in re.split(rb"[\r\n]", program)]
    return [text for text in found if text and not re.fullmatch(r"(?:T\d+)?M0*(?:[016]|60)(?:T\d+)?", text)]


@dataclass(frozen=True)
class TinygOptions:
    """The pretend board. `firmware` is tinyg or g2core. `homing` False: no switches, and a homing cycle fails.
    `probe_z_mm` is where a probe touches on the way down. `travel_mm`: soft limits of the homed machine, 0 for none.
    `g54` is the first work offset. `overrides` False as in g2core's build 101, where they cannot be switched on."""

    firmware: str = "tinyg"
    rx_bytes: int = 254
    planner_buffers: int = 0
    build: str = ""
    homing: bool = True
    probe_z_mm: float = -20.0
    travel_mm: float = 0.0
    g54: str = "0,0,0"
    sv: int = 1
    qv: int = 1
    jv: int = 3
    jd: int = 0
    strict: bool = True
    report_s: float = 0.25
    tells_machine_places: bool = False
    overrides: bool = True


class TinygSimulator(GcodeLines):
    """One mill. Extra attributes: `stat`, `spindle`, `flood`, `lost_bytes`."""

    faults = ("hard-limit", "soft-limit", "reset", "hold", "panic")

    def __init__(self, options: TinygOptions, *, seed: int, parts: PartSpec | None = None) -> None:
        super().__init__(seed=seed, parts=parts)
        self.options = options
        self.is_g2core = options.firmware == "g2core"
        self.planner = Planner(options.planner_buffers or (48 if self.is_g2core else 32))
        self.lost_bytes = 0
        self._zero: Point = (0.0, 0.0, 0.0)
        places = [float(each) for each in options.g54.split(",")]
        self.frames: list[Point] = [(places[0], places[1], places[2])] + [(0.0, 0.0, 0.0)] * 5
        self._boot()

    def _boot(self) -> None:
        """Power-on and ^X: everything is forgotten but the settings, and it counts from where it stands."""
        here = self.position_mm
        self.planner.flush(self.now_s)
        self._zero = here
        self.planner.place((0.0, 0.0, 0.0))
        self.forget()
        self._ring = bytearray()
        self._flushing = False
        self._after_control = False
        self._report_at_s: float | None = None
        self._actions: deque[tuple[int, str]] = deque()
        self._pushed = self.planner.finished
        self._told_free = self.planner.capacity
        self.tell_banner()

    # What an observer sees

    @property
    def activity(self) -> str:
        words = {1: "ready", 2: "alarm", 3: "idle", 4: "idle", 5: "run", 6: "hold", 7: "probe", 9: "home"}
        return words.get(self.stat, "alarm")

    @property
    def position_mm(self) -> Point:
        (x, y, z), (a, b, c) = self.planner.position(self.now_s), self._zero
        return (x + a, y + b, z + c)

    @property
    def outputs(self) -> dict[str, float]:
        return {
            "spindle": self.speed if self.spindle else 0.0,
            "flood": float(self.flood),
            "mist": float(self.mist),
        }

    @property
    def free_buffers(self) -> int:
        """Planner buffers that are not in use."""
        return max(0, self.planner.free - len(self._actions))

    @property
    def shut_down(self) -> int:
        """The number of that state."""
        return 12 if self.is_g2core else 11

    # Bytes in

    def _hear(self, data: bytes) -> None:
        for piece in PIECES.findall(data):
            if piece in (b"!", b"~", b"%", b"\x18") and self._is_control(piece):
                self._after_control = piece == b"!"
                self._real_time(piece)
            else:
                room = self.options.rx_bytes - len(self._ring)
                self._ring += piece[: max(0, room)]
                self.lost_bytes += max(0, len(piece) - room)
                if piece.strip():
                    self._after_control = False
            self._pump()

    def _is_control(self, byte: bytes) -> bool:
        """TinyG takes them anywhere; g2core at the beginning of a line, and % only in a hold or behind `!`."""
        if not self.is_g2core:
            return True
        if self._ring and not self._ring.endswith((b"\n", b"\r")):
            return False
        return byte != b"%" or self._after_control or self.stat == 6

    def _real_time(self, byte: bytes) -> None:
        if byte == b"\x18":
            self.resets += 1
            self._boot()
        elif self.stat in (self.shut_down, 13):
            return
        elif byte == b"!":
            if self.planner.moving and not self.planner.held:
                self.planner.hold(self.now_s)
                self.go(6)
        elif byte == b"~":
            if self.stat == 6 and not self._flushing:
                self.planner.resume(self.now_s)
                self.go(5 if self.planner.queued or self._actions else 3)
        elif not self.is_g2core or self.planner.held or self._after_control:
            if self.is_g2core:
                self._drop_ring()
                if not self.planner.held:
                    return  # nothing to flush without a hold
            self._flushing = True
            self._flush_if_at_rest()

    def _drop_ring(self) -> None:
        self._ring.clear()

    def _flush_if_at_rest(self) -> None:
        """A flush waits until motion rests: it is put off, not forgotten (cm_feedhold_sequencing_callback)."""
        if self._flushing and not self.planner.moving:
            self._flushing = False
            self.planner.flush(self.now_s)
            self.planned = self.planner.position(self.now_s)
            self._actions.clear()
            self._pushed = self.planner.finished
            self._drop_ring()
            self.cycle = None
            if self.stat != 2 or not self.is_g2core:
                self.go(3)

    def _pump(self) -> None:
        """Run the main loop until it has to wait."""
        while self.stat not in (11, 13) or self.is_g2core:
            line = self._next_line()
            if line is None:
                return
            if line.strip():
                self.do_line(line)

    def _next_line(self) -> bytes | None:
        """The line that is read now, if any. g2core reads JSON ahead of G-code, and in a hold only JSON."""
        lines = re.split(rb"(?<=[\r\n])", bytes(self._ring))
        waits = self.free_buffers < HEADROOM or self.cycle is not None
        if self.is_g2core:
            waits |= self.stat == 6
            for index, line in enumerate(lines[:-1]):
                if line.startswith(b"{"):
                    self._ring = bytearray(b"".join(lines[:index] + lines[index + 1 :]))
                    return line.rstrip(b"\r\n")
        if waits or len(lines) < 2:
            return None
        del self._ring[: len(lines[0])]
        return lines[0].rstrip(b"\r\n")

    # Faults

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.resets += 1
            self._boot()
        elif kind == "hold":
            self._real_time(b"!")
        elif kind == "soft-limit":
            self.alarm(221 if self.is_g2core else 220, "Soft limit exceeded")
        elif kind == "panic":
            self._stop_dead()
            self.tell_exception(96, "Controller assertion failure")
            self.stat = 13 if self.is_g2core else 11
        elif self.is_g2core:
            self.alarm(203, "Limit switch hit - Shutdown occurred")
        else:
            self._stop_dead()
            self.tell_exception(204, "Limit switch hit - Shutdown occurred")
            self.stat = self.shut_down  # and not a word more: its main loop goes no further (_shutdown_idler)

    def _stop_dead(self) -> None:
        self.planner.flush(self.now_s)
        self.planned = self.planner.position(self.now_s)
        self.spindle, self.flood, self.mist = 0, False, False
        self._actions.clear()
        self._pushed = self.planner.finished
        self._ring.clear()
        self.cycle = None
        self.cutting_moves = 0
        self._report_at_s = None

    def alarm(self, status: int, text: str) -> None:
        """A soft alarm: TinyG refuses what comes and goes on with what is planned, and shows it only at rest; the end
        of that motion, or a flush, ends the alarm too (_exec_program_finalize). g2core stops and flushes."""
        if self.alarmed or self.stat in (2, self.shut_down, 13):
            return
        self.tell_exception(status, text)
        if self.is_g2core:
            self._stop_dead()
            self.go(2)
        elif self.planner.moving:
            self.alarmed = True
        else:
            self.go(2)

    # Time

    def next_deadline(self) -> float | None:
        times = [self._report_at_s, self.planner.next_deadline()]
        if self.cycle is not None:
            times.append(self.cycle[0])
        return min((time for time in times if time is not None), default=None)

    def _wake(self) -> None:
        self._settle()
        if self._report_at_s is not None and self.now_s >= self._report_at_s:
            moving = self.planner.moving or self.cycle is not None
            self._report_at_s = self.now_s + self.options.report_s if moving else None
            self.report_changes()
        self._pump()

    def _settle(self) -> None:
        self.planner.advance(self.now_s)
        self._carry_out_actions()
        if self.cycle is not None and self.cycle[0] <= self.now_s and not self.planner.held:
            at_end, self.cycle = self.cycle[1], None
            at_end()
        self._flush_if_at_rest()
        if self.stat == 5 and self.planner.queued == 0 and not self._actions:
            self.go(3)
        self.report_queue()

    def _carry_out_actions(self) -> None:
        """What is queued behind moves that are done: spindle, coolant, program end."""
        while self._actions and not self.planner.held and self.planner.finished >= self._actions[0][0]:
            self.switch(self._actions.popleft()[1])


def simulator(seed: int, **options: object) -> TinygSimulator:
    """A powered-on mill. `options` are the fields of `TinygOptions` and `PartSpec`, also as text.

    Raises UsageError for an unknown option or a value that does not fit.
    """
    own, parts = read_options(TinygOptions, options)
    return TinygSimulator(own, seed=seed, parts=parts)
