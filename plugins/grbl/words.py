"""What the lines of a Grbl-family controller hold, and which words of a program it must never get from a file.

What differs between the firmwares is in `dialects`. It must not know the state of a link or a run. Source: Grbl 1.1
`doc/markdown/interface.md`.
"""

from __future__ import annotations

import re

VERSION = re.compile(rb"Grbl(?:HAL)? (\S+)")
OPTIONS = re.compile(r"\[OPT:[^,]*,(\d+),(\d+)")
BUILD = re.compile(r"\[VER:([^:]*):([^\]]*)\]")
OFFSET = re.compile(r"\[(G5[4-9](?:\.[123])?|G92|TLO):([^\]]*)\]")
SETTING = re.compile(r"\$(\d+)=([^ ]*)")
MODES = re.compile(r"\[GC:([^\]]*)\]")

STORING = re.compile(rb"G0*10(?!\d)|G0*28\.1|G0*30\.1")
"""Words that write the settings memory: an AVR hears nothing meanwhile, and work offsets are lost or moved."""

TOOL_CHANGE = re.compile(rb"M0*6(?![\d.])")
STOP = re.compile(rb"(?<![A-Z_<])M0*([01])(?:\.0*)?(?![\d.])")
"""Program stops M0 and M1; not the M of a parameter's name (`#<am0>` of grblHAL and FluidNC)."""

_TOOL = re.compile(rb"T(\d+)")
_NOTE = re.compile(r"[(;]\s*(?:MSG\b[\s,:]*)?([^()]*)", re.IGNORECASE)
_NUMBER_ONLY = re.compile(rb"/?(?:N\d*)?/?")
_NEW_OPTIONS = re.compile(r"\[NEWOPT:([^\]]*)\]")

DWELL = re.compile(rb"G0?4(?![\d.])(?:.*P(\d+\.?\d*|\.\d+))?")


def refusal(line: bytes) -> str:
    """Why this line of a program must not be streamed; empty when it may.

    Grbl takes every `/` out of a line before it looks at it (protocol.c), and FluidNC has commands in brackets.
    """
    read = line.replace(b"/", b"") if b"/" in line else line
    if read.startswith((b"$", b"[")):
        return f"a line that begins with {read[:1].decode()} does not belong into a program"
    found = STORING.search(read) if b"10" in read or b".1" in read else None
    return f"{found[0].decode()} would write the controller's stored offsets" if found else ""


def without_change(line: bytes) -> bytes | None:
    """The line without its tool change M6; None when it holds none."""
    if not TOOL_CHANGE.search(line):
        return None
    return TOOL_CHANGE.sub(b"", line)


def stop_in(line: bytes) -> str:
    """`M0` or `M1` when this line stops the program, else empty."""
    found = STOP.search(line)
    return f"M{found[1].decode()}" if found else ""


def without_stop(line: bytes) -> bytes:
    """What else is on the line of a program stop, which comes last in it (RS274/NGC, order of execution); empty when
    there is nothing to do."""
    rest = STOP.sub(b"", line)
    return b"" if _NUMBER_ONLY.fullmatch(rest.strip()) else rest


def note(written: bytes) -> str:
    """What a person wrote for the person at the machine in this line's comment: `(MSG, turn it over)`; else empty."""
    found = _NOTE.search(written.decode("utf-8", "replace"))
    return "".join(sign for sign in found[1] if sign.isprintable()).strip() if found else ""


def tool_named(line: bytes) -> str:
    """`T2` when this line names a tool, else empty."""
    found = _TOOL.search(line)
    return f"T{int(found[1])}" if found else ""


def dwell_s(line: bytes) -> float:
    """Seconds that a G4 in this line waits; Grbl reports Idle meanwhile. 0 for any other line."""
    found = DWELL.search(line) if b"G4" in line or b"G04" in line else None
    return float(found[1] or 0.0) if found else 0.0


def facts(lines: list[str]) -> dict[str, str]:
    """Facts from the answers to `$I`, `$$`, `$#` and `$G`: `version`, `build` and `board` (what somebody named it),
    `planner_blocks`, `rx_bytes`, `options` (grblHAL), settings as `$n`, offsets as `G54`..`G59.3`, `G92`, `TLO`, and
    `modes`."""
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
        elif match := _NEW_OPTIONS.match(line):
            found["options"] = match[1]
    return found
