"""The status report of the pretend Grbl: `<State|MPos:..|FS:..|WCO:..>` with its deferred fields.

It must not know when it is asked. Fields and their order are those of Grbl 1.1's interface document; `WCO` comes
every 10 reports at rest and every 30 in motion, `Ov` every 10 and 20, never together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .simulator_parser import INCH_MM

if TYPE_CHECKING:
    from .simulator import GrblSimulator

EVERY_IDLE = 10
EVERY_BUSY_OFFSET = 30
EVERY_BUSY_OVERRIDES = 20


class StatusReport:
    """Counts reports of one machine and says what the next one holds."""

    def __init__(self, machine: GrblSimulator) -> None:
        self.machine = machine
        self._offset_in = 0
        self._overrides_in = 0

    def refresh(self) -> None:
        """After a reset everything is told anew."""
        self._offset_in = self._overrides_in = 0

    def refresh_offset(self) -> None:
        self._offset_in = 0

    def refresh_overrides(self) -> None:
        self._overrides_in = 0

    def text(self) -> str:
        """The report as of now."""
        machine = self.machine
        mask = int(machine.settings[10])
        x, y, z = machine.planner.position(machine.now_s)
        a, b, c = machine.offsets.total(machine.modes)
        point = machine.system.point
        place = f"MPos:{point((x, y, z))}" if mask & 1 else f"WPos:{point((x - a, y - b, z - c))}"
        fields = [self.state(), place]
        if mask & 2:
            fields.append(f"Bf:{machine.planner.free},{machine.free_rx_bytes()}")
        feed = machine.planner.speed_mm_s * 60 / (INCH_MM if machine.settings[13] else 1)
        fields.append(f"FS:{feed:.0f},{machine.outputs['spindle']:.0f}")
        if machine.pins:
            fields.append(f"Pn:{machine.pins}")
        fields += self._deferred((a, b, c))
        return "<" + "|".join(fields) + ">"

    def state(self) -> str:
        """The state with its sub-state."""
        machine = self.machine
        if machine.state == "Hold":
            return f"Hold:{int(machine.planner.stopping)}"
        if machine.state == "Door":
            if machine.planner.stopping:
                return "Door:2"
            if machine.door_ajar:
                return "Door:1"
            return "Door:3" if machine.is_restoring() else "Door:0"
        return machine.state

    def _deferred(self, offset: tuple[float, float, float]) -> list[str]:
        machine = self.machine
        busy = machine.state in ("Home", "Run", "Hold", "Jog", "Door")
        if self._offset_in > 0:
            self._offset_in -= 1
        else:
            self._offset_in = (EVERY_BUSY_OFFSET if busy else EVERY_IDLE) - 1
            self._overrides_in = max(1, self._overrides_in)
            fields = [f"WCO:{machine.system.point(offset)}", *machine.firmware.extra_fields]
            return self._count_overrides(fields)
        return self._count_overrides([])

    def _count_overrides(self, fields: list[str]) -> list[str]:
        machine = self.machine
        if self._overrides_in > 0:
            self._overrides_in -= 1
            return fields
        busy = machine.state in ("Home", "Run", "Hold", "Jog", "Door")
        self._overrides_in = (EVERY_BUSY_OVERRIDES if busy else EVERY_IDLE) - 1
        percent = machine.override_percent
        fields.append(f"Ov:{percent['feed']},{percent['rapid']},{percent['spindle']}")
        on = machine.outputs
        letters = {3: "S", 4: "C"}.get(machine.spindle, "") if on["spindle"] else ""
        letters += ("F" if on["flood"] else "") + ("M" if on["mist"] else "")
        if letters:
            fields.append(f"A:{letters}")
        return fields
