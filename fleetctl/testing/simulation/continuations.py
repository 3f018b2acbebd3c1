"""Programs that begin in the middle of another one, as a person has them made, read independently of the maker.

Such a program is a preamble and then the rest of its parent, line by line. It must not know how preambles are made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fleetctl.testing.simulation.programs import SimulatedProgram

_GRBL_COMMENT = re.compile(r"\([^)]*\)|;.*")

_HELD = re.compile(r"M0?[01]")
"""A stop of the program that the host holds instead of sending it (plugins/grbl/README.md)."""


@dataclass(frozen=True)
class Continuation(SimulatedProgram):
    """`first`: the place in the parent's lines where the rest begins. `soft`: how many of the first lines are such as
    a session also says by itself (off with everything), so that they alone prove nothing."""

    parent: SimulatedProgram
    first: int
    soft: int = 0

    @property
    def preamble(self) -> int:
        """How many lines lead to the rest."""
        return len(self.lines) - (len(self.parent.lines) - self.first)


def read_continuation(data: bytes, parent: SimulatedProgram, harmless: re.Pattern[str]) -> Continuation | None:
    """The program in `data` as the rest of `parent`; None when it does not end as the parent does."""
    lines = executed_lines(data, parent.dialect)
    same = 0
    while same < min(len(lines), len(parent.lines)) and lines[-1 - same] == parent.lines[-1 - same]:
        same += 1
    if same == 0:
        return None
    soft = next((at for at, line in enumerate(lines) if not harmless.match(line)), len(lines))
    return Continuation(
        name=f"the rest of {parent.name}",
        dialect=parent.dialect,
        data=data,
        lines=tuple(lines),
        parent=parent,
        first=len(parent.lines) - same,
        soft=soft,
    )


def executed_lines(data: bytes, dialect: str) -> list[str]:
    """What a firmware executes of a file: no comments; of a Grbl's no spaces, in capitals, and no program stop."""
    found = []
    for line in data.decode("latin-1").splitlines():
        if dialect == "marlin":
            text = line.partition(";")[0].strip()
        else:
            text = _GRBL_COMMENT.sub("", line).replace(" ", "").upper()
        if text and not (dialect != "marlin" and _HELD.fullmatch(text)):
            found.append(text)
    return found


class Follower:
    """Follows the lines of one continuation as they pass, from its first one; a soft beginning may begin anew."""

    def __init__(self, program: Continuation) -> None:
        """Nothing has passed."""
        self.program = program
        self.at = 0

    def passes(self, text: str) -> bool:
        """Whether this is its next line, or its first one again while nothing but the soft beginning has passed."""
        lines = self.program.lines
        if self.at < len(lines) and lines[self.at] == text:
            self.at += 1
        elif self.at <= self.program.soft and lines[0] == text:
            self.at = 1
        else:
            return False
        return True

    @property
    def begun(self) -> bool:
        """Whether more has passed than what a session also says by itself."""
        return self.at > self.program.soft
