"""A pretend board of the Grbl family: receive buffer, real-time bytes, states, alarms and status reports.

Reading a line is `simulator_parser`, doing it `simulator_execute`, `$` commands `simulator_settings`, and what
grblHAL and FluidNC do otherwise is in `simulator_firmware`. This module must not know the driver or the engine.
Behaviour follows Grbl 1.1's interface, commands and jogging documents.

Parts are made when `M2` or `M30` runs, after at least one feed move (G1, G2, G3) since the last; an alarm or a reset
spoils what was begun, and nothing is made in check mode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fleetctl.sim.machine import Task, Wait
from fleetctl.sim.motion import Move, Planner, Point
from fleetctl.sim.options import read_options
from fleetctl.sim.parts import PartSpec

from .simulator_execute import Execution
from .simulator_firmware import firmware_of, real_time_bytes
from .simulator_parser import Modes, Offsets, Reader, Refused
from .simulator_realtime import RealTimeBytes
from .simulator_report import StatusReport
from .simulator_settings import System, read_settings

PIECES = re.compile(rb"[?!~\x18\x19]|[\x80-\xff]+|[^?!~\x18\x19\x80-\xff\r\n]*[\r\n]|[^?!~\x18\x19\x80-\xff\r\n]+")
"""Real-time bytes one by one; the rest in lines and beginnings of lines. CR and LF each end a line."""
COMMENT = re.compile(rb"\([^)]*\)?|;.*")
HOSTS = re.compile(r"(?:N\d+)?M0*[01]")
DROPPED = bytes(range(33)) + b"/"
LONGEST_BYTES = 4096


def significant(line: bytes) -> str:
    """What Grbl keeps of a line: no comments, spaces or slashes, upper case."""
    return COMMENT.sub(b"", line).translate(None, DROPPED).decode("latin-1").upper()


def as_executed(program: bytes) -> list[str]:
    """The texts that `executed` holds after just this program, for `fleetctl.sim.record.digest`; M0 and M1 are the
    host's."""
    texts = [significant(line) for line in re.split(rb"[\r\n]", program)]
    return [text for text in texts if text and text[0] != "$" and not HOSTS.fullmatch(text)]


@dataclass(frozen=True)
class GrblOptions:
    """The pretend firmware and the machine under it. `settings` is text as `20=1,22=1`; `work_mm` is G54's offset;
    `start_mm` is where the tool stands at power-on, seen from the home corner's zero.

    `firmware` is grbl, grblhal or fluidnc; an empty `version` and sizes of 0 are the firmware's usual ones. `echo`:
    each line is sent back as it was read. `legacy_rt`: `?!~` count everywhere (grblHAL's RT+). `auto_report_s`: it
    reports by itself and ignores queries (0: never). `crlf_link`: something on the way makes CR LF of every LF.
    `dwell_stretch`: how much longer a dwell takes than it says. `spindle_s`: how long grblHAL and FluidNC wait for
    the spindle, on and off.
    """

    firmware: str = "grbl"
    version: str = ""
    rx_bytes: int = 0
    planner_blocks: int = 0
    line_chars: int = 0
    echo: bool = False
    legacy_rt: bool = True
    auto_report_s: float = 0.0
    crlf_link: bool = False
    dwell_stretch: float = 1.0
    spindle_s: float = 0.0
    settings: str = ""
    work_mm: tuple[float, ...] = (0.0, 0.0, 0.0)
    start_mm: tuple[float, ...] = (0.0, 0.0, 0.0)
    probe_z_mm: float = -1e9
    eeprom_write_s: float = 0.02
    report_while_homing: bool = False
    boot_s: float = 0.0


class GrblSimulator(RealTimeBytes):
    """One mill. Extra attributes: `state` (Idle, Run, Hold, Jog, Alarm, Door, Check, Home, Sleep), `spindle` (3 to
    5 as M3 to M5), `rpm`, `flood`, `settings`, `offsets`, `modes`, `lost_bytes`, `critical`, `override_percent`."""

    LINE_END = b"\r\n"
    faults = (
        "hard-limit", "soft-limit", "door", "door-ajar", "door-shut", "probe", "reset", "sleep", "check", "e-stop",
        "flush", "jog-elsewhere",
    )  # fmt: skip
    """`flush` is a 0x85 that somebody else sent; `check` and `sleep` are a `$C` and `$SLP` of theirs. `door` is
    opened and shut again; `probe` is in contact, or a short circuit, until it comes again."""

    def __init__(self, options: GrblOptions, *, seed: int, parts: PartSpec | None = None) -> None:
        super().__init__(seed=seed, parts=parts)
        self.firmware = firmware_of(options)
        own = self.firmware
        options = replace(
            options,
            version=options.version or own.version,
            rx_bytes=options.rx_bytes or own.rx_bytes,
            planner_blocks=options.planner_blocks or own.planner_blocks,
            line_chars=options.line_chars or own.line_chars,
        )
        self.options = options
        self.macros_run = 0
        self.held = False
        """Somebody keeps the emergency stop pressed: it cannot be unlocked (grblHAL, system.c disable_lock)."""
        self.settings = read_settings(options.settings)
        self.offsets = Offsets()
        self.offsets.work[0] = (options.work_mm[0], options.work_mm[1], options.work_mm[2])
        self.planner = Planner(options.planner_blocks - 1, replans_current=True)
        self.execution = Execution(self)
        self.system = System(self)
        self.status = StatusReport(self)
        self.build_info = ""
        self.lost_bytes = 0
        self.door_ajar = self.probe_stuck = False
        self._physical_offset: Point = (options.start_mm[0], options.start_mm[1], options.start_mm[2])
        self._boot()

    # Boot, reset, alarm

    def _boot(self) -> None:
        """Power-on: the position is forgotten, the EEPROM is not."""
        self._physical_offset = self.position_mm
        self.planner.flush(self.now_s)
        self.planner.place((0.0, 0.0, 0.0))
        self.probed: tuple[Point, bool] = ((0.0, 0.0, 0.0), False)
        self.state = "Alarm" if self.settings[22] or self.held else "Idle"
        self._silent_until_s: float | None = None
        if self.options.boot_s > 0:
            self._silent_until_s = self.now_s + self.options.boot_s
        self._start_over()

    def _start_over(self) -> None:
        """What every reset does: buffers, modes and outputs as at the start; then the banner."""
        self.planner.flush(self.now_s)
        self.planned = self.planner.position(self.now_s)
        self.modes = Modes()
        self.offsets.g92 = (0.0, 0.0, 0.0)
        self._outputs_off()
        self.reset_overrides()
        self.cutting_moves = 0
        self.critical = False
        self.locked_by = 0
        self._last_end = 0
        self._report_at_s = self.now_s + self.options.auto_report_s if self.options.auto_report_s else None
        self.deaf_until_s = -1.0
        self._ring = bytearray()
        self._line = bytearray()
        self._task: Task | None = None
        self._wait: Wait | None = None
        self._suspended = False
        self._cancelling = False
        self._query_pending = False
        self._override_at_s: dict[int, float] = {}
        self._resume_at_s: float | None = None
        self.status.refresh()
        if self._silent_until_s is None:
            self._greet()

    def _greet(self) -> None:
        self._silent_until_s = None
        self._say("")
        self._say(self.firmware.greeting.format(version=self.options.version))
        if self.state == "Alarm":
            if self.firmware.homing_alarm and self.settings[22]:
                self._say(f"ALARM:{self.firmware.homing_alarm}")
            self._say("[MSG:'$H'|'$X' to unlock]")

    def _outputs_off(self) -> None:
        self.spindle, self.rpm, self.flood, self.mist = 5, 0.0, False, False
        self.outputs_paused = False
        self.outputs_changed()

    def soft_reset(self) -> None:
        """0x18: in motion it loses steps and alarms; at rest the position is kept. An alarm stays an alarm."""
        moving = self.planner.moving or self.state == "Home"
        if moving and not self.critical:
            self._say(f"ALARM:{6 if self.state == 'Home' else 3}")
            self.state = "Alarm"
        elif self.state != "Alarm":
            self.state = "Idle"
        self._start_over()

    def alarm(self, number: int) -> None:
        """Stop dead, outputs off; 1 and 2 accept nothing but a reset."""
        self.planner.flush(self.now_s)
        self.planned = self.planner.position(self.now_s)
        self._outputs_off()
        self.cutting_moves = 0
        self.state = "Alarm"
        self._task = self._wait = None
        self._suspended = False
        self._resume_at_s = None
        self._say(f"ALARM:{number}")
        if number in self.firmware.critical:
            self.critical = True
            self._say("[MSG:Reset to continue]")

    def _fail(self, kind: str) -> None:
        if kind == "reset":
            self.resets += 1
            self._boot()
        elif kind in ("door", "door-ajar"):
            self.door_ajar = kind == "door-ajar"
            self._open_door()
        elif kind == "door-shut":
            self.door_ajar = False
        elif kind == "probe":
            self.probe_stuck = not self.probe_stuck
        elif kind == "sleep":
            self.planner.flush(self.now_s)
            self.sleep()
        elif kind == "check":
            self.planner.flush(self.now_s)
            self.state = "Check"
        elif kind == "jog-elsewhere":
            self.state = "Jog"
        elif kind == "flush":
            self._real_time(0x85)
        elif not self.critical:
            self.alarm({"hard-limit": 1, "soft-limit": 2}.get(kind, 10 if self.firmware.name == "grblhal" else 13))

    # What an observer sees

    @property
    def activity(self) -> str:
        return self.state.lower()

    @property
    def position_mm(self) -> Point:
        (x, y, z), (dx, dy, dz) = self.planner.position(self.now_s), self._physical_offset
        return (x + dx, y + dy, z + dz)

    @property
    def outputs(self) -> dict[str, float]:
        turning = self.spindle != 5 and not self.outputs_paused
        rpm = self.rpm * self.override_percent["spindle"] / 100 if turning else 0.0
        return {
            "spindle": rpm,
            "flood": float(self.flood and not self.outputs_paused),
            "mist": float(self.mist and not self.outputs_paused),
        }

    @property
    def probe_closed(self) -> bool:
        """The probe is in contact where the tool stands, or short-circuited."""
        return self.probe_stuck or self.planner.position(self.now_s)[2] <= self.options.probe_z_mm + 1e-6

    @property
    def pins(self) -> str:
        """The letters of `Pn:`."""
        return ("P" if self.probe_closed else "") + ("D" if self.door_ajar else "")

    def snapshot(self) -> dict[str, object]:
        return super().snapshot() | {
            "machine_position_mm": [round(value, 4) for value in self.planner.position(self.now_s)],
            "work_offset_mm": [round(value, 4) for value in self.offsets.total(self.modes)],
            "critical": self.critical,
            "lost_bytes": self.lost_bytes,
        }

    # For the parts of the firmware in the neighbouring modules

    @property
    def checking(self) -> bool:
        return self.state == "Check"

    def say(self, text: str) -> None:
        """One line to the host."""
        self._say(text)

    def make_parts(self) -> None:
        """The program came to its end."""
        self._make_parts()

    def push(self, move: Move, *, jog: bool = False) -> None:
        """Queue a move and start the cycle."""
        self.planner.push(move, self.now_s)
        if self.state == "Idle":
            self.state = "Jog" if jog else "Run"

    def is_running_task(self) -> bool:
        """False for a task that an alarm has ended."""
        return self._task is not None

    def rates_mm_s(self) -> tuple[float, float, float]:
        return (self.settings[110] / 60, self.settings[111] / 60, self.settings[112] / 60)

    def accels_mm_s2(self) -> tuple[float, float, float]:
        return (self.settings[120], self.settings[121], self.settings[122])

    def within_travel(self, point: Point) -> bool:
        """Soft limits: with $20, each axis from minus its travel to 0."""
        if not self.settings[20]:
            return True
        return all(-self.settings[130 + axis] <= value <= 0.0 for axis, value in enumerate(point))

    def home_corner(self) -> Point:
        """Machine coordinates after homing; $23 says which axes home to their negative end."""
        mask, pull_mm = int(self.settings[23]), self.settings[27]
        x, y, z = (-self.settings[130 + axis] + pull_mm if mask >> axis & 1 else -pull_mm for axis in range(3))
        return (x, y, z)

    def at_home(self, axes: tuple[int, ...]) -> None:
        """These axes have found their switches."""
        here, corner = list(self.planner.position(self.now_s)), self.home_corner()
        offset = list(self._physical_offset)
        for axis in axes:
            here[axis], offset[axis] = corner[axis], 0.0
        self._physical_offset = (offset[0], offset[1], offset[2])
        self.planner.place((here[0], here[1], here[2]))
        self.planned = (here[0], here[1], here[2])

    def free_rx_bytes(self) -> int:
        """Room in the receive buffer, for `Bf:`."""
        return self.options.rx_bytes - self.firmware.rx_short_bytes - len(self._ring)

    def is_restoring(self) -> bool:
        """The door is shut and the spindle comes up again."""
        return self._resume_at_s is not None

    def offsets_changed(self) -> None:
        """The next status report tells the work offset."""
        self.status.refresh_offset()

    def outputs_changed(self) -> None:
        """The next status report tells what is on (gnea/grbl, spindle_control.c and coolant_control.c: "Set to report
        change immediately")."""
        self.status.refresh_overrides()

    def reset_overrides(self) -> None:
        self.override_percent = {"feed": 100, "rapid": 100, "spindle": 100}
        self._apply_overrides()

    def pause(self) -> None:
        """M0: wait for cycle start."""
        self.state = "Hold"
        self._suspended = True

    def await_tool(self) -> None:
        """M6 of grblHAL: the spindle stops, and it waits for cycle start."""
        self.state = "Tool"
        self._suspended = True

    def sleep(self) -> None:
        """`$SLP`: outputs off, only a reset wakes it."""
        self._outputs_off()
        self.state = "Sleep"
        self._suspended = True

    def leave_check_mode(self) -> None:
        """Ends with a soft reset, as in Grbl."""
        self.state = "Idle"
        self._say("ok")
        self._start_over()

    def answer_pending_query(self) -> None:
        if self._query_pending:
            self._query_pending = False
            self._say(self.status.text())

    # Bytes in

    def _hear(self, data: bytes) -> None:
        if self.options.crlf_link:
            data = data.replace(b"\n", b"\r\n")
        for piece in PIECES.findall(data):
            if self._silent_until_s is not None or self.now_s < self.deaf_until_s:
                self.lost_bytes += len(piece)
                continue
            self._settle()
            first = piece[0]
            if first >= 0x80:
                for byte in real_time_bytes(self.firmware, piece):
                    self._real_time(byte)
            elif (first in b"?!~" and not self._counts_as_text()) or first == 0x18:
                self._real_time(first)
            elif first == 0x19:
                if 0x19 in self.firmware.meaning:
                    self._real_time(first)
            else:
                self._take(piece)
            self._pump()

    def _counts_as_text(self) -> bool:
        """grblHAL with RT-: inside a `$` line or a comment `?!~` are kept (protocol.c, keep_rt_commands)."""
        return not self.options.legacy_rt and bytes(self._line[:1]) in (b"$", b"(")

    def _blocked(self) -> bool:
        """The main loop is not reading: a command is in progress, or everything waits."""
        deaf = self.critical and not self.firmware.hears_when_critical
        return self._task is not None or self._suspended or deaf

    def _take(self, piece: bytes) -> None:
        if self._blocked():
            room = self.free_rx_bytes()
            self._ring += piece[: max(0, room)]
            self.lost_bytes += max(0, len(piece) - room)
        else:
            self._collect(piece)

    def _collect(self, piece: bytes) -> None:
        ended = piece[-1] in b"\r\n"
        alone = ended and len(piece) == 1 and not self._line
        if alone and self.firmware.one_answer_per_crlf and self._last_end not in (0, piece[0]):
            self._last_end = 0
            return  # the second half of a line end
        if ended:
            self._last_end = piece[-1]
        self._line += (piece[:-1] if ended else piece)[: LONGEST_BYTES - len(self._line)]
        if ended:
            raw = bytes(self._line)
            self._line.clear()
            if self.firmware.cuts_long_lines:
                raw = raw[: self.options.line_chars - 1]
            self._do_line(significant(raw), raw)

    # Lines

    def _do_line(self, text: str, raw: bytes = b"") -> None:
        """Judge and start one line; answers at once unless it takes time."""
        task: Task | None = None
        if self.options.echo and text:
            self._say(f"[echo: {text if self.firmware.name == 'grbl' else raw.decode('latin-1')}]")
        try:
            if not text or text.startswith("$"):
                self.locked_by = 0
            if self.locked_by:
                raise Refused(self.locked_by)
            if len(text) >= self.options.line_chars:
                raise Refused(11)
            if text:
                self.heard.add(text, self.now_s)
            if text.startswith("$"):
                resets = self.state == "Check" and text == "$C"
                task = self.system.run(text)
                if resets:
                    return
            elif text:
                task = self._do_gcode(text)
        except Refused as refused:
            self._refuse(refused.code)
            return
        if task is None:
            self._say("ok")
        else:
            self._task = task
            self._step(task)

    def _refuse(self, code: int) -> None:
        self._say(f"error:{code}")
        if self.firmware.locks_after_error:
            self.locked_by = code

    def _do_gcode(self, text: str) -> Task:
        if self.state in ("Alarm", "Jog"):
            raise Refused(9)
        knows_m6 = self.firmware.tool_change != "error"
        block = Reader(text, self.modes, self.planned, self.offsets, knows_m6=knows_m6).block()
        if not self.checking:
            self.executed.add(text, self.now_s)
        return self.execution.run(block)

    def _pump(self) -> None:
        """Run the main loop until it has to wait."""
        while not self._suspended and not (self.critical and not self.firmware.hears_when_critical):
            if self._task is not None:
                wait = self._wait
                if wait is not None and not wait.done() and (wait.at_s is None or self.now_s < wait.at_s):
                    return
                self._step(self._task)
            elif self._ring:
                ends = [at for at in (self._ring.find(b"\n"), self._ring.find(b"\r")) if at >= 0]
                end = min(ends) + 1 if ends else len(self._ring)
                piece = bytes(self._ring[:end])
                del self._ring[:end]
                self._collect(piece)
            else:
                return

    def _step(self, task: Task) -> None:
        try:
            self._wait = next(task)
        except StopIteration:
            code = 0
        except Refused as refused:
            code = refused.code
        else:
            return
        if self._task is task:
            self._task = self._wait = None
            if code:
                self._refuse(code)
            else:
                self._say("ok")

    # Time

    def _settle(self) -> None:
        """Bring the motion and the state that follows from it up to now."""
        self.planner.advance(self.now_s)
        if self._cancelling and not self.planner.stopping:
            self._cancelling = False
            self.planner.flush(self.now_s)
            self.planned = self.planner.position(self.now_s)
        if self.state in ("Run", "Jog") and self.planner.queued == 0:
            self.state = "Idle"

    def next_deadline(self) -> float | None:
        if self._silent_until_s is not None:
            return self._silent_until_s
        times: list[float] = []
        motion_s = self.planner.next_deadline()
        if self._report_at_s is not None:
            times.append(self._report_at_s)
        if motion_s is not None and (self._cancelling or (self._wait is not None and self._wait.motion)):
            times.append(motion_s)
        if self._resume_at_s is not None:
            times.append(self._resume_at_s)
        if self._wait is not None and self._wait.at_s is not None and not self._suspended:
            times.append(self._wait.at_s)
        return min(times, default=None)

    def _wake(self) -> None:
        if self._silent_until_s is not None:
            self._greet()
            return
        self._settle()
        if self._report_at_s is not None and self.now_s >= self._report_at_s:
            self._report_at_s = self.now_s + self.options.auto_report_s
            self._say(self.status.text())
        if self._resume_at_s is not None and self.now_s >= self._resume_at_s:
            self._resume()
        self._pump()


def simulator(seed: int, **options: object) -> GrblSimulator:
    """A powered-on mill. `options` are the fields of `GrblOptions` and `PartSpec`, also as text.

    Raises UsageError for an unknown option or a value that does not fit.
    """
    own, parts = read_options(GrblOptions, options)
    return GrblSimulator(own, seed=seed, parts=parts)
