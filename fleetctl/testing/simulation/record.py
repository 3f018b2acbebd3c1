"""What happened in one world: the log that must be the same in every process, and what was found wrong.

It must not know what is worth logging.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

LINES_KEPT = 400


class Record:
    """The log of one world. `now` gives the virtual time in seconds since its start."""

    def __init__(self, now: Callable[[], float], say: Callable[[str], None] | None = None) -> None:
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.tail: list[str] = []
        self._now = now
        self._say = say
        self._hash = hashlib.sha256()

    def log(self, text: str) -> None:
        """One line of the log."""
        line = f"{self._now():12.6f} {text}"
        self._hash.update(line.encode() + b"\n")
        self.tail.append(line)
        if len(self.tail) > 2 * LINES_KEPT:
            del self.tail[:LINES_KEPT]
        if self._say is not None:
            self._say(line)

    def count(self, what: str) -> None:
        """Something that the summary counts."""
        self.counts[what] += 1

    def violation(self, invariant: str, text: str) -> None:
        """Something that must never be."""
        self.log(f"VIOLATION {invariant}: {text}")
        self.violations.append(f"{invariant} at {self._now():.3f} s: {text}")

    @property
    def sha256(self) -> str:
        """The hash of the whole log."""
        return self._hash.hexdigest()


def trace_of(error: object) -> str:
    """The innermost places that an error came from, in brackets; empty for what is no error."""
    if not isinstance(error, BaseException):
        return ""
    if isinstance(error, BaseExceptionGroup):
        return f" [{error.exceptions[0]!r}{trace_of(error.exceptions[0])}]"
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f" ({' > '.join(places[-6:])})"
