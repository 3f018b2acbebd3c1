"""What the letters of `Pn:` (inputs that are active) and `A:` (what is switched on) mean, in words a person reads.

It must not know the state of a link or a run. Sources, read in 2026: gnea/grbl 1.1h `report.c` and interface.md;
grblHAL/core of 2026-11 `report.c` (control_signals_tostring: "RHSDLTEOFM Q  P ") with `nuts_bolts.h`
(control_signals_t, whose bits they are); bdring/FluidNC of 2026-08 `Control.cpp`, `Report.cpp`.
"""

from __future__ import annotations

PROBE = "probe"
TOOL_SETTER = "tool setter"
DOOR = "safety door"
FEED_HOLD = "feed hold"

_AXES = {axis: f"{axis} limit" for axis in "XYZABCUVW"}

_GRBL = {
    "P": PROBE,
    **_AXES,
    "D": DOOR,
    "R": "reset",
    "H": FEED_HOLD,
    "S": "cycle start",
}

INPUTS = {
    "grbl": _GRBL,
    "grblhal": _GRBL
    | {
        "L": "block delete",
        "T": "optional stop off",
        "E": "emergency stop",
        "O": "probe not connected",
        "F": "motor fault",
        "M": "motor warning",
        "Q": "single block",
    },
    "fluidnc": _GRBL
    | {
        "T": TOOL_SETTER,
        "F": "fault",
        "E": "emergency stop",
        "O": "homing button",
        **{str(number): f"macro {number} button" for number in range(4)},
    },
}
"""By the name of the dialect and letter."""

_ON = {
    "S": "spindle clockwise",
    "C": "spindle counter-clockwise",
    "F": "flood",
    "M": "mist",
    # grblHAL only (report.c)
    "E": "spindle encoder error",
    "T": "tool change pending",
}

_LASER_ON = _ON | {"S": "laser at constant power", "C": "laser at power by speed"}


def closed(pins: str, dialect: str) -> tuple[str, ...]:
    """The inputs that are active, in words, in the order in which they were told."""
    words = INPUTS.get(dialect, _GRBL)
    return tuple(words.get(letter, f"input {letter}") for letter in pins)


def running(on: str, *, laser: bool) -> tuple[str, ...]:
    """What is switched on, in words. `laser`: the controller is in laser mode ($32), where M3 and M4 mean that."""
    words = _LASER_ON if laser else _ON
    return tuple(words.get(letter, f"output {letter}") for letter in on)


def why_held(pins: str, dialect: str) -> str:
    """What at the machine holds it, as far as its inputs say; empty when they say nothing."""
    active = closed(pins, dialect)
    if DOOR in active:
        return "safety door: its switch says that it is open"
    if "emergency stop" in active:
        return "the emergency stop is pressed"
    if FEED_HOLD in active:
        return "its input is active: a button is pressed, or a wire is loose"
    return ""
