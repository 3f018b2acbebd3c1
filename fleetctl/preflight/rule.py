"""What a rule is: one code, and one function from (program facts, profile, set-up) to findings.

Rules read no file: every rule here can be answered from facts, also those about order ("extrudes before it is hot",
"rapid below all that was cut before"), because the core notes such things while it reads. It must not know any
particular rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from fleetctl.gcode.facts import Analysis, Finding, Severity
from fleetctl.model.profile import Process, Profile, Setup

Check = Callable[[Analysis, Profile, Setup], Iterable[Finding]]

EVERY = frozenset(Process)
PRINTERS = frozenset({Process.ADDITIVE})
CUTTERS = frozenset({Process.SUBTRACTIVE, Process.LASER})
MILLS = frozenset({Process.SUBTRACTIVE})

_PHRASES = {EVERY: "every machine", PRINTERS: "printers", CUTTERS: "mills and lasers", MILLS: "mills"}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `severity` is the gravest that it gives; `reason` says in one sentence why it exists.

    `processes` are the machines that it concerns at all.
    """

    code: str
    title: str
    severity: Severity
    reason: str
    processes: frozenset[Process]
    check: Check

    @property
    def machines(self) -> str:
        """Which machines it concerns, as a phrase."""
        return _PHRASES[self.processes]

    @property
    def page(self) -> str:
        """Its page, relative to the top of the documentation."""
        return page_of(self.code)


def page_of(code: str) -> str:
    """The page of a code (FQ... or GC...), relative to the top of the documentation."""
    return f"reference/rules/{code}.md"


def rule(
    code: str, title: str, severity: Severity, reason: str, processes: frozenset[Process] = EVERY
) -> Callable[[Check], Rule]:
    """Make the decorated function a rule."""

    def made(check: Check) -> Rule:
        return Rule(code=code, title=title, severity=severity, reason=reason, processes=processes, check=check)

    return made


def finding(code: str, severity: Severity, line: int, message: str, hint: str = "", column: int = 0) -> Finding:
    """A finding; where no column is known, the line as a whole is meant and it points at its beginning."""
    return Finding(
        code=code, severity=severity, line=line, column=column or (1 if line else 0), message=message, hint=hint
    )
