"""What a person may do by hand at a machine right now, as the panel shows it: why a control is off, which heaters and
speeds it offers. Pure. The agent decides; this only keeps a page from offering what would be refused.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from fleetctl.api.reading import heater as heater_name
from fleetctl.errors import UsageError
from fleetctl.fleet.shapes import FloorShape, MachineShape
from fleetctl.fleet.temperatures import TemperatureColumns
from fleetctl.model.deeds import BY_HAND

TABLE_EVERY_S = 120.0
"""Rows of the table under the chart, so far apart."""


def out_of_reach(m: MachineShape, floor: FloorShape) -> str:
    """Why nothing at all can be asked of the machine, in one sentence; empty when it can."""
    if m.link == "connecting":
        return f"{m.name} is being connected."
    if m.link != "online":
        return f"{m.name} is offline: look whether it is switched on and its cable sits well."
    if floor.stop.stopped:
        return "Everything is stopped: release the stop first."
    if m.service == "locked-out":
        return f"{m.name} is locked out; somebody may be working on it. Put it back in service first."
    return ""


def why_not(m: MachineShape, floor: FloorShape) -> str:
    """Why the machine cannot be moved, heated or set by hand now; empty when it can."""
    if reason := out_of_reach(m, floor):
        return reason
    if m.activity == "fault":
        return f"{m.name} has a fault: look at it, then reset the fault."
    if m.run is not None:
        return f"Run {m.run.code} is on {m.name}: wait for its end, or cancel it."
    if m.activity != "idle" and m.reason != BY_HAND:
        return f"{m.name} is {m.activity}{f' ({m.reason})' if m.reason else ''}: wait until it is idle."
    return ""


class Speed(NamedTuple):
    """One choice of speed, mm/s by kind of axis."""

    label: str
    xy_mm_s: float
    z_mm_s: float
    e_mm_s: float


def speeds(m: MachineShape) -> tuple[Speed, ...]:
    """Slow, medium and fast, none faster than the machine's profile allows."""
    most = m.profile.max_feed_mm_s or (20.0, 20.0, 5.0)
    xy, z = min(most[0], most[1]), most[2]
    return (
        Speed("slow", min(5.0, xy), min(1.0, z), 1.0),
        Speed("medium", min(20.0, xy), min(4.0, z), 2.0),
        Speed("fast", min(80.0, xy), min(10.0, z), 5.0),
    )


class Heater(NamedTuple):
    """One heater of a machine: its driver's name, what people call it, what it reads, and its cap if known, degC."""

    name: str
    label: str
    now_degc: float
    target_degc: float
    most_degc: float | None


def heaters(m: MachineShape) -> tuple[Heater, ...]:
    """The heaters that the machine reports."""
    caps = {
        "bed": m.profile.bed_max_degc,
        "chamber": m.profile.chamber_max_degc,
    }
    return tuple(
        Heater(name, heater_name(name), now, target, caps.get(heater_name(name), m.profile.nozzle_max_degc))
        for name, (now, target) in m.temperatures_degc.items()
    )


def titles(m: MachineShape) -> str:
    """What people call each heater, as JSON for the chart."""
    return msgspec.json.encode({name: heater_name(name).capitalize() for name in m.temperatures_degc}).decode()


def rows(columns: TemperatureColumns) -> list[tuple[float, list[tuple[float, float] | None]]]:
    """The half hour as a short table: times, and (now, target) of each heater or None where nobody heard it."""
    found: list[tuple[float, list[tuple[float, float] | None]]] = []
    for index in range(len(columns.at_s) - 1, -1, -1):
        at_s = columns.at_s[index]
        if found and found[-1][0] - at_s < TABLE_EVERY_S:
            continue
        pairs = [(of.now_degc[index], of.target_degc[index]) for of in columns.heaters.values()]
        found.append((at_s, [None if now is None or target is None else (now, target) for now, target in pairs]))
    return found


class ProbeLimits(NamedTuple):
    """What a probe by hand may do, and what the form begins with, mm and mm/s."""

    distance_mm: float = 10.0
    distance_most_mm: float = 100.0
    feed_mm_s: float = 1.0
    feed_most_mm_s: float = 10.0
    least: float = 0.1


PROBE = ProbeLimits()
"""The longest way and the fastest feed are those of the driver (plugins/grbl/probing.py)."""

DIRECTIONS = {("Z", -1): "down", ("Z", 1): "up"}


def way_of(axis: str, direction: int) -> str:
    """Where a probe goes, for people: `Z down`, `X towards plus`."""
    sign = "plus" if direction > 0 else "minus"
    return f"{axis} {DIRECTIONS.get((axis, direction), f'towards {sign}')}"


def check_probe(axis: str, direction: int, distance_mm: float, feed_mm_s: float) -> None:
    """Raises UsageError for a probe that would be refused, so that nobody is asked to confirm it."""
    if axis not in ("X", "Y", "Z") or direction not in (-1, 1):
        raise UsageError("A probe moves X, Y or Z, in direction -1 or 1.")
    if not PROBE.least <= distance_mm <= PROBE.distance_most_mm:
        raise UsageError(f"A probe moves {PROBE.least:g} to {PROBE.distance_most_mm:g} mm.")
    if not PROBE.least <= feed_mm_s <= PROBE.feed_most_mm_s:
        raise UsageError(f"A probe moves at {PROBE.least:g} to {PROBE.feed_most_mm_s:g} mm/s.")


def why_no_probe(m: MachineShape, floor: FloorShape) -> str:
    """Why the machine cannot probe now; empty when it can."""
    if reason := why_not(m, floor):
        return reason
    if m.position != "known":
        return "Nobody knows where the tool is: home it first, or what the probe finds means nothing."
    if m.spindle_rpm:
        return "The spindle turns: switch it off first (M5)."
    for word in m.switches_closed or ():
        if word in ("probe", "tool setter"):
            return f"The {word} is closed already: take it off what it touches, or look at its cable."
        if word == "probe not connected":
            return "The probe is not connected."
    return ""


class Override(NamedTuple):
    """What a page says of one override: its name for people, and the slider's range in per cent."""

    label: str
    least: int
    most: int
    step: int


OVERRIDES = {
    "feed": Override("Feed", 10, 200, 5),
    "rapid": Override("Rapids", 25, 100, 25),
    "spindle": Override("Spindle or laser", 10, 200, 5),
    "flow": Override("Flow", 50, 150, 1),
}
"""Grbl 1.1 has feed and spindle from 10 to 200 % and rapids at 25, 50 and 100 % (gnea/grbl, config.h)."""


def overrides(m: MachineShape) -> dict[str, float]:
    """The overrides that the machine has, in per cent, in a fixed order; those usual for its kind until it tells."""
    usual = ("feed", "flow") if m.process == "additive" else ("feed", "rapid", "spindle")
    told = m.overrides_percent or dict.fromkeys(usual, 100.0)
    return {what: told[what] for what in OVERRIDES if what in told}


WAYS = {
    "asked": "Sent by a person: ",
    "answer": "Answer: ",
    "refused": "Not done: ",
    "told": "State: ",
    "out": "To the machine: ",
    "in": "From the machine: ",
}
"""What a screen reader says before a line of the console."""


def ways() -> str:
    """`WAYS` as JSON for the page."""
    return msgspec.json.encode(WAYS).decode()
