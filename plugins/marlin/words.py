"""What a Marlin-family firmware says, line by line: the one place that knows its words.

It must not know what was sent, nor what is done about an answer. Sources are Marlin's `queue.cpp` (errors of the
link), `temperature.cpp` (reports), `M115.cpp` and `M114.cpp`, and the hosts that have lived with its forks.
"""

from __future__ import annotations

import re
from enum import Enum, auto

TEMPERATURE = re.compile(rb"\b([TBCPRL]\d?):\s*(-?\d+(?:\.\d+)?)(?:\s*/\s*(-?\d+(?:\.\d+)?))?")
POSITION = re.compile(rb"(?:ok )?(?:C: )?X:\s*(-?\d+(?:\.\d+)?)\s*Y:\s*(-?\d+(?:\.\d+)?)\s*Z:\s*(-?\d+(?:\.\d+)?)")
RESEND = re.compile(rb"(?:resend|rs)\s*:?\s*N?:?\s*(\d+)", re.IGNORECASE)
FREE_BUFFER = re.compile(rb"\bB(\d+)\b")
ACKNOWLEDGED = re.compile(rb"ok N?(\d+)(?: |$)")
ERROR_WITHOUT_TEXT = re.compile(rb"error:\s*\d*\s*$", re.IGNORECASE)
HEATER_FAULT = re.compile(rb"heater \d+ fault")
CARD_PROGRESS = re.compile(rb"SD printing byte (\d+)/(\d+)")
CARD_PAUSED = b"SD print paused"
"""Prusa's 8-bit firmware (cardreader.cpp, getStatus); Marlin says `Not SD printing` of a paused one."""

CAPABILITY = re.compile(r"Cap:([A-Z0-9_]+):([01])")
FIRMWARE_FIELD = re.compile(r"([A-Z][A-Z_-]+):")

BANNERS = frozenset(
    {b"start", b"PowerUp", b"External Reset", b"Brown out Reset", b"Watchdog Reset", b"Software Reset"}
)
"""What boards say when they boot: `start`, and the cause of the reset (Marlin, MarlinCore.cpp)."""

SPOILED_BANNER = re.compile(rb"(?:.*[0-9./\x80-\xff]|ok)start\Z", re.DOTALL)
"""The same behind a line that the reset cut off, or behind bytes of the line that goes down and up again."""

BANNER_STARTS = (b"Smoothie Running", b"RepRapFirmware for")
"""The same of Smoothieware (main.cpp) and RepRapFirmware (Platform.cpp: `... is up and running`)."""

LINK_ERRORS = (b"line number is not last", b"checksum", b"no line number", b"expected line")
CARD_ERRORS = (b"volume.init", b"openroot", b"open failed", b"cannot open", b"workdir", b"sd card", b"no media")
HALTS = (
    b"halt",
    b"kill",
    b"thermal",
    b"heating f",
    b"maxtemp",
    b"mintemp",
    b"system stopped",
    b"runaway",
)
ERROR_STARTS = (b"error", b"!!", b"fatal:", b"alarm:", b"halted", b"halt ", b"entering", b"temperat")
"""First eight bytes of what is bad news: Marlin's `Error:`, `!!` of Klipper and of a halted Smoothieware, Repetier's
`fatal:`, Smoothieware's `ALARM:`, `HALTED`, `HALT asserted`, `Entering Alarm/Halt state`, `Temperature reading is
unreliable`."""

POWER_PANIC = b"INT4"
"""What a Prusa MK3 says in the moment its supply fails (Prusa-Firmware, power_panic.cpp)."""

HEATER_LETTERS = "TBC"


class Word(Enum):
    """What kind of line it is."""

    OK = auto()
    RESEND = auto()
    BUSY = auto()
    WAITS_FOR_PERSON = auto()
    BANNER = auto()
    LINK_ERROR = auto()
    HALT = auto()
    ERROR = auto()
    ACTION = auto()
    TEMPERATURES = auto()
    WAIT = auto()
    POWER_PANIC = auto()
    HALF_ERROR = auto()
    CARD = auto()
    NOT_EXTRUDED = auto()
    TEXT = auto()


def classify(line: bytes) -> Word:
    """The kind of one line without its line end; the commonest are tried first."""
    if line == b"ok":
        return Word.OK
    if line.endswith(b"start") and SPOILED_BANNER.match(line):
        return Word.BANNER
    if line.startswith(b"ok "):
        return Word.HALT if line.startswith(b"ok Emergency Stop") else Word.OK
    start = line[:8].lower()
    if start.startswith((b"t:", b" t:", b"b:", b" b:", b"t0:", b" t0:")):
        return Word.TEMPERATURES
    if b"busy:" in line[:12]:
        return Word.WAITS_FOR_PERSON if b"paused for" in line or b"door open" in line else Word.BUSY
    if start.startswith((b"resend", b"rs ", b"rs:")):
        return Word.RESEND
    if start.startswith(ERROR_STARTS):
        return _classify_error(line.lower())
    if start.startswith(b"//") and b"action:" in line[:12]:
        return Word.ACTION
    if line.removeprefix(b"echo:").strip() in BANNERS or line.startswith(BANNER_STARTS):
        return Word.BANNER
    return _classify_rest(line)


def _classify_rest(line: bytes) -> Word:
    if line == b"wait":
        return Word.WAIT
    if line == POWER_PANIC:
        return Word.POWER_PANIC
    if line.startswith((b"SD printing byte", b"Not SD printing", b"Done printing file", CARD_PAUSED)):
        return Word.CARD
    return Word.NOT_EXTRUDED if line.endswith(b" extrusion prevented") else Word.TEXT


def _classify_error(line: bytes) -> Word:
    if line.startswith((b"entering", b"temperat")) and b"halt" not in line:
        return Word.TEXT
    if (
        any(sign in line for sign in HALTS)
        or HEATER_FAULT.search(line)
        or line.startswith((b"!!", b"fatal:", b"alarm:"))
    ):
        return Word.HALT
    if b"stopped due to errors" in line:
        return Word.HALT
    if any(sign in line for sign in LINK_ERRORS):
        return Word.LINK_ERROR
    if ERROR_WITHOUT_TEXT.match(line):
        return Word.HALF_ERROR
    return Word.TEXT if any(sign in line for sign in CARD_ERRORS) else Word.ERROR


def halt_kind(text: str) -> str:
    """One word for why the firmware halted."""
    lower = text.lower()
    if any(sign in lower for sign in ("thermal", "heat", "maxtemp", "mintemp", "temperature")):
        return "thermal" if "temperature is reset" not in lower else "stopped"
    return "stopped" if "m999" in lower and "halt" not in lower else "kill"


def resend_number(line: bytes) -> int | None:
    """The line number a `Resend: n` or `rs n` asks for."""
    found = RESEND.match(line)
    return int(found[1]) if found else None


def temperatures(line: bytes) -> dict[str, tuple[float, float]]:
    """(now, target) in degC by heater name: tools as `T0`, bed `B`, chamber `C`; empty when it is no report.

    `T:` without a number is the tool in use; it counts as `T0` only where no numbered tool is reported.
    """
    found: dict[str, tuple[float, float]] = {}
    for name, now, target in TEMPERATURE.findall(line):
        heater = name.decode()
        if heater[0] in HEATER_LETTERS:
            found.setdefault(heater, (float(now), float(target or 0.0)))
    in_use = found.pop("T", None)
    if in_use is not None and not any(heater.startswith("T") for heater in found):
        found = {"T0": in_use, **found}
    return found


def position(line: bytes) -> tuple[float, float, float] | None:
    """The position of M114 or M154, mm; None when the line has none."""
    found = POSITION.match(line)
    return (float(found[1]), float(found[2]), float(found[3])) if found else None


def acknowledged(line: bytes) -> int | None:
    """The line number in `ok 12` (Repetier) or `ok N12 P15 B3` (ADVANCED_OK); None when it names none."""
    found = ACKNOWLEDGED.match(line)
    return int(found[1]) if found else None


def card_is_printing(line: bytes) -> bool:
    """Whether the answer to M27 says that the machine prints a file of its own; a print that a person paused at its
    panel is one too, where the firmware tells it apart."""
    if line.startswith(CARD_PAUSED):
        return True
    found = CARD_PROGRESS.match(line)
    return found is not None and int(found[1]) < int(found[2])


def free_buffer(line: bytes) -> int | None:
    """Free lines of the command queue in an `ok N.. P.. B..` (ADVANCED_OK); None when it does not say."""
    if b" P" not in line or b" N" not in line:
        return None
    found = FREE_BUFFER.search(line)
    return int(found[1]) if found else None


def firmware_facts(lines: list[str]) -> tuple[str, str, dict[str, str]]:
    """(firmware, version, facts) from the answer to M115; capabilities become facts `cap:NAME` of "0" or "1".

    The version stands behind the name, in `firmware_version`, or in `ver` (Malyan).
    """
    facts: dict[str, str] = {}
    for line in lines:
        line = line.removeprefix("ok ").replace("\t", " ")
        if found := CAPABILITY.match(line):
            facts[f"cap:{found[1]}"] = found[2]
        elif "FIRMWARE_NAME:" in line or line.startswith("NAME:"):
            facts |= _fields(line)
    if "name" in facts:
        facts.setdefault("firmware_name", facts["name"])
    firmware, _, version = facts.get("firmware_name", "").partition(" ")
    version = facts.get("firmware_version", facts.get("ver", version))
    return firmware or "Marlin-like", version.strip(), facts


def _fields(line: str) -> dict[str, str]:
    """`KEY:value KEY:value`, where values have spaces and may hold a URL."""
    marks = [mark for mark in FIRMWARE_FIELD.finditer(line) if mark.start() == 0 or line[mark.start() - 1] == " "]
    ends = [*(mark.start() for mark in marks[1:]), len(line)][: len(marks)]  # no mark at all: the name was garbled
    return {mark[1].lower(): line[mark.end() : end].strip(" ,") for mark, end in zip(marks, ends, strict=True)}


# How long commands may take (OctoPrint's list of long-running commands, and its blocked ones)

SLOW_CODES = frozenset(
    {b"G4", b"G28", b"G29", b"G30", b"G32", b"G34", b"G76", b"M109", b"M190", b"M191", b"M226", b"M303", b"M400"}
)
PERSON_CODES = frozenset({b"M0", b"M1", b"M125", b"M600", b"M601"})
PLAIN_WAITS = frozenset({b"M0", b"M1"})
"""They only wait; M600 and M601 move and extrude once they are woken."""

LAYS_DOWN = re.compile(rb"G0*[123](?!\d)(?=.*[XYIJR]).*E")
"""A move along X or Y with the extruder; in a numbered line behind its number."""

CODE = re.compile(rb"(?:N\d+ )?([GM])0*(\d+)")


def code(line: bytes) -> bytes:
    """`G28` of `N12 G28 X*45`; empty for anything else."""
    found = CODE.match(line)
    return found[1] + found[2] if found else b""
