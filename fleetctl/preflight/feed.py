"""Feeds against what the axes can do."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.rule import finding, rule

SLACK = 1.001
"""A feed in inches or with few decimals may exceed the limit by its rounding."""


@rule(
    "FQ016",
    "Feed over the machine's limit",
    "warning",
    "Firmware slows such a move down without a word: chips get thinner and the time longer than planned.",
)
def feed(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No feed is over what the axes can do."""
    limits = profile.max_feed_mm_s
    if limits is None:
        return
    printer = profile.process is Process.ADDITIVE
    severity: Severity = "info" if printer else "warning"
    across = max(limits[0], limits[1])
    if analysis.max_feed_mm_s > across * SLACK and analysis.max_feed_line != analysis.max_z_feed_line:
        yield _over(severity, analysis.max_feed_line, analysis.max_feed_mm_s, "X and Y", across)
    # Slicers lift the nozzle at travel speed as a rule and count on the firmware's limit.
    if not printer and analysis.max_z_feed_mm_s > limits[2] * SLACK:
        yield _over(severity, analysis.max_z_feed_line, analysis.max_z_feed_mm_s, "Z", limits[2])


def _over(severity: Severity, line: int, feed_mm_s: float, axes: str, limit_mm_s: float) -> Finding:
    return finding(
        "FQ016",
        severity,
        line,
        f"F reaches {feed_mm_s * 60:.0f} mm/min; {axes} of this machine go at most {limit_mm_s * 60:.0f} mm/min.",
        "It will be slower than planned; post-process with this machine's limits.",
    )
