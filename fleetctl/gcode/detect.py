"""Which dialect a program is in: a guess from its head and tail. Who wrote it is told in `writers`.

Guessing only. The head is read with the core itself, so no pattern here needs to understand a line.
"""

from __future__ import annotations

import re

from fleetctl._ext import gcode_core
from fleetctl.gcode.dialects import DIALECTS

_FLAVORS = {
    "marlin": "marlin",
    "klipper": "klipper",
    "reprapfirmware": "rrf",
    "duet": "rrf",
    "reprap (marlin/sprinter)": "marlin",
    "reprap (reprap)": "rrf",
    "reprap": "marlin",
    "smoothie": "smoothie",
    "grblhal": "grblhal",
    "fluidnc": "fluidnc",
    "grbl": "grbl",
    "mach3": "linuxcnc",
    "linuxcnc": "linuxcnc",
}
_FLAVOR = re.compile(rb"(?im)^;\s*(?:flavor\s*:|gcode_flavor\s*=)\s*([^\r\n]{1,40})")

# fmt: off
_PRINTER_WORDS = frozenset(
    {
        "G29", "M82", "M83", "M84", "M104", "M106", "M107", "M109", "M140",
        "M190", "M141", "M191", "M201", "M203", "M204", "M205", "M221", "M900",
    }
)
_CNC_WORDS = frozenset(
    {
        "G17", "G18", "G19", "G40", "G43", "G49", "G53", "G54", "G55", "G56",
        "G57", "G58", "G59", "G64", "G80", "G81", "G82", "G83", "G94", "G98",
        "G99", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "M30",
    }
)
# fmt: on

_NAMED = tuple(
    (re.compile(pattern, re.IGNORECASE), dialect)
    for pattern, dialect in (
        (rb"grblhal", "grblhal"),
        (rb"fluidnc", "fluidnc"),
        (rb"linuxcnc|\bemc2?\b|\bmach ?[234]\b", "linuxcnc"),
        (rb"smoothieware|smoothieboard", "smoothie"),
        (rb"reprapfirmware|\bduet3d?\b", "rrf"),
    )
)
"""Firmware named in a comment, as post processors and people do: `(Post Processor: grblHAL)`."""

_COMMENT = re.compile(rb";([^\r\n]{1,200})|\(([^)\r\n]{1,200})\)")

_RRF_WORDS = frozenset({"M98", "M558", "M563", "M566", "M568", "M569", "M572", "M584", "M671", "M950"})
"""Commands that only RepRapFirmware has, as slicers and people write them into a start."""

_RRF_META = frozenset({"IF", "ELIF", "ELSE", "WHILE", "BREAK", "CONTINUE", "VAR", "GLOBAL", "SET", "ECHO", "ABORT"})
"""RepRapFirmware's meta commands; Klipper has none of these names."""


def detect_dialect(head: bytes, tail: bytes) -> str:
    """The most likely dialect: what the slicer says, else what the words of the head show, else `grbl`.

    `head` should hold at least some commands: give more of the file if it begins with pictures.
    """
    said = _FLAVOR.search(head) or _FLAVOR.search(tail)
    if said:
        word = said.group(1).decode("ascii", "replace").strip().lower()
        for flavor, dialect in _FLAVORS.items():
            if word.startswith(flavor):
                return dialect
    named = _named_firmware(head)
    scan = gcode_core.Scanner(DIALECTS["marlin"].reads | gcode_core.READS["o_words"], False, False)
    scan.feed(head)
    scan.finish()
    words, letters, hazards = set(scan.words()), scan.letters(), scan.hazards()
    if "o_word" in hazards:
        return "linuxcnc"
    if words & _RRF_WORDS or ({name.upper() for name in scan.names()[0]} & _RRF_META and words & _PRINTER_WORDS):
        return "rrf"
    extended = [name for name in scan.names()[0] if "_" in name]
    if extended and not words & _CNC_WORDS - {"M2", "M30"}:
        return "klipper"
    if named and (DIALECTS[named].cnc or "E" in letters):
        return named
    printer = len(words & _PRINTER_WORDS) + (3 if "E" in letters else 0)
    cnc = len(words & _CNC_WORDS) + len({"S", "T", "I", "N"} & set(letters)) + ("percent" in hazards)
    if "M104" in words or "M109" in words or printer > cnc:
        return "marlin"
    if "expression" in hazards:
        return "linuxcnc"
    if "G28" in words and cnc == 0:
        return "marlin"
    return "grbl"


def _named_firmware(head: bytes) -> str:
    """The firmware that a comment in the first 64 KiB names, or an empty string."""
    said = b"\n".join(one or other for one, other in _COMMENT.findall(head[:65536]))
    return next((dialect for pattern, dialect in _NAMED if pattern.search(said)), "")
