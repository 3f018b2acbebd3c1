"""Grbl's status report `<State|MPos:..|FS:..|..>`, parsed whole. It must not know what a state means for a run.

Fields come in any order and most of them only now and then (Grbl 1.1, interface.md "Real-time Status Reports").
"""

from __future__ import annotations

from dataclasses import dataclass, field

Point = tuple[float, float, float]

MM_PER_INCH = 25.4
MOVING = frozenset({"Run", "Jog", "Home"})


@dataclass(frozen=True, slots=True)
class Status:
    """One report: positions in mm, machine coordinates; `feed_mm_s` and `spindle_rpm` as far as they were told;
    `overrides_percent` has `feed`, `rapid` and `spindle` as they were told last."""

    state: str
    sub_state: int
    position_mm: Point | None
    feed_mm_s: float | None
    spindle_rpm: float | None
    overrides_percent: dict[str, float] = field(default_factory=dict)

    @property
    def at_rest_in_hold(self) -> bool:
        """Feed hold is complete: a reset now keeps the position."""
        return self.state == "Hold" and self.sub_state == 0


class StatusReader:
    """Parses reports and remembers the work offset, which is told only now and then. `inches` is $13."""

    def __init__(self) -> None:
        self.inches = False
        self._offset: Point | None = None
        self._overrides: dict[str, float] = {}

    def read(self, line: bytes) -> Status | None:
        """One line `<...>`; None when it is garbled."""
        if not (line.startswith(b"<") and line.endswith(b">")) or line.count(b"<") > 1:
            return None
        head, *fields = line[1:-1].decode("latin-1").split("|")
        state, _, sub_state = head.partition(":")
        values = dict(field.split(":", 1) for field in fields if ":" in field)
        if not state.isalpha() or not (sub_state.isdigit() or not sub_state):
            return None
        try:
            return self._status(state, int(sub_state or 0), values)
        except ValueError:
            return None

    def _status(self, state: str, sub_state: int, values: dict[str, str]) -> Status:
        scale = MM_PER_INCH if self.inches else 1.0
        if "WCO" in values:
            self._offset = _point(values["WCO"], scale)
        position: Point | None = None
        if "MPos" in values:
            position = _point(values["MPos"], scale)
        elif "WPos" in values and self._offset is not None:
            work = _point(values["WPos"], scale)
            position = (work[0] + self._offset[0], work[1] + self._offset[1], work[2] + self._offset[2])
        if "Ov" in values:
            percents = [float(each) for each in values["Ov"].split(",")]
            self._overrides = dict(zip(("feed", "rapid", "spindle"), percents, strict=False))
        feed, _, spindle = values.get("FS", values.get("F", "")).partition(",")
        return Status(
            state,
            sub_state,
            position,
            float(feed) * scale / 60 if feed else None,
            float(spindle) if spindle else None,
            overrides_percent=self._overrides,
        )


def _point(text: str, scale: float) -> Point:
    x, y, z, *_ = (float(value) * scale for value in text.split(","))
    return (x, y, z)
