"""How readings, times and amounts are written for a person: one function per kind, for first paint and updates.

English and the site's own time zone for now; the only place to change for another language. Pure.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from fleetctl.fleet.shapes import MachineShape

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86400


def percent(fraction: float) -> str:
    """0 to 1 as whole per cent; 100 only when it is all done."""
    return f"{min(99, int(fraction * 100)) if fraction < 1 else 100} %"


def count(number: int) -> str:
    """A whole number with separated thousands."""
    return f"{number:,}"


def lines(acknowledged: int, total: int) -> str:
    """Where in the program a run is."""
    return f"{count(acknowledged)} of {count(total)}" if total else count(acknowledged)


def temperature(now_degc: float, target_degc: float) -> str:
    """Now and target; a heater that is off has no target."""
    return f"{now_degc:.0f} / {target_degc:.0f} °C" if target_degc > 0 else f"{now_degc:.0f} °C"


_HEATERS = {"T": "nozzle", "T0": "nozzle", "B": "bed", "C": "chamber"}
"""Marlin's letters in a temperature report (Marlin documentation, M105), by what people call them."""


def heater(name: str) -> str:
    """What people call a heater that a driver names; further extruders keep their number."""
    return _HEATERS.get(name, f"nozzle {name[1:]}" if name[:1] == "T" and name[1:].isdigit() else name)


OLD = " (old)"
"""Behind a reading that the firmware told too long ago."""


def place(x_mm: float, y_mm: float, z_mm: float) -> str:
    """A position in millimetres."""
    return f"X {x_mm:.1f}  Y {y_mm:.1f}  Z {z_mm:.2f}"


def span(duration_s: float) -> str:
    """A duration with at most two units, such as `2 h 10 min`; less than a minute in seconds."""
    seconds = max(0, round(duration_s))
    if seconds < MINUTE_S:
        return f"{seconds} s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S} min"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S} h {seconds % HOUR_S // MINUTE_S} min"
    return f"{seconds // DAY_S} d {seconds % DAY_S // HOUR_S} h"


EARLIEST_S = -62_000_000_000.0
LATEST_S = 253_300_000_000.0
"""Times that a calendar can write in every time zone, the years 6 to 9996; others are shown as these."""


def _writable(at_s: float) -> float:
    return min(max(at_s, EARLIEST_S), LATEST_S)


def iso(at_s: float) -> str:
    """A Unix time for `<time datetime>`."""
    return datetime.fromtimestamp(_writable(at_s), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def clock(at_s: float, now_s: float) -> str:
    """A time of day, with the weekday when it is not today, with the date when it is not this week."""
    local = datetime.fromtimestamp(_writable(at_s)).astimezone()
    today = datetime.fromtimestamp(now_s).astimezone().date()
    days = abs((local.date() - today).days)
    if days == 0:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if days < 6 else f"{local:%Y-%m-%d %H:%M}"


def size(size_bytes: int) -> str:
    """A file size."""
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    return f"{size_bytes / 1000:.0f} kB" if size_bytes < 1_000_000 else f"{size_bytes / 1e6:.1f} MB"


def work_positions(machine: MachineShape) -> dict[str, tuple[float, float, float]]:
    """Where the tool is in each work frame on record, mm."""
    if machine.position_mm is None:
        return {}
    x_mm, y_mm, z_mm = machine.position_mm
    return {frame: (x_mm - x, y_mm - y, z_mm - z) for frame, (x, y, z) in machine.setup.offsets_mm.items()}


def named(words: tuple[str, ...]) -> str:
    """Inputs that are active, or what is switched on, for people."""
    return ", ".join(words) or "none"


def shape_key(machine: MachineShape) -> str:
    """A key that changes with what the machine can do and asks: a page that has no node of it draws its part anew."""
    return f"s-{zlib.crc32(repr((machine.can, machine.prompt)).encode()) & 0xFFFF:04x}"


def live_values(machine: MachineShape) -> dict[str, str]:
    """The texts of one machine that change all the time, by the key its nodes carry (`data-k`)."""
    old = OLD if machine.readings_stale else ""
    values = {f"t-{name}": temperature(*pair) + old for name, pair in machine.temperatures_degc.items()}
    if machine.position_mm:
        values["xyz"] = place(*machine.position_mm) + old
        values |= {f"w-{frame}": place(*at) + old for frame, at in work_positions(machine).items()}
    if machine.spindle_rpm is not None:
        values["rpm"] = f"{machine.spindle_rpm:.0f} rpm" + old
    if machine.switches_closed is not None:
        values["pins"] = named(machine.switches_closed) + old
    if machine.accessories_on is not None:
        values["on"] = named(machine.accessories_on) + old
    values |= {f"o-{what}": f"{percent:.0f} %" for what, percent in machine.overrides_percent.items()}
    values[shape_key(machine)] = ""
    if machine.run is not None:
        progress = machine.run.progress
        values["p"] = percent(progress.fraction)
        values["line"] = lines(progress.acknowledged_line, progress.lines)
        if progress.end_s is not None:
            values["end"] = iso(progress.end_s)
    return values
