"""Which words each firmware understands, as data. Facts only; what an unknown word means is the gate's."""

from __future__ import annotations


def _words(letter: str, numbers: str) -> frozenset[str]:
    return frozenset(letter + number for number in numbers.split())


GRBL = _words(
    "G",
    "0 1 2 3 4 10 17 18 19 20 21 28 28.1 30 30.1 38.2 38.3 38.4 38.5 40 43.1 49 53 54 55 56 57 58 59 61 80 90 91 "
    "91.1 92 92.1 93 94",
) | _words("M", "0 1 2 3 4 5 7 8 9 30")
"""Grbl 1.1h: gnea/grbl doc/markdown/commands.md, `Supported G-Codes`. M1 is accepted and ignored. M6 and T are
left out: Grbl answers M6 with error:20 and only stores T."""

MARLIN = (
    _words("G", "0 1 2 3 4 5 6 10 11 12 17 18 19 20 21 26 27 28 29 30 31 32 33 34 35 42 60 61 76 80 90 91 92")
    | _words("G", "38.2 38.3 38.4 38.5 53 54 55 56 57 58 59 59.1 59.2 59.3")
    | frozenset({"T"})
)
"""G words of Marlin 2.1: MarlinFirmware/Marlin gcode.cpp, the switch over G codes (all compile-time options on).
M words are not listed: Marlin answers an unknown one with `echo:Unknown command` and goes on."""

KNOWN_WORDS: dict[str, frozenset[str]] = {"grbl": GRBL, "marlin": MARLIN}
"""By the dialect of the machine's profile; a dialect that is not listed is not checked word by word."""

STOPS_ON_UNKNOWN = frozenset({"grbl"})
"""Dialects whose firmware answers an unknown word with an error that ends the run (Grbl error:20)."""

UNKNOWN_LETTERS: dict[str, frozenset[str]] = {"grbl": frozenset("ABCDEHQUVW")}
"""Parameter letters that the firmware refuses (Grbl error:2 or error:36)."""

ACCEPTED_DIALECTS: dict[str, frozenset[str]] = {
    "marlin": frozenset({"marlin"}),
    "grbl": frozenset({"grbl", "grblhal", "linuxcnc"}),
}
"""Which detected dialects a machine of this dialect may run at all; word checks find what still does not fit."""
