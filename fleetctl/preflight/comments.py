"""Comments that a firmware may take for code."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.rule import PRINTERS, finding, rule

OPTIONAL = frozenset({"marlin"})
"""Firmware that takes ( ) for a comment only when it was built so (Marlin: PAREN_COMMENTS, off by default)."""


@rule(
    "FQ030",
    "Comments that the firmware may carry out",
    "warning",
    "Marlin as it comes reads on inside ( ): words that stand there are carried out.",
    PRINTERS,
)
def bracket_comments(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No ( ) comment goes to a firmware that may not take it for one."""
    mark = analysis.hazards.get("paren_comment")
    if mark is None or profile.dialect not in OPTIONAL:
        return
    yield finding(
        "FQ030",
        "warning",
        mark.line,
        "There is a comment in ( ), which Marlin takes for one only if it was built with PAREN_COMMENTS. It is taken "
        "out when the program is streamed, not when the whole file is given to the machine.",
        "Write comments behind a ;.",
        mark.column,
    )
