"""The one gate before a run: does this program fit this machine, as it is set up now? (I2)"""

from __future__ import annotations

import msgspec

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.refused import doubled
from fleetctl.preflight.rules import RULE_SET, checks_for

_ORDER = {"error": 0, "warning": 1, "info": 2}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says. `findings` are sorted: errors first, then by line."""

    passed: bool
    rule_set: str
    findings: tuple[Finding, ...]

    @property
    def first_error(self) -> Finding | None:
        """The finding that refuses the program, or None when it passed."""
        return next((finding for finding in self.findings if finding.severity == "error"), None)


def check(analysis: Analysis, profile: Profile, setup: Setup) -> Verdict:
    """Compare a program's facts with a machine. Pure, and without reading the program again."""
    told = doubled(analysis, profile)  # one cause, one finding: the rule's, which refuses
    findings = [finding for finding in analysis.findings if finding.code not in told]
    for rule in checks_for(profile.process):
        findings += rule(analysis, profile, setup)
    findings.sort(key=_place)
    return Verdict(
        passed=all(finding.severity != "error" for finding in findings),
        rule_set=RULE_SET,
        findings=tuple(findings),
    )


def _place(finding: Finding) -> tuple[int, int, str, int]:
    return (_ORDER[finding.severity], finding.line, finding.code, finding.column)
