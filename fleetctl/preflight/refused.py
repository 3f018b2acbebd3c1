"""What no machine of a kind may be sent, as data: hazards of a program that refuse it, with the code and the words.

Facts about firmware only; where a hazard stands in the file is the program's own facts.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Process, Profile, Setup

Table = dict[str, tuple[str, str]]
"""By hazard: the finding's code, and what the program does, to follow "The program"."""

ALWAYS: Table = {
    "offset_write": ("FQ009", "writes stored positions (G10, G28.1 or G30.1)"),
    "settings_write": ("FQ009", "writes settings of the machine"),
    "dollar_line": ("FQ009", "holds a $ command"),
    "emergency_stop": ("FQ009", "holds an emergency stop (M112)"),
    "placeholder": ("FQ010", "holds a placeholder that the slicer left in"),
    "number_missing": ("FQ010", "holds a word whose number is missing"),
    "number_overflow": ("FQ010", "holds a number with too many digits"),
    "oversized_line": ("FQ010", "holds a line too long to be read"),
    "expression": ("FQ011", "uses parameters or expressions, so its path is not provable"),
    "transform": ("FQ011", "turns, scales or mirrors its coordinates, so its path is not provable"),
    "arc_from_unknown": ("FQ011", "has an arc from a place that is not known, so its path is not provable"),
}

PRINTING: Table = {
    "several_commands": ("FQ010", "has two commands on one line, of which the firmware carries out only the first"),
    "bare_axes": ("FQ010", "has words without a command, or before it: the firmware ignores such a line"),
    "scale_change": ("FQ011", "changes what coordinates mean (M92, M206, M428, M665 or M666)"),
}

CUTTING: Table = {
    "o_word": ("FQ011", "uses subroutines or loops, so its path is not provable"),
    "feed_missing": ("FQ012", "cuts where no feed F is in force"),
    "feed_zero": ("FQ012", "cuts with feed 0"),
    "spindle_off_cut": ("FQ012", "cuts while the spindle is off"),
    "arc_invalid": ("FQ012", "has an arc without a possible centre"),
    "unclosed_comment": ("FQ012", "has a comment that is not closed"),
    # The controller keeps the modes that the last program or a person left; only M2 and M30 set some of them back.
    "units_assumed": (
        "FQ012",
        "moves before it says its units (G20 or G21), so they would be those left from before",
    ),
    "distance_assumed": ("FQ012", "moves before it says G90 or G91, so it would be the one left from before"),
    # What Grbl answers with an error, which ends the run in the middle of the work (gc_execute_line).
    "stray_character": ("FQ010", "holds a character that belongs to no word"),
    "repeated_word": ("FQ010", "has a letter twice on one line"),
    "repeated_group": ("FQ010", "has words on one line that exclude each other"),
    "unused_word": ("FQ010", "has a word that no command on its line uses"),
    "axes_missing": ("FQ010", "has a command without the axis that it acts on"),
    "axes_unused": ("FQ010", "has axis words after G80 ended all motion"),
    "cycle_word_missing": ("FQ010", "has a canned cycle without a word that it needs"),
    "cycle_invalid": ("FQ010", "has a canned cycle that the controller refuses"),
    "spline_invalid": ("FQ010", "has a spline that the controller refuses"),
    "dwell_missing": ("FQ010", "has a dwell G4 without its time P"),
    "machine_curve": ("FQ010", "has G53 where the motion is not G0 or G1"),
    "negative_number": ("FQ010", "has a negative number where none can be"),
}

SPINDLE: Table = {
    "spindle_no_speed": ("FQ012", "cuts with a spindle that was never given a speed S"),
}
"""Not for lasers, whose power may well be 0 while they move."""

_TABLES: dict[Process, Table] = {
    Process.ADDITIVE: ALWAYS | PRINTING,
    Process.SUBTRACTIVE: ALWAYS | CUTTING | SPINDLE,
    Process.LASER: ALWAYS | CUTTING,
}


def hazards(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ009 to FQ012: nothing that changes the machine's memory, cannot be read, or cannot be proven."""
    for key, (code, phrase) in _TABLES[profile.process].items():
        if mark := analysis.hazards.get(key):
            yield Finding(
                code=code,
                severity="error",
                line=mark.line,
                column=mark.column,
                message=f"The program {phrase}.",
                hint="Take it out of the file, or run it by hand where it belongs.",
            )
