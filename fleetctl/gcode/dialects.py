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
    cycles: bool = False
    """Canned cycles G73, G81, G82, G83, G85, G86, G89 (LinuxCNC; grblHAL core, gcode.c)."""
    boring_cycles: bool = False
    """G74, G84 (tapping), G87 and G88 too (LinuxCNC 2.9, as rs274 makes them)."""
    retract_to_r: bool = False
    """G99 is in force at the start (LinuxCNC, as rs274 shows); elsewhere G98 (grblHAL gcode.c)."""
    splines: bool = False
    """G5 is a cubic Bezier (LinuxCNC; grblHAL; Marlin with BEZIER_CURVE_SUPPORT); CNC: G5.1 a quadratic one."""
    nurbs: bool = False
    """G5.2 and G5.3 (LinuxCNC, as rs274 takes them); G5 and G5.1 are not modal there."""
    arc_turns: bool = False
    """P on G2 and G3 is a number of turns (LinuxCNC; grblHAL gcode.c). To Grbl 1.1 it is an unused word."""
    arc_spirals: bool = False
    """Radii of an arc's ends may differ by 0.0283 mm, or 0.1 % up to 2.83 mm, and the path is a spiral (rs274)."""
    length_table: bool = False
    """G43 without H, or with H0, takes the length of the tool in the spindle (LinuxCNC, as rs274 does)."""
    g92_alone_zeroes: bool = False
    """G92 without a word sets every axis and E to 0 (Klipper gcode_move.py, RepRapFirmware). Marlin 2: nothing."""
    g92_alone_resets: bool = False
    """G92 without a word takes the shift away (Smoothieware Robot.cpp)."""
    firmware_retract: bool = False
    """G10 and G11 pull filament back and push it again; M207 and M208, or SET_RETRACTION, set how far."""
    volumetric: bool = False
    """M200 makes E a volume (Marlin, RepRapFirmware, Smoothieware; not Klipper)."""
    homing_moves: bool = False
    """RepRapFirmware's own: G1 H1 runs into a switch, G1 R counts from a stored place, G10 P sets tool offsets."""
    pushes_state: bool = False
    """M120 and M121 push and pop the modes (RepRapFirmware, Smoothieware); Marlin's switch endstops."""
    origins: bool = False
    """G10 L2 and L20 write where coordinate systems begin (Smoothieware Robot.cpp, RepRapFirmware GCodes2.cpp)."""
    brace_expressions: bool = False
    """{ } holds an expression (RepRapFirmware); elsewhere it is what a slicer left unfilled."""
    quoted_text: bool = False
    """What stands in quotes is text, `;` too (RepRapFirmware StringParser.cpp). Elsewhere the sign is a mistake:
    Marlin reads the words behind it (parser.cpp), Klipper no number (gcode.py), Grbl answers error 1."""

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
        _printer("marlin", "Marlin", e_follows_g90=True, splines=True, firmware_retract=True, volumetric=True),
        _printer(
            "klipper",
            "Klipper",
            paren_comments=False,
            g91_makes_e_relative=True,
            extended=True,
            firmware_retract=True,
            g92_alone_zeroes=True,
        ),
        _printer(
            "rrf",
            "RepRapFirmware",
            speeds_per_minute=True,
            brace_expressions=True,
            quoted_text=True,
            firmware_retract=True,
            volumetric=True,
            g92_alone_zeroes=True,
            homing_moves=True,
            pushes_state=True,
            origins=True,
        ),
        _printer(
            "smoothie",
            "Smoothieware",
            e_follows_g90=True,
            firmware_retract=True,
            volumetric=True,
            g92_alone_resets=True,
            pushes_state=True,
            origins=True,
        ),
        _cnc("grbl", "Grbl 1.1"),
        _cnc("grblhal", "grblHAL", cycles=True, splines=True, arc_turns=True),
        _cnc("fluidnc", "FluidNC"),
        _cnc(
            "linuxcnc",
            "LinuxCNC (RS274NGC)",
            expressions=True,
            cycles=True,
            boring_cycles=True,
            retract_to_r=True,
            splines=True,
            nurbs=True,
            arc_turns=True,
            arc_spirals=True,
            length_table=True,
        ),
    )
}
"""By name. Klipper as `_printer` has text commands only where its own modules define them (M117, M118)."""
