"""Words and dialects: does this machine's firmware read the program as it was meant?"""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.firmware import PLAIN, firmware_of
from fleetctl.preflight.rule import finding, rule

_HINT = "Take the word out of the post-processor, or choose another machine."
_NONE: frozenset[str] = frozenset()
_PLACES = frozenset({"G0", "G1", "G2", "G3", "G92"})
"""Words that move, or say where the machine stands: Marlin and Smoothieware carry out G1.5 as G1, and Marlin's G92.9
sets the place itself."""


def other_kind(analysis: Analysis, profile: Profile) -> bool:
    """Is the program for another process, or in a dialect that this firmware reads differently?"""
    wrong = analysis.process != "unknown" and (analysis.process == "additive") != (
        profile.process is Process.ADDITIVE
    )
    # A program read by the rules of another firmware has other facts than this machine would make of it.
    return wrong or analysis.dialect not in firmware_of(profile.dialect).accepts


@rule(
    "FQ004",
    "For another kind of machine",
    "error",
    "The same word means different things to different firmware: G28 homes a printer and moves a mill.",
)
def dialect(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The program is written for this kind of machine."""
    if other_kind(analysis, profile):
        work = "" if analysis.process == "unknown" else f" for {analysis.process} work"
        yield finding(
            "FQ004",
            "error",
            analysis.first_motion_line,
            f"This is a {analysis.dialect} program{work}; "
            f"the machine speaks {profile.dialect} and is {profile.process.value}.",
            "Slice or post-process for this kind of machine.",
        )


@rule(
    "FQ005",
    "A word that the firmware does not know",
    "error",
    "Grbl and its kin stop there in the middle of the work; printers pass over it, and what it meant is missing.",
)
def unknown_words(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """Every word and letter is one that the firmware knows."""
    odd = analysis.words.keys() - PLAIN.get(profile.dialect, _NONE)
    firmware = firmware_of(profile.dialect)
    if (not odd and not analysis.extended and not firmware.letters) or other_kind(analysis, profile):
        return
    severity: Severity = "error" if firmware.stops_on_unknown else "warning"
    for word in sorted(odd):
        use = analysis.words[word]
        if word in firmware.optional:
            message = f"{word} needs an option that not every {firmware.title} has."
            yield finding(
                "FQ005", "warning", use.first_line, message, "Make sure that this machine has it.", use.first_column
            )
        elif (
            firmware.known is not None
            and word not in firmware.known
            and word not in firmware.refused
            and (word.startswith("G") or firmware.checks_m)
            and not (word in ("M6", "T") and profile.process is not Process.ADDITIVE)  # FQ019
        ):
            if word.partition(".")[0] in _PLACES and not firmware.stops_on_unknown:
                message = f"{word}: {firmware.title} may pass over the fraction, or do more than the facts hold."
                yield finding("FQ005", "error", use.first_line, message, _HINT, use.first_column)
                continue
            passed_over = not firmware.stops_on_unknown and word.startswith("M")
            message = f"{word} is not a word that {firmware.title} knows."
            yield finding(
                "FQ005", "info" if passed_over else severity, use.first_line, message, _HINT, use.first_column
            )
    for letter in firmware.letters & analysis.letters.keys():
        message = f"The letter {letter} means nothing to {firmware.title}, which would stop there."
        column = analysis.letter_columns.get(letter, 0)
        yield finding("FQ005", "error", analysis.letters[letter], message, _HINT, column)
    yield from _unknown_names(analysis, profile, severity)


def _unknown_names(analysis: Analysis, profile: Profile, severity: Severity) -> Iterator[Finding]:
    """Whole-word commands: Klipper's own, its machines' macros, or nothing to any other firmware."""
    firmware = firmware_of(profile.dialect)
    for name, use in analysis.extended.items():
        if firmware.extended is None:
            message = f"{name} is a Klipper command; {firmware.title} does not know it."
            yield finding("FQ005", severity, use.first_line, message, _HINT, use.first_column)
        elif name not in firmware.extended and name not in profile.macros and name not in firmware.refused:
            message = f"{name} is none of {firmware.title}'s own commands, and no macro on record for this machine."
            hint = "If it is a macro of this machine, enter it in the profile; what it does is not in the facts."
            yield finding("FQ005", "warning", use.first_line, message, hint, use.first_column)


@rule(
    "FQ015",
    "A word that no program may use here",
    "error",
    "After such a word the machine does something that the facts of the program no longer show.",
)
def refused_words(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No word moves the machine past what was checked."""
    refused = firmware_of(profile.dialect).refused
    if not refused:
        return
    for uses in (analysis.words, analysis.extended):
        for word in refused.keys() & uses.keys():
            use = uses[word]
            yield finding("FQ015", "error", use.first_line, f"{word} {refused[word]}.", _HINT, use.first_column)
