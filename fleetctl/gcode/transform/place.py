"""The place in a program where it shall be taken up again: the state there, and what made it.

Reads the program once; knows nothing of how a state is rebuilt.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from fleetctl._ext import gcode_core
from fleetctl.errors import CannotTransform
from fleetctl.gcode.analysis import merged, process_of
from fleetctl.gcode.dialects import Dialect
from fleetctl.gcode.facts import UNKNOWN_BOUNDS, AxisRange, Box, FrameBounds
from fleetctl.gcode.source import open_source
from fleetctl.gcode.state import ModalState, state_of
from fleetctl.gcode.transform.contract import Given
from fleetctl.gcode.transform.cut import lines_at, pieces
from fleetctl.gcode.writers import detect_writer

Process = Literal["additive", "subtractive", "laser", "unknown"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a program, and everything before it. `words` and `hazards` are those of the lines before it."""

    line: int
    dialect: Dialect
    process: Process
    sha256: str
    state: ModalState
    words: dict[str, tuple[int, int, int]]
    hazards: dict[str, tuple[int, int, int]]
    names: dict[str, tuple[int, int, int]]
    kept: tuple[str, ...]
    """The text of the lines that set what stays in force."""
    object_text: str
    length_text: str
    """The line with the G43 in force."""
    next_words: frozenset[str]
    """The command words of the first line from here on that moves or says how to move; empty at the end."""
    next_is_bare: bool
    """That line has axis words and no motion word of its own."""
    last_work_line: int
    """Of the whole program."""
    sets_units: bool
    """The whole program says G20 or G21 somewhere."""
    tape: bool
    """The program begins with a % line."""


def read_place(given: Given, dialect: Dialect, line: int) -> Place:
    """Everything about the place before `line`. Raises CannotTransform when the program has no such line."""
    scan = gcode_core.Scanner(dialect.reads, False)
    before = gcode_core.Scanner(dialect.reads, False)
    digest = hashlib.sha256()
    following = b""
    for stands_before, block in pieces(given, line):
        digest.update(block)
        scan.feed(block)
        if stands_before:
            before.feed(block)
        elif len(following) < PEEK_BYTES:
            following += bytes(block[:PEEK_BYTES])
    scan.finish()
    before.finish()
    total = scan.totals()["lines"]
    if not 1 <= line <= total or not following:
        raise CannotTransform(f"The program has {total} lines; there is no line {line}.", hint="Give one of them.")
    state = state_of(before)
    texts = _texts(given, [*state.kept_lines, state.object_line, state.tool_length_line])
    next_words, bare = _next_motion(following, dialect)
    return Place(
        line=line,
        dialect=dialect,
        process=read_process(given, scan, dialect),
        sha256=digest.hexdigest(),
        state=state,
        words=before.words(),
        hazards=before.hazards(),
        names=before.names()[0],
        kept=tuple(texts[number] for number in state.kept_lines),
        object_text=texts.get(state.object_line, ""),
        length_text=texts.get(state.tool_length_line, ""),
        next_words=next_words,
        next_is_bare=bare,
        last_work_line=state_of(scan).last_work_line,
        sets_units=scan.totals()["units_line"] > 0,
        tape=dialect.cnc and "percent" in before.hazards(),
    )


PEEK_BYTES = 64 * 1024
"""How far behind the place the next motion is looked for."""


def _texts(given: Given, numbers: list[int]) -> dict[int, str]:
    wanted = sorted({number for number in numbers if number})
    found = lines_at(given, wanted)
    return {number: text.decode("utf-8", "replace") for number, text in zip(wanted, found, strict=True)}


def read_process(given: Given, scan: gcode_core.Scanner, dialect: Dialect) -> Process:
    """How the program makes things; `scan` has read it to its end."""
    with open_source(given) as opened:
        writer = detect_writer(opened.start, opened.tail)
    frames = tuple(
        FrameBounds(name, Box(), Box(*(r and AxisRange(*r) for r in work))) for name, _, work, _ in scan.frames()
    )
    return process_of(scan, dialect, writer, merged(frames, True) if frames else UNKNOWN_BOUNDS)


_MOTIONS = ("G0", "G1", "G2", "G3", "G5", "G33", "G38", "G7", "G8")


def _next_motion(following: bytes, dialect: Dialect) -> tuple[frozenset[str], bool]:
    """The words of the first of these lines that has a motion word or axis words, read by the core itself."""
    for text in following.splitlines():
        scan = gcode_core.Scanner(dialect.reads, False)
        scan.feed(text + b"\n")
        words, letters = scan.words(), scan.letters()
        motion = any(word.startswith(_MOTIONS) for word in words)
        if motion or set("XYZABCUVWIJKR") & set(letters):
            return frozenset(words), not motion
    return frozenset(), False
