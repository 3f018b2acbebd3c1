"""The life of a job: one order line's work at this site, a number of places to fill with good parts."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class JobState(StrEnum):
    """Where a job stands."""

    HELD = "held"
    QUEUED = "queued"
    ACTIVE = "active"
    DONE = "done"
    CANCELLED = "cancelled"


PHRASE: dict[JobState, str] = {
    JobState.HELD: "nothing of it starts until a person releases it",
    JobState.QUEUED: "waits for a machine",
    JobState.ACTIVE: "at least one run has begun",
    JobState.DONE: "every place holds a good part",
    JobState.CANCELLED: "ended by a person; parts already made are kept on record",
}

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.HELD: frozenset({JobState.QUEUED, JobState.ACTIVE, JobState.CANCELLED}),
    JobState.QUEUED: frozenset({JobState.HELD, JobState.ACTIVE, JobState.CANCELLED}),
    JobState.ACTIVE: frozenset({JobState.HELD, JobState.QUEUED, JobState.DONE, JobState.CANCELLED}),
    JobState.DONE: frozenset({JobState.ACTIVE}),
    JobState.CANCELLED: frozenset(),
}

FAILED_RUNS_THAT_HOLD_A_JOB = 3
"""This many failed runs in a row hold the job (DESIGN section 5)."""

FAILED_RUNS_THAT_BLOCK_A_MACHINE = 2
"""This many failed runs in a row on one machine keep that machine from the program (DESIGN section 5)."""


class RemakeInterrupted(StrEnum):
    """When the parts of an interrupted run are made again (I3)."""

    AT_CLEAR = "at_clear"
    AT_ONCE = "at_once"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job as it is on record. A run of its program yields `yield_parts` parts; `machine_id` pins it."""

    id: str
    code: str
    order_id: str
    title: str
    program_sha256: str
    yield_parts: int
    quantity: int
    state: JobState
    held_reason: str
    priority: int
    due_s: float | None
    material: str
    machine_id: str | None
    group: str
    remake_interrupted: RemakeInterrupted
    failed_in_a_row: int
    created_s: float
    done_s: float | None
    version: int


class Tally(msgspec.Struct, frozen=True):
    """Parts of one job by what they mean for it. Scrap and surplus hold no place; unmade is not counted."""

    good: int = 0
    hold: int = 0
    running: int = 0
    scrap: int = 0
    surplus: int = 0

    def to_make(self, quantity: int) -> int:
        """Places that no live part holds."""
        return quantity - self.good - self.hold - self.running
