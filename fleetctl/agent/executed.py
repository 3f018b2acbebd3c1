"""From which line of its program on nobody knows what a run that was cut off has carried out.

Joins what a driver tells (moves its machine may still hold) with the text of the program. It must not know links, and
reads no file: whoever has the text passes it in.
"""

from __future__ import annotations

import msgspec

from fleetctl.agent.programs import Stretch
from fleetctl.agent.records import RunRecord
from fleetctl.model.profile import Profile
from fleetctl.protocol.executed import lines_behind

WORDS_ALONE = frozenset({"grbl", "grblhal", "fluidnc", "linuxcnc"})
"""Dialects in which a line of axis words alone is a move, as the G-code core has it (`Dialect.cnc`); Marlin answers
that it does not know such a command."""


def in_lines(run: RunRecord, before: Stretch, profile: Profile) -> RunRecord:
    """The run with its `planner_depth` counted in lines of the program instead of moves. `before` ends with the
    acknowledged line; where it shows too few moves, every line counts as perhaps not executed.
    """
    if run.planner_depth <= 0:
        return run
    behind = None
    if before.first_byte + len(before.text) == run.acknowledged_bytes and before.text:
        text = before.text if before.first_byte == 0 else _from_a_beginning(before.text)
        behind = lines_behind(text, run.planner_depth, words_alone=profile.dialect in WORDS_ALONE)
    depth = run.acknowledged_line if behind is None else min(behind, run.acknowledged_line)
    return msgspec.structs.replace(run, planner_depth=depth)


def _from_a_beginning(text: bytes) -> bytes:
    """Without the first line, of which a part may be missing."""
    return b"".join(text.splitlines(keepends=True)[1:])
