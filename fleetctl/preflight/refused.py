"""What no machine of a kind may be sent, as data: hazards of a program that refuse it, with the code and the words.

Facts about firmware only; where a hazard stands in the file is the program's own facts.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.gcode.findings import READING_CODES
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.rule import CUTTERS, EVERY, Rule, finding, rule

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
    "not_provable": ("FQ011", "computes with what is not known before the run, so its path is not provable"),
    "loop_cap": ("FQ011", "runs in loops for longer than they can be followed, so its path is not provable"),
    "evaluation_error": ("FQ010", "holds a parameter or an expression that the controller refuses"),
    "flow_error": ("FQ010", "holds an O word that the controller refuses"),
    "arc_from_unknown": ("FQ011", "has an arc from a place that is not known, so its path is not provable"),
    "transform": ("FQ011", "turns, scales or mirrors coordinates, so its path is not provable"),
    "spline": ("FQ011", "has a spline (G5), so its path is not provable"),
    "cutter_compensation": ("FQ011", "lets the controller shift the path by the tool's radius (G41, G42)"),
}

PRINTING: Table = {
    "several_commands": ("FQ010", "has two commands on one line, of which the firmware carries out only the first"),
    "bare_axes": ("FQ010", "has words without a command, or before it: the firmware ignores such a line"),
    # Marlin and Klipper take the last of two, RepRapFirmware and Smoothieware the first.
    "repeated_word": ("FQ010", "has a letter twice on one line"),
    "state_unknown": ("FQ011", "brings back a state or place that it did not store, so its path is not provable"),
    "not_followed": ("FQ011", "bends the path or changes what moves (skew, mesh offset, carriages)"),
    "meta_command": ("FQ011", "decides by if or while what it does, so its path is not provable"),
    "scale_change": ("FQ011", "changes what coordinates mean (M92, M206, M428, M665 or M666)"),
}

CUTTING: Table = {
    "o_word": ("FQ011", "uses subroutines or loops, so its path is not provable"),
    "feed_missing": ("FQ012", "cuts where no feed F is in force"),
    "feed_zero": ("FQ012", "cuts with feed 0"),
    "spindle_off_cut": ("FQ012", "cuts while the spindle is off"),
    "block_delete": ("FQ011", "has lines that a switch of the machine leaves out (/), so its path is not provable"),
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
    "cycle_word_missing": ("FQ010", "has a cycle or a command without a word that it needs"),
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

EVALUATING = frozenset({"linuxcnc"})
"""Dialects of machines that compute expressions and follow O words; the core does what they do."""

EVALUATED = frozenset({"expression", "o_word"})

SWALLOWS_SLASH = frozenset({"grbl"})
"""Dialects of machines that carry out a line with / all the same (gnea/grbl, protocol.c)."""

_TABLES: dict[Process, Table] = {
    Process.ADDITIVE: ALWAYS | PRINTING,
    Process.SUBTRACTIVE: ALWAYS | CUTTING | SPINDLE,
    Process.LASER: ALWAYS | CUTTING,
}


HINTS: dict[str, str] = {
    "feed_missing": "Give the first cut an F.",
    "spindle_off_cut": "Switch it on with M3 and an S before the first cut.",
    "spindle_no_speed": "Give M3 an S.",
    "units_assumed": "Begin with G21 (or G20).",
    "distance_assumed": "Begin with G90 (or G91).",
    "several_commands": "Put each command on its own line.",
    "bare_axes": "Begin the line with its command.",
}
"""What to do about a hazard, where neither its code below nor the finding of reading says it as well."""

CODE_HINTS = {
    "FQ009": "Take it out of the file, or run it by hand where it belongs.",
    "FQ010": "Correct the line, or export the program again.",
    "FQ011": "Let slicer or CAM write the plain path, or run it by hand, attended, outside the queue.",
    "FQ012": "Correct it in the post-processor.",
}

TOLD_BY_READING = frozenset({"evaluation_error", "flow_error", "not_provable", "loop_cap"})
"""Hazards of which reading knows more: its sentence goes behind ours."""


def reported(analysis: Analysis, profile: Profile) -> Iterator[str]:
    """The hazards of the program that are refused here on this machine."""
    computed = profile.dialect in EVALUATING and analysis.dialect in EVALUATING
    for key in _TABLES[profile.process].keys() & analysis.hazards.keys():
        if not ((computed and key in EVALUATED) or (key == "block_delete" and profile.dialect in SWALLOWS_SLASH)):
            yield key


def doubled(analysis: Analysis, profile: Profile) -> frozenset[str]:
    """Codes of reading that would tell the same again, with the same place."""
    return frozenset(READING_CODES[key] for key in reported(analysis, profile) if key in READING_CODES)


def _found(code: str, analysis: Analysis, profile: Profile) -> Iterator[Finding]:
    """The findings of one code among the hazards of the program."""
    for key in reported(analysis, profile):
        named, phrase = _TABLES[profile.process][key]
        if named != code:
            continue
        mark = analysis.hazards[key]
        read = next((each for each in analysis.findings if each.code == READING_CODES.get(key)), None)
        hint = HINTS.get(key, CODE_HINTS[code])
        message = f"The program {phrase}."
        if read is not None and (read.severity == "error" or key in TOLD_BY_READING):
            hint = read.hint
        if read is not None and key in TOLD_BY_READING:
            message += f" {read.message}"
        yield finding(code, "error", mark.line, message, hint, mark.column)


def _refusal(code: str, title: str, reason: str, processes: frozenset[Process] = EVERY) -> Rule:
    """The rule of one code of the tables."""

    def check(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
        return _found(code, analysis, profile)

    return rule(code, title, "error", reason, processes)(check)


memory = _refusal(
    "FQ009",
    "Changes what the machine remembers",
    "A program that writes offsets or settings changes every later run, and nobody sees it until something breaks.",
)
"""No stored offset, setting or state is written (G10 L2/L20, G28.1, $, M500, M112)."""

unreadable = _refusal(
    "FQ010",
    "A line that the firmware reads otherwise or not at all",
    "A controller stops at such a line or passes over it, and both spoil the part.",
)
"""Every line is one that the firmware carries out as it is meant."""

not_provable = _refusal(
    "FQ011",
    "The path is not provable",
    "Where the path depends on what is known only while it runs, nobody can show that it stays inside.",
)
"""The path is known before the run."""

cutting = _refusal(
    "FQ012",
    "Cuts without what a cut needs",
    "Without feed, speed or units of its own a program cuts with what was left from before, or breaks the tool.",
    CUTTERS,
)
"""A cut has its feed, its spindle, its units and a possible arc."""
