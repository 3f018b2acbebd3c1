"""The life of a run: one execution of one program on one machine."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from fleetctl.model.transitions import final_states


class RunState(StrEnum):
    """Where a run stands."""

    CLAIMED = "claimed"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"


PHRASE: dict[RunState, str] = {
    RunState.CLAIMED: "machine and places are taken, the agent has not begun",
    RunState.PREPARING: "the agent verifies the program and waits for cycle start where one is needed",
    RunState.RUNNING: "the program is being streamed",
    RunState.PAUSED: "held by a person",
    RunState.WAITING: "the machine waits for a person",
    RunState.FINISHED: "the machine executed the whole program",
    RunState.FAILED: "the machine faulted or refused a line",
    RunState.CANCELLED: "ended by a person",
    RunState.INTERRUPTED: "the link, the power or a process was lost; nobody knows the last executed line exactly",
    RunState.REFUSED: "not begun: a condition for starting no longer held",
}

_ENDINGS = frozenset({RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED})

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.CLAIMED: _ENDINGS | {RunState.PREPARING, RunState.RUNNING, RunState.REFUSED},
    RunState.PREPARING: _ENDINGS | {RunState.RUNNING, RunState.WAITING, RunState.REFUSED},
    RunState.RUNNING: _ENDINGS | {RunState.PAUSED, RunState.WAITING, RunState.FINISHED},
    RunState.PAUSED: _ENDINGS | {RunState.RUNNING, RunState.WAITING, RunState.FINISHED},
    RunState.WAITING: _ENDINGS | {RunState.RUNNING, RunState.PAUSED, RunState.FINISHED, RunState.REFUSED},
    RunState.FINISHED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
    RunState.INTERRUPTED: frozenset(),
    RunState.REFUSED: frozenset(),
}

ENDED = final_states(TRANSITIONS)
ACTIVE = frozenset(RunState) - ENDED
"""States in which the run holds its machine (I1)."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it is on record. Lines are source lines of the program (see messages.RunReport).

    `settled` says that a person has dealt with what an interrupted run left behind (I3), or has looked at the machine
    since the run failed there.
    """

    id: str
    code: str
    job_id: str
    machine_id: str
    program_sha256: str
    configuration_hash: str
    rule_set: str
    epoch: int
    state: RunState
    reason: str
    started: bool
    acknowledged_line: int
    planner_depth: int
    settled: bool
    resumes_run_id: str | None
    not_after_s: float
    created_s: float
    started_s: float | None
    ended_s: float | None
    version: int

    @property
    def active(self) -> bool:
        """Whether the run holds its machine (I1)."""
        return self.state in ACTIVE

    @property
    def surely_executed_line(self) -> int:
        """The last line that was executed for certain: acknowledged is not executed (DESIGN section 7)."""
        return max(0, self.acknowledged_line - self.planner_depth)
