"""The `$` commands of the pretend Grbl: settings, parameters, build info, check mode, unlock, sleep.

It must not know bytes or time; homing and jogging are tasks of `simulator_execute`. Settings and their meaning are
those of Grbl 1.1's settings document; rates and travel are those of a small mill, not Grbl's cautious defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleetctl.errors import UsageError
from fleetctl.sim.machine import Task
from fleetctl.sim.motion import Point

from .simulator_parser import INCH_MM, MOTIONS, Reader, Refused

if TYPE_CHECKING:
    from .simulator import GrblSimulator

DEFAULTS: dict[int, float] = {
    **{0: 10, 1: 25, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 10: 1, 11: 0.010, 12: 0.002, 13: 0},
    **{20: 0, 21: 0, 22: 0, 23: 0, 24: 100, 25: 1500, 26: 250, 27: 1, 30: 10000, 31: 0, 32: 0},
    **{100: 250, 101: 250, 102: 250, 110: 5000, 111: 5000, 112: 1500, 120: 300, 121: 300, 122: 150},
    **{130: 300, 131: 200, 132: 80},
}
FRACTIONAL = frozenset((11, 12, 24, 25, 27, 100, 101, 102, 110, 111, 112, 120, 121, 122, 130, 131, 132))
ASSIGNMENT = re.compile(r"\$(\d+)=(.*)")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)\Z")


def read_settings(text: str) -> dict[int, float]:
    """Settings as the option gives them, `20=1,22=1`, over the defaults. Raises UsageError for an unknown one."""
    settings = dict(DEFAULTS)
    for pair in filter(None, (part.strip() for part in text.split(","))):
        number, _, value = pair.partition("=")
        if not number.isdigit() or int(number) not in settings or not NUMBER.match(value):
            raise UsageError(f"Grbl has no setting {pair!r}; write them as 20=1,22=1.")
        settings[int(number)] = float(value)
    return settings


class System:
    """Carries out `$` lines of one machine; raises Refused with Grbl's error number."""

    def __init__(self, machine: GrblSimulator) -> None:
        self.machine = machine

    def run(self, text: str) -> Task | None:
        """One line that begins with `$`, in upper case and without spaces."""
        machine = self.machine
        if text.startswith("$J="):
            return self._jog(text[3:])
        if text in ("$", "$G", "$C", "$X", "$I", "$N"):
            self._short(text)
            return None
        if text in ("$$", "$#", "$H", "$SLP") or text.startswith(("$RST=", "$I=", "$N")):
            return self._idle_only(text)
        found = ASSIGNMENT.match(text)
        if found is None:
            raise Refused(3)
        if machine.state not in ("Idle", "Alarm"):
            raise Refused(8)
        self._assign(int(found[1]), found[2])
        return machine.execution.write_eeprom()

    def _jog(self, text: str) -> Task:
        machine = self.machine
        if machine.state not in ("Idle", "Jog"):
            raise Refused(8)
        block = Reader(text, machine.modes, machine.planned, machine.offsets, jog=True).block()
        return machine.execution.jog(block)

    def _short(self, text: str) -> None:
        machine = self.machine
        if text == "$":
            machine.say(machine.firmware.help_line)
        elif text == "$G":
            machine.say(self.modes_report())
        elif text == "$I":
            options = machine.options
            for line in machine.firmware.build:
                machine.say(
                    line.format(
                        version=options.version,
                        info=machine.build_info,
                        blocks=options.planner_blocks - 1,
                        rx=options.rx_bytes,
                        legacy="+" if options.legacy_rt else "-",
                    )
                )
        elif text == "$N":
            machine.say("$N0=")
            machine.say("$N1=")
        elif text == "$X":
            if machine.held:
                raise Refused(50)
            if machine.critical:
                raise Refused(79)
            if machine.state == "Alarm":
                machine.state = "Idle"
                machine.say("[MSG:Caution: Unlocked]")
        elif machine.state == "Check":
            machine.say("[MSG:Disabled]")
            machine.leave_check_mode()
        elif machine.state == "Idle":
            machine.state = "Check"
            machine.say("[MSG:Enabled]")
        else:
            raise Refused(8)

    def _idle_only(self, text: str) -> Task | None:
        machine = self.machine
        # `$#` in check mode is error:8; found with the real firmware in simavr.
        allowed = ("Idle", "Alarm", "Check") if text == "$$" else ("Idle", "Alarm")
        if machine.state not in allowed:
            raise Refused(8)
        if text == "$$":
            for line in self.settings_report():
                machine.say(line)
        elif text == "$#":
            for line in self.parameters_report():
                machine.say(line)
        elif text == "$H":
            if machine.critical:
                raise Refused(79)
            if not machine.settings[22]:
                raise Refused(5)
            return machine.execution.home()
        elif text == "$SLP":
            machine.sleep()
        elif text.startswith("$RST="):
            self._restore(text[5:])
            return machine.execution.write_eeprom()
        elif text.startswith("$I="):
            machine.build_info = text[3:]
            return machine.execution.write_eeprom()
        else:
            raise Refused(3)
        return None

    def _assign(self, number: int, text: str) -> None:
        settings = self.machine.settings
        if number not in settings or not text:
            raise Refused(3)
        if not NUMBER.match(text):
            raise Refused(2)
        value = float(text)
        if value < 0:
            raise Refused(4)
        if number == 0 and value < 3:
            raise Refused(6)
        if number == 20 and value and not settings[22]:
            raise Refused(10)
        settings[number] = value if number in FRACTIONAL else float(int(value))
        if number == 22 and not value:
            settings[20] = 0

    def _restore(self, what: str) -> None:
        machine = self.machine
        if what not in ("$", "#", "*"):
            raise Refused(3)
        if what in "$*":
            machine.settings.update(read_settings(machine.options.settings))
        if what in "#*":
            machine.offsets.work[:] = [(0.0, 0.0, 0.0)] * 6
            machine.offsets.g28 = machine.offsets.g30 = (0.0, 0.0, 0.0)
            machine.offsets_changed()
        machine.say("[MSG:Restoring defaults]")

    # Reports

    def point(self, point: Point) -> str:
        """Three coordinates, in inches when $13 is set."""
        if self.machine.settings[13]:
            return ",".join(f"{value / INCH_MM:.4f}" for value in point)
        return ",".join(f"{value:.3f}" for value in point)

    def settings_report(self) -> Iterator[str]:
        for number, value in sorted(self.machine.settings.items()):
            yield f"${number}={value:.3f}" if number in FRACTIONAL else f"${number}={value:.0f}"
        if self.machine.firmware.name == "grblhal":
            for number in (394, 539):  # how long the spindle is waited for; FluidNC has it in its configuration
                yield f"${number}={self.machine.options.spindle_s:.1f}"

    def parameters_report(self) -> Iterator[str]:
        offsets = self.machine.offsets
        for index, point in enumerate(offsets.work):
            yield f"[G{54 + index}:{self.point(point)}]"
        yield f"[G28:{self.point(offsets.g28)}]"
        yield f"[G30:{self.point(offsets.g30)}]"
        yield f"[G92:{self.point(offsets.g92)}]"
        length = self.machine.modes.tool_length_mm
        if self.machine.firmware.offsets_of_length == 3:
            yield f"[TLO:{self.point((0.0, 0.0, length))}]"
        else:
            yield f"[TLO:{length / INCH_MM:.4f}]" if self.machine.settings[13] else f"[TLO:{length:.3f}]"
        yield self.probe_report()

    def probe_report(self) -> str:
        point, hit = self.machine.probed
        return f"[PRB:{self.point(point)}:{hit:d}]"

    def modes_report(self) -> str:
        modes = self.machine.modes
        feed = modes.feed_mm_min / (INCH_MM if modes.inches else 1)
        return (
            f"[GC:{MOTIONS[modes.motion]} G{54 + modes.coordinates} G{modes.plane} G{20 if modes.inches else 21} "
            f"G{90 if modes.absolute else 91} G{93 if modes.inverse_time else 94}{self.machine.firmware.more_modes} "
            f"M{modes.spindle} M{8 if modes.flood else 9} T{modes.tool} F{feed:.0f} "
            f"S{modes.rpm:.0f}{self.machine.firmware.speed_suffix}]"
        )
