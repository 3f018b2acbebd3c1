"""How many lines of a program may still be in the planner of the machine that acknowledged them.

A planner holds moves, not lines: comments, blank lines, modes and temperatures stand between them, and a move of no
length takes no place. So the moves are counted back from the acknowledged line, and only those that surely took a
place: what is doubtful makes the interval longer, never shorter. It must not know machines, runs or files.
"""

from __future__ import annotations

import re

LEAST_MOVE = 0.2
"""How far X, Y or Z must go for a place in the planner to be certain, in the unit of the program, seen from where the
last such move ended. Marlin drops moves of less than six steps and adds them to the next (planner.cpp,
MIN_STEPS_PER_SEGMENT), 0.08 mm at 80 steps/mm; Grbl those without a step (planner.c); TinyG those that take less than
half a millisecond (plan_line.c), 0.08 mm at 10 m/min. Twice that, so that between two such places at least one move
was long enough, wherever the firmware itself began to add up."""

_COMMENT = re.compile(rb"\([^)]*\)?|;.*", re.DOTALL)
_BLANKS = b" \t"
_MOVE = re.compile(rb"(?:N\d+)?(G0*[0-3](?![\d.]))?((?:[XYZEABCFIJKRPS][-+]?(?:\d+(?:\.\d*)?|\.\d+))+)(?:\*\d+)?")
_PLACE = re.compile(rb"([XYZ])([-+]?(?:\d+(?:\.\d*)?|\.\d+))")
_NOTHING = re.compile(rb"(?:N\d+)?(?:\*\d+)?|%")


def lines_behind(text: bytes, moves: int, *, words_alone: bool) -> int | None:
    """How many of the last lines of `text` hold the last `moves` moves; None when it holds fewer for certain.

    `text` begins at the beginning of a line and ends with the end of the acknowledged one. `words_alone`: a line of
    nothing but axis words is a move (as in RS274/NGC), else the firmware does not know it. A line that is neither a
    plain G0 to G3 nor empty may change what coordinates mean, so counting begins anew behind it; a move to 0 may be
    one of no length in relative coordinates.
    """
    if moves <= 0:
        return 0
    lines = text.splitlines()
    look = 2 * moves  # mostly enough; a stop ends many runs at once
    while True:
        begins = _beginnings(lines[-look:], words_alone)
        if len(begins) >= moves:
            return min(look, len(lines)) - begins[-moves]
        if look >= len(lines):
            return None
        look *= 4


def _beginnings(lines: list[bytes], words_alone: bool) -> list[int]:
    """For each certain move, how many lines were over before it began: one further place in the planner is taken
    somewhere in the lines from there up to the next beginning."""
    begins: list[int] = []
    since = 0
    """The line behind which `stood` was taken: what moved from there, moved behind it."""
    stood: dict[bytes, float] = {}
    now: dict[bytes, float] = {}
    for index, line in enumerate(lines):
        if b";" in line or b"(" in line:
            line = _COMMENT.sub(b"", line)
        words = line.translate(None, _BLANKS).upper()
        found = _MOVE.fullmatch(words)
        if found is None or not (found[1] or words_alone):
            if not _NOTHING.fullmatch(words):
                since, stood, now = index + 1, {}, {}
            continue
        moved = False
        places = _PLACE.findall(found[2])
        if places and not stood:
            since = index + 1
        for axis, number in places:
            value = float(number)
            now[axis] = value
            moved |= abs(value - stood.setdefault(axis, value)) >= LEAST_MOVE and abs(value) >= LEAST_MOVE
        if moved:
            begins.append(since)
            since, stood = index + 1, dict(now)
    return begins
