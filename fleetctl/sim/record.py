"""What a simulated machine has executed: a bounded memory that tests and people can compare with a program.

It must not know any dialect: the machine decides what is a line of a program and what is only a question.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

TAIL_LINES = 64


@dataclass(frozen=True, slots=True)
class Executed:
    """One executed line. `number` is the link's line number, None where it came without one."""

    ordinal: int
    at_s: float
    number: int | None
    text: str


class ExecutionRecord:
    """Count, running SHA-256 and the last lines of everything executed, in order.

    The text of a line is what the firmware acts on: no line number, checksum, comment or surrounding space.
    The hash is over each text followed by one line feed, so `digest(lines)` of a cleaned program equals
    `record.sha256` exactly when the machine executed that program and nothing else.
    """

    def __init__(self, tail_lines: int = TAIL_LINES) -> None:
        self.count = 0
        self.tail: deque[str] = deque(maxlen=tail_lines)
        self.on_line: Callable[[Executed], None] | None = None
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def add(self, text: str, at_s: float, number: int | None = None) -> None:
        self.count += 1
        self.tail.append(text)
        self._hash.update(text.encode("latin-1", "replace") + b"\n")
        if self.on_line is not None:
            self.on_line(Executed(self.count, at_s, number, text))

    def clear(self) -> None:
        """Begin again at nothing, for a test that compares one run after another."""
        self.count = 0
        self.tail.clear()
        self._hash = hashlib.sha256()


def digest(lines: Iterable[str]) -> str:
    """The hash that a record holds after executing just these lines."""
    total = hashlib.sha256()
    for text in lines:
        total.update(text.encode("latin-1", "replace") + b"\n")
    return total.hexdigest()
