"""How long a line that switches the spindle or coolant may stay unanswered although the controller rests.

grblHAL and FluidNC wait for the spindle to come up and run down, and report Idle meanwhile, as they do in a dwell
(grblHAL, spindle_control.c and coolant_control.c; FluidNC, Spindle.cpp spindleDelay). Seen with the real grblHAL:
with `$394=3` the `ok` of an M3 comes three seconds later. It must not know what is concluded from that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .dialects import Dialect

SWITCHES = re.compile(rb"M0*(2|30|3|4|5|7|8)(?![\d.])")
MOST_S = 120.0
"""No spindle takes longer; digits that were garbled may say more."""


def switching_s(line: bytes, dialect: Dialect, facts: Mapping[str, str]) -> float:
    """Seconds, from the settings that the controller told; 0 for a line that switches nothing."""
    if b"M" not in line or not (dialect.switching or dialect.hidden_switching_s):
        return 0.0
    codes = {int(code) for code in SWITCHES.findall(line)}
    if not codes:
        return 0.0
    if not dialect.switching:
        return dialect.hidden_switching_s if codes & {2, 30, 3, 4, 5} else 0.0
    on_s, off_s, coolant_s = (_seconds(facts.get(name, "")) for name in dialect.switching)
    spindle_s = on_s + off_s if codes & {3, 4} else off_s if codes & {2, 30, 5} else 0.0  # M4 behind M3 is both
    return spindle_s + (coolant_s if codes & {7, 8} else 0.0)


def _seconds(text: str) -> float:
    try:
        return min(MOST_S, max(0.0, float(text)))
    except ValueError:
        return 0.0
