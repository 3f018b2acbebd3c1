"""What status, queue and exception reports told so far, put together: state, place, speed, modes, planner.

A report holds only what changed (`{"sv":1}`), and which fields it has is the machine's setting, so everything is
kept. As shipped, places are in the active work offset and in the active units (`posx`), so the place on the machine
is reckoned with the offsets that were told; where reports hold `mpox`, that is taken. It must not know lines or runs.

Source: synthetos/TinyG 0.97 `report.c`, `config_app.c`, `canonical_machine.c`; synthetos/g2 `config_app.cpp`.
"""

from __future__ import annotations

from typing import Any

from . import words

MM_PER_INCH = 25.4
FRAME_NAMES = {number - 53: f"G{number}" for number in range(54, 60)}
"""By the number in `coor`; 0 is G53."""

Point = tuple[float, float, float]


class Report:
    """The fields. `stat` and `free` (planner buffers) are -1 while nobody said; `room` is `free` at rest."""

    def __init__(self) -> None:
        self.stat = -1
        self.free = -1
        self.room = -1
        self.hold_is_at_rest = False
        self.inches = False
        self.frame = "G54"
        self.frames_mm: dict[str, Point] = {}
        self.g92_mm: Point = (0.0, 0.0, 0.0)
        self.velocity_mm_s: float | None = None
        self.homed: dict[str, bool] = {}
        self._work: list[float | None] = [None, None, None]
        self._machine: list[float | None] = [None, None, None]
        self._tells_machine = False

    def forget(self) -> None:
        """The board was reset."""
        keep = self.room
        self.__init__()  # type: ignore[misc]
        self.room = keep

    def take(self, told: dict[str, Any]) -> bool:
        """What was told, wherever; whether it says something of place or state."""
        stat, free, units, frame = told.get("stat"), told.get("qr"), told.get("unit"), told.get("coor")
        if isinstance(stat, int):
            self.stat = stat
        if isinstance(free, int):
            self.free = free
        if isinstance(units, int):
            self.inches = units == 0
        if isinstance(frame, int):
            self.frame = FRAME_NAMES.get(frame, "G53")
        if isinstance(told.get("home"), int):
            self.homed["all"] = told["home"] == 1
        if (velocity := words.number(told.get("vel"))) is not None:
            self.velocity_mm_s = velocity * self._unit_mm / 60
        places = self._take_places(told)
        return places or isinstance(stat, int)

    def _take_places(self, told: dict[str, Any]) -> bool:
        found = False
        for axis, letter in enumerate("xyz"):
            if (place := words.number(told.get(f"mpo{letter}"))) is not None:
                self._machine[axis], self._tells_machine, found = place, True, True
            if (place := words.number(told.get(f"pos{letter}"))) is not None:
                self._work[axis], found = place, True
        if (whole := words.point(told.get("mpo"))) is not None:
            self._machine, found = list(whole), True
        elif found and not self._tells_machine:
            self._machine = self._reckoned()
        return found

    def _reckoned(self) -> list[float | None]:
        offset = (0.0, 0.0, 0.0) if self.frame == "G53" else self.frames_mm.get(self.frame)
        if offset is None:
            return [None, None, None]
        return [
            None if place is None else place * self._unit_mm + offset[axis] + self.g92_mm[axis]
            for axis, place in enumerate(self._work)
        ]

    @property
    def _unit_mm(self) -> float:
        return MM_PER_INCH if self.inches else 1.0

    @property
    def position_mm(self) -> Point | None:
        """Where the tool is, machine coordinates; None while that is not known."""
        x, y, z = self._machine
        return None if x is None or y is None or z is None else (x, y, z)

    @property
    def at_rest(self) -> bool:
        """Stopped, and as far as was told nothing is planned."""
        return self.stat in words.AT_REST and (self.free < 0 or self.room < 0 or self.free >= self.room)

    @property
    def planned(self) -> int | None:
        """Planner buffers in use when it last told; None when it never did."""
        return None if self.free < 0 or self.room < 0 else max(0, self.room - self.free)
