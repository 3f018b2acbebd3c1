"""What was read is what is sent: the core finds the same facts in a program and in what the feeder makes of it.

First byte: 1 a printer (with bit 2 one that takes quotes for text), else a mill (blanks removed, as Grbl's driver
asks for). See README.md.
"""

from __future__ import annotations

from typing import Any

from .feeder import feed
from .scanner import read

PRINTING_MISTAKES = frozenset(("number_missing", "checksum_wrong", "placeholder", "nul", "control_code"))
"""What firmware makes of one of these is anybody's guess. A stray character is none: printers read past it."""

CUTTING_MISTAKES = PRINTING_MISTAKES | {"stray_character"}
"""Grbl answers it with an error, and preflight refuses it."""


def shown(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts that may not differ, without the lines they stand on."""
    boxes = [
        (name, length, *(tuple((r[0], r[2]) if r else None for r in box) for box in both))
        for name, *both, length in facts["frames"]
    ]
    heaters = {name: (use[1], use[3]) for name, use in facts["heaters"].items()}
    words = {word: use[1] for word, use in facts["words"].items() if word != "M110"}
    tools = [(number, pushed) for number, _, pushed in facts["tools"]]
    time = (facts["totals"]["motion_s"], facts["totals"]["dwell_s"])
    return {"boxes": boxes, "heaters": heaters, "words": words, "tools": tools, "time": time}


def one(data: bytes) -> None:
    """One input."""
    if not data:
        return
    printer = bool(data[0] & 1)
    quotes = printer and bool(data[0] & 2)
    dialect = "rrf" if quotes else "marlin" if printer else "grbl"
    program = data[1:]
    options = {
        "line_limit_bytes": 4000, "remove_spaces": not printer, "text_commands": printer, "quotes": quotes,
    }  # fmt: skip
    lines, fault = feed([program], 1000, options)
    if fault:
        return
    facts = read([program], dialect, 0)
    mistakes = PRINTING_MISTAKES if printer else CUTTING_MISTAKES
    if not mistakes & set(facts["hazards"]):
        assert shown(read([b"".join(line for line, _, _ in lines)], dialect, 0)) == shown(facts)
