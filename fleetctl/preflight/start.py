"""How a program begins: from a known place, and in modes that it sets itself."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.firmware import firmware_of
from fleetctl.preflight.rule import PRINTERS, finding, rule


@rule(
    "FQ014",
    "Starts from a place that nobody knows",
    "error",
    "A printer's motors were off since the last run; only homing tells where the nozzle stands.",
    PRINTERS,
)
def homed(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """A printer homes before it moves; its motors were off since the last run."""
    mark = analysis.hazards.get("motion_before_home")
    if mark is not None:
        # Lifting the nozzle first is common; a program that never homes counts on what nobody can know.
        severity: Severity = "warning" if analysis.first_home_line else "error"
        yield finding(
            "FQ014",
            severity,
            mark.line,
            "The program moves before any G28, or after M18 or M84: it counts on where the nozzle stands.",
            "Begin with G28.",
            mark.column,
        )


_LEFT: dict[str, tuple[Severity, str, str]] = {
    "distance_assumed": (
        "warning",
        "moves before it says G90 or G91, so it would be the one that the last program left",
        "Begin with G90.",
    ),
    "units_assumed": (
        "info",
        "never says its units before it moves (G20 or G21); printers count on millimetres",
        "Begin with G21.",
    ),
    "feed_missing": (
        "warning",
        "moves before any F, so at the feed that was in force before",
        "Give the first move an F.",
    ),
    "feed_zero": ("warning", "moves with F0, which Marlin passes over and keeps the feed before", "Correct the F."),
}


@rule(
    "FQ017",
    "Modes or feed left to chance",
    "error",
    "What a program does not set is what the last program or a person left, and that differs from run to run.",
    PRINTERS,
)
def assumed(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """A printer's program sets its modes and its feed; for mills see FQ012."""
    for key in _LEFT.keys() & analysis.hazards.keys():
        mark = analysis.hazards[key]
        severity, phrase, hint = _LEFT[key]
        if key == "feed_zero" and firmware_of(profile.dialect).refuses_feed_zero:
            severity, phrase = "error", "moves with F0, which this firmware answers with an error"
        yield finding("FQ017", severity, mark.line, f"The program {phrase}.", hint, mark.column)
