"""What a person says about a restart: where, and what only somebody beside the machine knows."""

from __future__ import annotations

from typing import Literal

from fleetctl.errors import UsageError
from fleetctl.gcode.transform.contract import Parameters


class Restart(Parameters, frozen=True):
    """Where to take up again (`line` or `layer`, both from 1), and for each process what it needs.

    Printing: `z_strategy` says how the height is known. `trust`: the firmware still knows it, motors were on all
    the time. `at_height`: the nozzle stands on the part, `z_mm` above the bed. `home`: Z homes, which is safe only
    where it homes away from the part (`z_homes_clear`). `nozzle_degc`, `bed_degc`: where the program does not say.

    Cutting and engraving: `homed` says that the machine is homed and its work offsets are those of the first run.
    `retract_z_mm` is a height in machine coordinates that is clear of everything. `plunge_feed_mm_min` is the feed
    down to the start; `spindle_up_s` how long the spindle may take to reach its speed.
    """

    line: int | None = None
    layer: int | None = None
    z_strategy: Literal["trust", "at_height", "home"] | None = None
    z_mm: float | None = None
    z_homes_clear: bool = False
    lift_mm: float = 5.0
    travel_feed_mm_min: float = 6000.0
    prime_mm: float = 15.0
    nozzle_degc: float | None = None
    bed_degc: float | None = None
    homed: bool = False
    retract_z_mm: float | None = None
    plunge_feed_mm_min: float = 100.0
    spindle_up_s: float = 5.0


_RANGES: dict[str, tuple[float, float]] = {
    "z_mm": (0.0, 2000.0),
    "lift_mm": (0.5, 50.0),
    "travel_feed_mm_min": (60.0, 60000.0),
    "prime_mm": (0.0, 200.0),
    "nozzle_degc": (0.0, 600.0),
    "bed_degc": (0.0, 300.0),
    "retract_z_mm": (-5000.0, 5000.0),
    "plunge_feed_mm_min": (1.0, 10000.0),
    "spindle_up_s": (0.0, 120.0),
}
"""Least and greatest value that makes sense. A lift of 50 mm is the most that the gate lets a printer make
before it homes."""


def check_ranges(chosen: Restart) -> None:
    """Raises UsageError for a number that cannot be meant."""
    if (chosen.line is None) == (chosen.layer is None):
        raise UsageError("Say where to take the program up: at a line or at a layer.")
    for name, (least, greatest) in _RANGES.items():
        value = getattr(chosen, name)
        if value is not None and not least <= value <= greatest:
            raise UsageError(f"{name} must be from {least:g} to {greatest:g}, not {value:g}.")
