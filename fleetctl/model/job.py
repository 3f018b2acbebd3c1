"""The life of a job: one order line's work at this site, a number of places to fill with good parts."""

from __future__ import annotations

from enum import StrEnum


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
