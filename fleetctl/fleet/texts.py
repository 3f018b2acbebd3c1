"""What people write about things: how long a text may be and what signs it may hold, before it goes on record.

Pure. It must not know whose text it is.
"""

from __future__ import annotations

import math

from fleetctl.errors import UsageError
from fleetctl.model.profile import Setup

NAME_MOST = 64
"""Names of materials, groups and tools: the width of their columns."""

TITLE_MOST = 200
REASON_MOST = 1000
TOOLS_MOST = 100

FARTHEST_MM = 100_000.0
"""No work offset is farther from machine zero; more is a slip of the keyboard."""

FASTEST_RPM = 1_000_000.0
"""No spindle turns faster; S of a laser is a few thousand."""

OFFSET_NAMES = frozenset({f"G{number}" for number in range(54, 60)} | {"G59.1", "G59.2", "G59.3"})
PLACE_NAMES = frozenset({"G28", "G30"})
"""Places that a controller stores beside its work offsets."""

LATEST_S = 253_402_300_799.0
"""The end of the year 9999, Unix seconds: the last time that can be written as a date."""


def text(value: str, what: str, most: int = NAME_MOST) -> str:
    """`value` if it is printable and at most `most` characters. Raises UsageError that names `what`."""
    if len(value) > most:
        raise UsageError(f"The {what} has {len(value)} characters; at most {most} are kept.")
    if not all(character.isprintable() or character == "\n" for character in value):
        raise UsageError(f"The {what} holds a character that cannot be shown.")
    return value


def date(at_s: float | None, what: str) -> float | None:
    """`at_s` if it is a time that can be written down. Raises UsageError."""
    if at_s is not None and not 0.0 <= at_s <= LATEST_S:
        raise UsageError(f"The {what} {at_s:g} is no time; give Unix seconds.")
    return at_s


def setup(value: Setup) -> Setup:
    """`value` if a machine can be set up so. Raises UsageError."""
    text(value.material, "material")
    if len(value.tools) > TOOLS_MOST:
        raise UsageError(f"There are {len(value.tools)} tools; at most {TOOLS_MOST} are kept.")
    for tool in value.tools:
        text(tool, "name of a tool")
    if value.nozzle_mm is not None and not 0.0 < value.nozzle_mm <= 10.0:
        raise UsageError(f"A nozzle of {value.nozzle_mm:g} mm is not likely; give its diameter in mm.")
    if value.filament_diameter_mm is not None and not 0.5 < value.filament_diameter_mm <= 10.0:
        raise UsageError(f"Filament of {value.filament_diameter_mm:g} mm is not likely; give its diameter in mm.")
    if value.spindle_max_rpm is not None and not 0.0 < value.spindle_max_rpm <= FASTEST_RPM:
        raise UsageError(f"Full speed at S{value.spindle_max_rpm:g} is not likely; give the controller's $30.")
    for name, height_mm in value.stock_top_mm.items():
        _offset_name(name, OFFSET_NAMES)
        if not abs(height_mm) <= FARTHEST_MM:
            raise UsageError(f"The top of the stock in {name} is farther than {FARTHEST_MM:g} mm from zero.")
    for name, offset_mm in value.offsets_mm.items():
        _offset_name(name, OFFSET_NAMES | PLACE_NAMES)
        if not all(math.isfinite(part) and abs(part) <= FARTHEST_MM for part in offset_mm):
            raise UsageError(f"The offset {name} is farther than {FARTHEST_MM:g} mm from machine zero.")
    if len(value.tool_lengths_mm) > TOOLS_MOST:
        raise UsageError(f"There are {len(value.tool_lengths_mm)} tool lengths; at most {TOOLS_MOST} are kept.")
    for number, length_mm in value.tool_lengths_mm.items():
        if number < 0 or not (math.isfinite(length_mm) and abs(length_mm) <= FARTHEST_MM):
            raise UsageError(f"Tool {number} cannot have a length of {length_mm:g} mm.")
    return value


def _offset_name(name: str, known: frozenset[str]) -> None:
    if name not in known:
        places = "; the places that G28 and G30 lead to go by those names" if known > OFFSET_NAMES else ""
        raise UsageError(f"{name[:20]!r} is no work offset.", hint=f"They are G54 to G59 and G59.1 to G59.3{places}.")
