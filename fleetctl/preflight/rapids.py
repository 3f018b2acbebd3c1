"""Rapids against the stock: a rapid below its top goes through material at full speed."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.gcode.rapids import LowestZ
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.rule import MILLS, finding, rule

TOLERANCE_MM = 0.001


@rule(
    "FQ024",
    "Rapid below the top of the stock",
    "error",
    "At rapid speed a tool breaks where it meets stock, vise or clamp; nothing slows it down.",
    MILLS,
)
def rapids(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No rapid travels, or goes down where nothing was cut, below the top of the stock."""
    for there in analysis.rapids:
        top = setup.stock_top_mm.get(there.frame)
        if there.frame == "machine":
            top = _machine_top(analysis, setup)
            if top is None:
                continue  # machine zero says nothing about the stock
        if there.travel is not None and there.travel.z_mm < (top or 0.0) - TOLERANCE_MM:
            yield _below(there.travel, there.frame, top, "This rapid moves across")
        if there.plunge is not None and there.plunge.z_mm < (top or 0.0) - TOLERANCE_MM:
            yield _below(there.plunge, there.frame, top, "This rapid goes down, where nothing was cut before,")


def _machine_top(analysis: Analysis, setup: Setup) -> float | None:
    """The highest top of the stock in machine coordinates, of the work offsets that the program uses."""
    tops = [
        setup.stock_top_mm[frame.frame] + setup.offsets_mm[frame.frame][2]
        for frame in analysis.frames
        if frame.frame in setup.stock_top_mm and frame.frame in setup.offsets_mm
    ]
    return max(tops, default=None)


def _below(low: LowestZ, frame: str, top_mm: float | None, what: str) -> Finding:
    severity: Severity = "warning" if top_mm is None else "error"
    place = "machine coordinates" if frame == "machine" else frame
    against = "below the work zero" if top_mm is None else f"the top of the stock is at {top_mm:.3f} mm"
    hint = (
        "Enter the top of the stock in the machine's set-up, so that this can be judged."
        if top_mm is None
        else "Raise the clearance height in CAM, or make it a G1 with a feed."
    )
    return finding("FQ024", severity, low.line, f"{what} at Z{low.z_mm:.3f} ({place}); {against}.", hint)
