"""How each firmware reads a program, as data: the flags that the compiled core is started with.

Only differences that change what a program means. It must not know machines, nor decide which dialect a file is
in (`detect` does). Sources: the firmwares' own parsers as summed up in the table "Dialect differences that bite"
of the project's research notes; each flag names its case.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fleetctl._ext import gcode_core


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One way of reading. Field names below `family` are the core's flags."""

    name: str
    title: str
    family: Literal["printer", "cnc"]
    cnc: bool = False
    """RS274NGC order in a line; bare axis words repeat the motion; G28 goes to a stored position."""
    paren_comments: bool = True
    """( ) is a comment. Not for Klipper, which reads words inside."""
    spaced_numbers: bool = False
    """`X 1 0` is ten (RS274NGC: blanks mean nothing)."""
    e_follows_g90: bool = False
    """G90 and G91 set the extruder too (Marlin)."""
    g91_makes_e_relative: bool = False
    """The extruder is relative while G91 or M83 holds (Klipper)."""
    g4_p_ms: bool = False
    """G4 P is in milliseconds."""
    text_commands: bool = False
    """M117 and the like take the rest of the line as text; M30 deletes a file."""
    speeds_per_minute: bool = False
    """M203 and M566 are in mm/min (RepRapFirmware)."""
    extended: bool = False
    """NAME KEY=value commands, which may be macros that home and heat."""
    o_words: bool = False
    """O words are subroutines and loops."""
    expressions: bool = False
    """Parameters, expressions and O words are evaluated as LinuxCNC does (docs: RS274NGC)."""
    brace_expressions: bool = False
    """{ } holds an expression (RepRapFirmware); elsewhere it is what a slicer left unfilled."""

    @property
    def reads(self) -> int:
        """The flags as the core takes them."""
        return sum(bit for field, bit in gcode_core.READS.items() if getattr(self, field))


def _printer(name: str, title: str, **flags: bool) -> Dialect:
    return Dialect(name=name, title=title, family="printer", g4_p_ms=True, text_commands=True, **flags)


def _cnc(name: str, title: str, **flags: bool) -> Dialect:
    return Dialect(name=name, title=title, family="cnc", cnc=True, spaced_numbers=True, o_words=True, **flags)


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        _printer("marlin", "Marlin", e_follows_g90=True),
        _printer("klipper", "Klipper", paren_comments=False, g91_makes_e_relative=True, extended=True),
        _printer("rrf", "RepRapFirmware", speeds_per_minute=True, brace_expressions=True),
        _printer("smoothie", "Smoothieware", e_follows_g90=True),
        _cnc("grbl", "Grbl 1.1"),
        _cnc("grblhal", "grblHAL"),
        _cnc("fluidnc", "FluidNC"),
        _cnc("linuxcnc", "LinuxCNC (RS274NGC)", expressions=True),
    )
}
"""By name. Klipper as `_printer` has text commands only where its own modules define them (M117, M118)."""
