"""How a program ends: whole, with everything off, and with nothing after its end."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.rule import CUTTERS, finding, rule


@rule(
    "FQ006",
    "The file is not whole",
    "error",
    "A truncated program stops in the middle of the part, with the tool in it and the heaters on.",
)
def complete(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The file is whole."""
    ending = analysis.ending
    if ending.cut_word:
        yield finding(
            "FQ006",
            "error",
            analysis.lines,
            "The last line stops in the middle of a word: the file is truncated.",
            "Export or upload the file again.",
        )
    elif not ending.marker:
        severity: Severity = "error" if not ending.newline else "warning"
        yield finding(
            "FQ006",
            severity,
            analysis.lines,
            "Nothing marks the end of the program (M2, M30, M84 or a slicer's closing comment): it may be truncated.",
            "Check that the end is there; export again with an end script.",
        )


@rule(
    "FQ013",
    "Left on at the end",
    "warning",
    "A heater or spindle that nobody switches off goes on after the last line, and nobody may be there.",
)
def left_on(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """Heaters and spindle are off at the end."""
    for heater, use in analysis.temperatures.items():
        if use.end_degc > 0:
            message = f"The {heater} is left on at {use.end_degc:g} °C after the last line."
            yield finding("FQ013", "warning", use.end_line, message, "Add M104 S0 and M140 S0 to the end script.")
    if analysis.spindle is not None and analysis.spindle.end_on:
        message = "The spindle is left on after the last line."
        yield finding("FQ013", "warning", analysis.spindle.end_line, message, "End the program with M5.")


@rule(
    "FQ028",
    "Commands after the end",
    "warning",
    "M2 and M30 end a program, yet a controller that is fed line by line carries out what follows, with modes reset.",
    CUTTERS,
)
def after_the_end(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """Nothing follows M2 or M30."""
    if analysis.ending.code_after_line:
        yield finding(
            "FQ028",
            "warning",
            analysis.ending.code_after_line,
            "There are commands after the end of the program: M2 and M30 set modes back and stop the spindle.",
            "Take them out, or end the program after them.",
        )
