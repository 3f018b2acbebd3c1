"""Rapids to a stored place: where G28 and G30 lead on a mill or laser, the controller keeps and not the program."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Envelope, Profile, Setup
from fleetctl.preflight.rule import CUTTERS, finding, rule

CODE = "FQ029"
TOLERANCE_MM = 0.001
_WORDS = ("G28", "G30")


@rule(
    CODE,
    "A rapid to a stored place",
    "error",
    "G28 and G30 go at rapid speed to wherever somebody once stored; nobody who reads the program sees where.",
    CUTTERS,
)
def stored_places(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """G28 and G30 lead to a place that the program stored, or that is on record and inside the envelope."""
    bare, named = analysis.hazards.get("stored_all"), analysis.hazards.get("stored_place")
    if bare is None and named is None:
        return
    used = [word for word in _WORDS if word in analysis.words]
    missing = " and ".join(word for word in used if word not in setup.offsets_mm)
    hint = f"Enter where {missing} leads (machine coordinates) in the set-up, or use G53 G0 with the coordinates."
    if missing and bare is not None:
        message = f"All axes go at once, at rapid speed, to a place that is not on record ({missing})."
        yield finding(CODE, "error", bare.line, message, hint, bare.column)
    if missing and named is not None:
        message = f"The named axes go at rapid speed to a place that is not on record ({missing})."
        yield finding(CODE, "warning", named.line, message, hint, named.column)
    for word in used:
        place = setup.offsets_mm.get(word)
        if place is not None and profile.envelope is not None and not _inside(place, profile.envelope):
            use = analysis.words[word]
            at = " ".join(f"{axis}{value:.3f}" for axis, value in zip("XYZ", place, strict=True))
            message = f"{word} leads to {at} in machine coordinates, outside the envelope."
            hint = f"Store another place on the controller ({word}.1) and enter it in the set-up."
            yield finding(CODE, "error", use.first_line, message, hint, use.first_column)


def _inside(place_mm: tuple[float, float, float], envelope: Envelope) -> bool:
    return all(
        least - TOLERANCE_MM <= value <= greatest + TOLERANCE_MM
        for value, least, greatest in zip(place_mm, envelope.least_mm, envelope.greatest_mm, strict=True)
    )
