"""What Grbl 1.1 says and what its numbers mean; which words of a program it must never get from a file.

The tables are Grbl 1.1's own; grblHAL and FluidNC number differently beyond the common part, so they must not be used
for those. It must not know the state of a link or a run. Source: Grbl 1.1 `doc/markdown/interface.md`, `doc/csv`.
"""

from __future__ import annotations

import re

ALARMS: dict[int, str] = {
    1: "hard limit: a limit switch was hit",
    2: "soft limit: the move would leave the machine's travel",
    3: "reset while moving: steps may be lost",
    4: "probe: it was already in contact before the move",
    5: "probe: no contact within the move",
    6: "homing: reset during homing",
    7: "homing: the door was opened",
    8: "homing: could not pull off the switch",
    9: "homing: the switch was not found",
}

KEEPS_POSITION = frozenset({2, 4, 5})
"""Alarms after which Grbl still knows where it is."""

ERRORS: dict[int, str] = {
    1: "a word without a letter",
    2: "a number is malformed",
    3: "this $ command does not exist",
    4: "a value that must not be negative",
    5: "homing is not enabled ($22)",
    6: "the step pulse is too short",
    7: "the settings memory could not be read",
    8: "not possible in this state",
    9: "locked by an alarm",
    10: "soft limits need homing ($22)",
    11: "the line is too long",
    12: "a setting asks for too many steps a second",
    13: "the door is open",
    14: "build info or startup line too long",
    15: "the jog would leave the machine's travel",
    16: "the jog is malformed",
    17: "laser mode needs PWM",
    20: "an unsupported command",
    21: "two commands of one modal group",
    22: "no feed rate is set",
    23: "a command needs a whole number",
    24: "two commands want the axis words",
    25: "a word is repeated",
    26: "axis words are missing",
    27: "the line number is out of range",
    28: "a value word is missing",
    29: "this work offset does not exist",
    30: "G53 needs G0 or G1",
    31: "unused axis words",
    32: "an arc without axis words",
    33: "the target of the arc or probe is impossible",
    34: "an arc by radius that cannot be",
    35: "an arc without offset words",
    36: "unused value words",
    37: "the tool length offset is not on its axis",
    38: "the tool number is too high",
}

VERSION = re.compile(rb"Grbl (\S+)")
OPTIONS = re.compile(r"\[OPT:[^,]*,(\d+),(\d+)")
BUILD = re.compile(r"\[VER:([^:]*):([^\]]*)\]")
OFFSET = re.compile(r"\[(G5[4-9]|G92|TLO):([^\]]*)\]")
SETTING = re.compile(r"\$(\d+)=([^ ]*)")
MODES = re.compile(r"\[GC:([^\]]*)\]")

STORING = re.compile(rb"G10(?!\d)|G28\.1|G30\.1")
"""Words that write the settings memory: an AVR hears nothing meanwhile, and work offsets are lost or moved."""

DWELL = re.compile(rb"G0?4(?![\d.])(?:.*P(\d+\.?\d*|\.\d+))?")


def alarm_text(number: int) -> str:
    """What `ALARM:n` means, with its number."""
    return f"ALARM:{number} ({ALARMS.get(number, 'unknown to Grbl 1.1')})"


def error_text(number: int) -> str:
    """What `error:n` means, with its number."""
    return f"error:{number} ({ERRORS.get(number, 'unknown to Grbl 1.1')})"


def refusal(line: bytes) -> str:
    """Why this line of a program must not be streamed; empty when it may."""
    if line.startswith(b"$"):
        return "a $ line does not belong into a program"
    found = STORING.search(line) if b"G10" in line or b".1" in line else None
    return f"{found[0].decode()} would write the controller's stored offsets" if found else ""


def dwell_s(line: bytes) -> float:
    """Seconds that a G4 in this line waits; Grbl reports Idle meanwhile. 0 for any other line."""
    found = DWELL.search(line) if b"G4" in line or b"G04" in line else None
    return float(found[1] or 0.0) if found else 0.0


def facts(lines: list[str]) -> dict[str, str]:
    """Facts from the answers to `$I`, `$$`, `$#` and `$G`: `version`, `build` (what somebody named the board),
    `planner_blocks`, `rx_bytes`, settings as `$n`, offsets as `G54`..`G59`, `G92`, `TLO`, and `modes`."""
    found: dict[str, str] = {}
    for line in lines:
        if match := SETTING.match(line):
            found[f"${match[1]}"] = match[2]
        elif match := OFFSET.match(line):
            found[match[1]] = match[2]
        elif match := OPTIONS.match(line):
            found["planner_blocks"], found["rx_bytes"] = match[1], match[2]
        elif match := BUILD.match(line):
            found["version"], found["build"], found["board"] = match[1], match[2], match[2]
        elif match := MODES.match(line):
            found["modes"] = match[1]
    return found
