"""Where the slicer says what preflight compares with a machine: the lines of three settings.

It must not know what they say; `claims` reads that.
"""

from __future__ import annotations

import re

_SETTING = re.compile(rb"(?m)^;[ \t]*(filament_type|nozzle_diameter|filament_diameter)[ \t]*=")


def claim_lines(start: bytes, tail: bytes, lines: int) -> dict[str, int]:
    """The line of each setting that is there, in the first and the last bytes of a program of `lines` lines."""
    found: dict[str, int] = {}
    for place in _SETTING.finditer(tail):
        after = tail.count(b"\n", place.start()) - tail.endswith(b"\n")
        found[place.group(1).decode()] = max(1, lines - after)
    for place in _SETTING.finditer(start):
        found[place.group(1).decode()] = start.count(b"\n", 0, place.start()) + 1
    return found
