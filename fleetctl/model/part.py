"""The life of a part: one physical piece, in one place of its job or surplus; and what checks say of it.

Not assessed is not good (I7): a part becomes good only by a passing result or a person's disposition.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class PartState(StrEnum):
    """Where a part stands."""

    PLANNED = "planned"
    MADE = "made"
    GOOD = "good"
    REWORK = "rework"
    SCRAP = "scrap"
    HOLD = "hold"
    DELIVERED = "delivered"
    UNMADE = "unmade"


PHRASE: dict[PartState, str] = {
    PartState.PLANNED: "its run has not finished",
    PartState.MADE: "made, not assessed",
    PartState.GOOD: "assessed and good",
    PartState.REWORK: "a person wants it worked over",
    PartState.SCRAP: "will not be used; its place is free again",
    PartState.HOLD: "nobody may use it until a person decides",
    PartState.DELIVERED: "gone to the customer",
    PartState.UNMADE: "its run was refused before anything was made",
}

TRANSITIONS: dict[PartState, frozenset[PartState]] = {
    PartState.PLANNED: frozenset({PartState.MADE, PartState.HOLD, PartState.SCRAP, PartState.UNMADE}),
    PartState.MADE: frozenset({PartState.GOOD, PartState.REWORK, PartState.SCRAP, PartState.HOLD}),
    PartState.GOOD: frozenset({PartState.REWORK, PartState.SCRAP, PartState.HOLD, PartState.DELIVERED}),
    PartState.REWORK: frozenset({PartState.GOOD, PartState.SCRAP, PartState.HOLD}),
    # Back to planned: a person continues the interrupted run that left it (I3).
    PartState.HOLD: frozenset({PartState.GOOD, PartState.REWORK, PartState.SCRAP, PartState.PLANNED}),
    PartState.SCRAP: frozenset(),
    PartState.DELIVERED: frozenset(),
    PartState.UNMADE: frozenset(),
}

LIVE = frozenset(PartState) - {PartState.SCRAP, PartState.UNMADE}
"""States in which a part keeps its place (I1, I3)."""

COUNTED_GOOD = frozenset({PartState.GOOD, PartState.DELIVERED})
"""States that fill a place for good (I3)."""


class Result(StrEnum):
    """What a check says of a part."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ASSESSED = "not-assessed"


class Disposition(StrEnum):
    """What a person or a rule decides for a part."""

    USE_AS_IS = "use-as-is"
    REWORK = "rework"
    SCRAP = "scrap"
    RETURN = "return"
    HOLD = "hold"


STATE_AFTER: dict[Disposition, PartState] = {
    Disposition.USE_AS_IS: PartState.GOOD,
    Disposition.REWORK: PartState.REWORK,
    Disposition.SCRAP: PartState.SCRAP,
    Disposition.RETURN: PartState.HOLD,
    Disposition.HOLD: PartState.HOLD,
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part as it is on record. `ordinal` counts the parts of its run from 0; `place` None is surplus."""

    id: str
    code: str
    job_id: str
    run_id: str
    ordinal: int
    place: int | None
    state: PartState
    created_s: float
    version: int

    @property
    def live(self) -> bool:
        """Whether the part keeps its place (I1)."""
        return self.state in LIVE
