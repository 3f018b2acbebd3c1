"""Tools: can this machine change them, and are they on record?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.model.profile import Process, Profile, Setup
from fleetctl.preflight.rule import CUTTERS, finding, rule

_NUMBER = re.compile(r"\s*[Tt]?\s*0*(\d+)")


@rule(
    "FQ019",
    "No tool change on this machine",
    "error",
    "Plain Grbl stops at M6 with an error in the middle of the work; a printer with one nozzle prints on with it.",
)
def tool_change(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """The program changes only tools that this machine can change."""
    if profile.process is Process.ADDITIVE:
        yield from _nozzles(analysis, profile)
        return
    change, select = analysis.words.get("M6"), analysis.words.get("T")
    if change is None:
        if select is not None and profile.tool_change == "none" and _kinds(analysis) > 1:
            yield finding(
                "FQ019",
                "warning",
                select.first_line,
                "The program names several tools and never changes them (M6); T alone does nothing here.",
                "Split it into one program for each tool.",
                select.first_column,
            )
        return
    if profile.tool_change == "automatic":
        return
    said: dict[str | None, tuple[Severity, str]] = {
        "none": ("error", "This machine has no tool change: its controller answers M6 with an error."),
        "manual": ("info", "The machine stops here for a person to change the tool (M6)."),
        None: ("error" if profile.dialect == "grbl" else "warning", "Nobody said whether this machine can do M6."),
    }
    severity, message = said[profile.tool_change]
    hint = "" if severity == "info" else "Take M6 out, or split the program into one for each tool."
    yield finding("FQ019", severity, change.first_line, message, hint, change.first_column)


def _kinds(analysis: Analysis) -> int:
    return len({tool.number for tool in analysis.tools if tool.first_line})


def _nozzles(analysis: Analysis, profile: Profile) -> Iterator[Finding]:
    if profile.extruders is None or "T" not in analysis.words:
        return
    for tool in analysis.tools:
        if tool.first_line and tool.number >= profile.extruders:
            have = "only T0" if profile.extruders == 1 else f"T0 to T{profile.extruders - 1}"
            yield finding(
                "FQ019",
                "error",
                tool.first_line,
                f"The program selects tool T{tool.number}; this machine has {have}.",
                "Slice for one material, or choose a machine with more extruders.",
            )


@rule(
    "FQ020",
    "A tool that is not on record",
    "error",
    "With another tool in the spindle the path is cut at another depth and width than it was made for.",
    CUTTERS,
)
def tools_on_record(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """Every tool that the program selects is in the machine's set-up."""
    select = analysis.words.get("T")
    if select is None or profile.process is Process.LASER:
        return
    known = {int(found.group(1)) for name in setup.tools if (found := _NUMBER.match(name))}
    missing = [tool for tool in analysis.tools if tool.first_line and tool.number > 0 and tool.number not in known]
    for tool in missing:
        severity: Severity = "error" if known else "warning"
        have = ", ".join(f"T{number}" for number in sorted(known)) if known else "no numbered tool"
        yield finding(
            "FQ020",
            severity,
            tool.first_line,
            f"The program uses tool T{tool.number}; on record for this machine: {have}.",
            f"Put the tool in and enter it among the tools of the machine's set-up: T{tool.number}.",
            select.first_column if tool.first_line == select.first_line else 0,
        )
