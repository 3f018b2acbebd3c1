"""The real-time bytes of the pretend boards: what each does at once, whatever else is going on.

Which extended bytes a firmware has is in `simulator_firmware`; it must not know lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetctl.sim.machine import SimulatedMachine, Task, Wait
from fleetctl.sim.motion import Planner, Point

from .simulator_firmware import Firmware
from .simulator_parser import Modes
from .simulator_report import StatusReport
from .simulator_settings import System

if TYPE_CHECKING:
    from .simulator import GrblOptions

DOOR_RESTORE_S = 4.0


class RealTimeBytes(SimulatedMachine):
    """The part of `GrblSimulator` that acts on single bytes."""

    firmware: Firmware
    options: GrblOptions
    planner: Planner
    planned: Point
    status: StatusReport
    system: System
    state: str
    critical: bool
    macros_run: int
    locked_by: int
    spindle: int
    flood: bool
    mist: bool
    modes: Modes
    outputs_paused: bool
    door_ajar: bool
    override_percent: dict[str, int]
    _ring: bytearray
    _line: bytearray
    _task: Task | None
    _wait: Wait | None
    _suspended: bool
    _cancelling: bool
    _override_at_s: dict[int, float]
    _query_pending: bool
    _resume_at_s: float | None

    def soft_reset(self) -> None:
        """0x18."""
        raise NotImplementedError

    def alarm(self, number: int) -> None:
        """Stop dead."""
        raise NotImplementedError

    def _outputs_off(self) -> None:
        raise NotImplementedError

    def _real_time(self, byte: int) -> None:
        """Grbl 1.1 interface document, "Real-Time Control Commands"."""
        if byte == 0x18:
            self.resets += 1
            self.soft_reset()
        elif self.critical and not (self.firmware.hears_when_critical and byte in b"?\x80"):
            return
        elif byte in self.firmware.meaning:
            self._extended(self.firmware.meaning[byte])
        elif byte == ord("?"):
            if self.options.auto_report_s:
                return
            if self.state == "Home" and not self.options.report_while_homing:
                self._query_pending = True
            else:
                self._say(self.status.text())
        elif byte == ord("!"):
            self._feed_hold()
        elif byte == ord("~"):
            self._cycle_start()
        elif byte == 0x84:
            self._open_door()
        elif byte == 0x85:
            self._cancel_jog()
        else:
            self._override(byte)

    def _extended(self, meaning: str) -> None:
        """Bytes that only grblHAL or FluidNC act on."""
        if meaning == "macro":
            self.macros_run += 1
        elif meaning == "expander":
            self.alarm(16)
        elif meaning == "modes":
            self._say(self.system.modes_report())
        elif meaning == "stop":
            self._flush_input()
            self.planner.flush(self.now_s)
            self.planned = self.planner.position(self.now_s)
            self._outputs_off()
            self._task = self._wait = None
            self._suspended = False
            self.state = "Alarm" if self.state == "Alarm" else "Idle"
        else:
            self._real_time({"query": ord("?"), "start": ord("~"), "hold": ord("!")}[meaning])

    def _flush_input(self) -> None:
        """What was received and not read yet is gone, and never answered."""
        self._ring.clear()
        self._line.clear()
        self.locked_by = 0

    def _feed_hold(self) -> None:
        if self.state == "Jog":
            self._cancel_jog()
        elif self.state in ("Idle", "Run"):
            self.planner.hold(self.now_s)
            self.state = "Hold"
            self._suspended = True

    def _cycle_start(self) -> None:
        if self.planner.stopping:
            return
        if self.state in ("Hold", "Tool"):
            self._resume()
        elif self.state == "Door" and self._resume_at_s is None and not self.door_ajar:
            restores = self.spindle != 5 or self.flood or self.mist
            self._resume_at_s = self.now_s + (DOOR_RESTORE_S if restores else 0.0)
            self._pause_outputs(False)

    def _resume(self) -> None:
        self._suspended = False
        self._pause_outputs(False)
        self._resume_at_s = None
        self.planner.resume(self.now_s)
        self.state = "Run" if self.planner.queued else "Idle"

    def _open_door(self) -> None:
        if self.state in ("Idle", "Run", "Hold", "Jog"):
            self.planner.hold(self.now_s)
            self._pause_outputs(True)
            self.state = "Door"
            self._suspended = True

    def _pause_outputs(self, paused: bool) -> None:
        """Spindle and coolant off, or as they were; the next report tells it, as when a program switches them."""
        if paused != self.outputs_paused:
            self.outputs_paused = paused
            self.status.refresh_overrides()

    def _cancel_jog(self) -> None:
        """Slow down, then forget the queue; a `$J` line that still waits for room runs afterwards, as in Grbl.
        grblHAL flushes its receive buffer besides, in any state."""
        if self.firmware.flushes_on_cancel:
            self._flush_input()
        if self.state == "Jog" and not self._cancelling:
            self._cancelling = True
            self.planner.hold(self.now_s)

    def _override(self, byte: int) -> None:
        """Each byte is one flag: the same one twice before the main loop looks is one step (serial.c)."""
        if self._override_at_s.get(byte) == self.now_s:
            return
        self._override_at_s[byte] = self.now_s
        percent = self.override_percent
        if 0x90 <= byte <= 0x94:
            percent["feed"] = _stepped(percent["feed"], byte - 0x90)
        elif 0x95 <= byte <= 0x97:
            percent["rapid"] = (100, 50, 25)[byte - 0x95]
        elif 0x99 <= byte <= 0x9D:
            percent["spindle"] = _stepped(percent["spindle"], byte - 0x99)
        elif byte == 0x9E and self.state == "Hold" and not self.planner.stopping:
            self.outputs_paused = not self.outputs_paused
        elif byte == 0xA0 and self.state in ("Idle", "Run", "Hold"):
            self.flood = self.modes.flood = not self.flood
        elif byte == 0xA1 and self.state in ("Idle", "Run", "Hold"):
            self.mist = not self.mist
        else:
            return
        self._apply_overrides()
        self.status.refresh_overrides()

    def _apply_overrides(self) -> None:
        percent = self.override_percent
        self.planner.set_factors(percent["feed"] / 100, percent["rapid"] / 100, self.now_s)


def _stepped(percent: int, step: int) -> int:
    """The five override bytes: 100 %, +10, -10, +1, -1, within 10 to 200 %."""
    return 100 if step == 0 else min(200, max(10, percent + (0, 10, -10, 1, -1)[step]))
