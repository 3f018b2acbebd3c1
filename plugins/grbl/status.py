"""The status report `<State|MPos:..|FS:..|..>` of the Grbl family, parsed whole. It must not know what a state means
for a run.

Fields come in any order and most of them only now and then (Grbl 1.1, interface.md "Real-time Status Reports";
grblHAL `report.c`; FluidNC `Report.cpp`). Of a field that is not in a report the last value is kept where the
firmware tells changes only: the work offset, overrides and what is switched on.
"""

from __future__ import annotations

import math

import msgspec

Point = tuple[float, float, float]

MM_PER_INCH = 25.4
MOVING = frozenset({"Run", "Jog", "Home"})
_KNOWN = frozenset({"MPos", "WPos", "WCO", "F", "FS", "Bf", "Ln", "Pn", "Ov", "A"})


class Status(msgspec.Struct, frozen=True):
    """One report: positions in mm, machine coordinates; None for what was not told.

    `feed_mm_s` and `spindle_rpm` are as they are now. `planner_free` and `rx_free_bytes` are `Bf:`, `line` is `Ln:`.
    `pins` are the active inputs (`Pn:`), letters as the firmware names them; told in full, so empty means none.
    `overrides_percent` has `feed`, `rapid`, `spindle`. `on` are the letters of `A:` (S, C spindle; F, M coolant).
    `extras` holds what else was in it: grblHAL's DTG, WCS, SP1, MPG, H, T, TLR, In, AR, FW, and FluidNC's `SD`.
    """

    state: str
    sub_state: int
    position_mm: Point | None
    feed_mm_s: float | None
    spindle_rpm: float | None
    work_offset_mm: Point | None = None
    planner_free: int | None = None
    rx_free_bytes: int | None = None
    line: int | None = None
    pins: str = ""
    overrides_percent: dict[str, float] = {}
    on: str = ""
    extras: dict[str, str] = {}

    @property
    def at_rest_in_hold(self) -> bool:
        """Feed hold is complete: a reset now keeps the position."""
        return self.state == "Hold" and self.sub_state == 0


class StatusReader:
    """Parses reports and remembers what is told only now and then. `inches` is $13."""

    def __init__(self) -> None:
        self.inches = False
        self._offset: Point | None = None
        self._overrides: dict[str, float] = {}
        self._on = ""

    def forget(self) -> None:
        """After a reset everything is told anew."""
        self._offset = None
        self._overrides = {}
        self._on = ""

    def read(self, line: bytes) -> Status | None:
        """One line `<...>`; None when it is garbled."""
        if not (line.startswith(b"<") and line.endswith(b">")) or line.count(b"<") > 1:
            return None
        head, *fields = line[1:-1].decode("latin-1").split("|")
        state, _, sub_state = head.partition(":")
        values: dict[str, str] = {}
        for each in fields:
            name, _, values[name] = each.partition(":")
        if not state.isalpha() or not (sub_state.isdigit() or not sub_state):
            return None
        try:
            return self._status(state, int(sub_state or 0), values)
        except ValueError:
            return None

    def _status(self, state: str, sub_state: int, values: dict[str, str]) -> Status:
        scale = MM_PER_INCH if self.inches else 1.0
        offset = point(values["WCO"], scale) if "WCO" in values else self._offset
        position: Point | None = None
        if "MPos" in values:
            position = point(values["MPos"], scale)
        elif "WPos" in values:
            work = point(values["WPos"], scale)
            if offset is not None:
                position = (work[0] + offset[0], work[1] + offset[1], work[2] + offset[2])
        feed, _, spindle = values.get("FS", values.get("F", "")).partition(",")
        spindle = spindle.partition(",")[0]  # grblHAL adds the speed that it measures
        blocks, _, free = values.get("Bf", "").partition(",")
        overrides = self._overrides
        if "Ov" in values:
            percents = [_finite(each) for each in values["Ov"].split(",")]
            overrides = dict(zip(("feed", "rapid", "spindle"), percents, strict=False))
        # `A:` comes only together with `Ov:`, and not at all when nothing is on.
        on = values.get("A", "") if "Ov" in values or "A" in values else self._on
        status = Status(
            state,
            sub_state,
            position,
            _finite(feed) * scale / 60 if feed else None,
            _finite(spindle) if spindle else None,
            work_offset_mm=offset,
            planner_free=int(blocks) if blocks else None,
            rx_free_bytes=int(free) if free else None,
            line=int(values["Ln"]) if "Ln" in values else None,
            pins=values.get("Pn", ""),
            overrides_percent=overrides,
            on=on,
            extras={} if values.keys() <= _KNOWN else {name: values[name] for name in values if name not in _KNOWN},
        )
        self._offset, self._overrides, self._on = offset, overrides, on
        return status


def point(text: str, scale: float) -> Point:
    """The first three of these numbers, in mm. Raises ValueError where there are fewer, or one is none: `nan`, which
    the kinematics of some builds give, would pass every limit that it is compared with."""
    x, y, z, *_ = map(float, text.split(","))
    if not math.isfinite(x + y + z):
        raise ValueError(text)
    return (x * scale, y * scale, z * scale)


def _finite(text: str) -> float:
    """Raises ValueError for what is no number, NaN included: travel limits are kept by comparing."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no place and no speed")
    return value
