"""Which words each firmware understands, as data. Facts only; what an unknown word means is the gate's."""

from __future__ import annotations


def _words(letter: str, numbers: str) -> frozenset[str]:
    return frozenset(letter + number for number in numbers.split())


GRBL = _words(
    "G",
    "0 1 2 3 4 10 17 18 19 20 21 28 28.1 30 30.1 38.2 38.3 38.4 38.5 40 43.1 49 53 54 55 56 57 58 59 61 80 90 91 "
    "91.1 92 92.1 93 94",
) | _words("M", "0 1 2 3 4 5 8 9 30")
"""Grbl 1.1h: gnea/grbl doc/markdown/commands.md, `Supported G-Codes`. M1 is accepted and ignored. M6 and T are
left out: Grbl answers M6 with error:20 and only stores T. M7 too: it needs ENABLE_M7, which is off (config.h)."""

MARLIN = _words("G", "0 1 2 3 4 20 21 28 29 90 91 92") | frozenset({"T"})
"""G words of stock Marlin 2.1 with a levelled bed: MarlinFirmware/Marlin gcode.cpp, the switch over G codes.
M words are not listed: Marlin answers an unknown one with `echo:Unknown command` and goes on."""

MARLIN_OPTIONAL = _words("G", "10 11 12 17 26 27 30 31 32 33 34 35 38.2 38.3 38.4 38.5 42 60 61 76 80")
"""G words that Marlin knows only when built with their option (Configuration_adv.h)."""

_OTHER_PATH = "makes this firmware move in a way that the program's facts do not hold"
_CARD = "prints from or writes to the machine's own card, which nobody has checked"

MARLIN_REFUSED = (
    dict.fromkeys(("G5", "G6", "G18", "G19"), _OTHER_PATH)
    | dict.fromkeys((f"M{number}" for number in range(810, 820)), _OTHER_PATH)
    | dict.fromkeys(("M23", "M24", "M26", "M28", "M29", "M30", "M32", "M928"), _CARD)
    | {"M81": "switches the machine off", "M997": "replaces the firmware", "M42": "switches a pin directly"}
)
"""Words after which the facts of the program are no longer those of the machine."""

REFUSED_WORDS: dict[str, dict[str, str]] = {"marlin": MARLIN_REFUSED}
"""By dialect and word: what it does, to follow the word."""

OPTIONAL_WORDS: dict[str, frozenset[str]] = {"marlin": MARLIN_OPTIONAL}

KNOWN_WORDS: dict[str, frozenset[str]] = {"grbl": GRBL, "marlin": MARLIN}
"""By the dialect of the machine's profile; a dialect that is not listed is not checked word by word."""

STOPS_ON_UNKNOWN = frozenset({"grbl"})
"""Dialects whose firmware answers an unknown word with an error that ends the run (Grbl error:20)."""

UNKNOWN_LETTERS: dict[str, frozenset[str]] = {"grbl": frozenset("ABCDEHOQUVW")}
"""Parameter letters that the firmware refuses (Grbl error:2 or error:36)."""

ACCEPTED_DIALECTS: dict[str, frozenset[str]] = {
    "marlin": frozenset({"marlin"}),
    "grbl": frozenset({"grbl", "grblhal", "linuxcnc"}),
}
"""Which detected dialects a machine of this dialect may run at all; word checks find what still does not fit."""
