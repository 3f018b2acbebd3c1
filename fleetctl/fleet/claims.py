"""The claim: places and machine are taken, the run with its parts is created and the start command is kept for
the agent, in one transaction (I1, I2, I3).

What was planned may be stale by now. The state of the machine, the preflight pass and the latch are read again
here; the places are not: the database itself refuses a place that somebody took meanwhile (I1).
"""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.errors import Conflict, LatchClosed
from fleetctl.fleet import commands
from fleetctl.fleet.changes import Stamp, job_to, log_event
from fleetctl.model.identity import CodeKind
from fleetctl.model.job import JobState
from fleetctl.model.machine import Machine, unready_reasons
from fleetctl.model.part import Part, PartState
from fleetctl.model.run import Run, RunState
from fleetctl.scheduling.assign import Assignment
from fleetctl.store import jobs, machines, parts, programs, runs, settings

START_WITHIN_S = 60.0
"""A start that an agent gets later than this is refused: by then nobody expects the machine to move."""

EPOCH = 1
"""A run is started once; a second attempt is a second run with a fresh id, so the epoch stays 1 at its own site."""


def claim(conn: sa.Connection, plan: Assignment, rule_set: str, stamp: Stamp) -> Run:
    """Claim what `plan` says. Raises LatchClosed, Conflict or PlaceTaken, and then nothing has happened."""
    machine = _ready_machine(conn, plan, rule_set)
    job = jobs.get(conn, plan.job.id)
    if job.state not in (JobState.QUEUED, JobState.ACTIVE):
        raise Conflict(f"{job.code} is {job.state.value} by now.")
    run = _new_run(conn, plan, machine, rule_set, stamp)
    runs.add(conn, run)
    log_event(conn, stamp, "run.claimed", run.code, job=job.code, machine=machine.name, program=run.program_sha256)
    _create_parts(conn, run, plan, stamp)
    if job.state is JobState.QUEUED:
        job_to(conn, job, JobState.ACTIVE, stamp)
    commands.start(conn, run, machine, stamp)
    return run


def _ready_machine(conn: sa.Connection, plan: Assignment, rule_set: str) -> Machine:
    if settings.stop(conn).stopped:
        raise LatchClosed()
    machine = machines.get(conn, plan.machine.id)
    if reasons := unready_reasons(machine.facts):
        raise Conflict(f"{machine.name} is not ready: {reasons[0]}.", machine=machine.name)
    found = programs.find_preflight(conn, plan.job.program_sha256, machine.configuration_hash, rule_set)
    if found is None or not found.passed:
        raise Conflict(
            f"{machine.name} is not set up any more as it was when the program passed preflight.",
            machine=machine.name,
        )
    return machine


def _new_run(conn: sa.Connection, plan: Assignment, machine: Machine, rule_set: str, stamp: Stamp) -> Run:
    return Run(
        id=stamp.new_id(),
        code=settings.next_code(conn, CodeKind.RUN),
        job_id=plan.job.id,
        machine_id=machine.id,
        program_sha256=plan.job.program_sha256,
        configuration_hash=machine.configuration_hash,
        rule_set=rule_set,
        epoch=EPOCH,
        state=RunState.CLAIMED,
        reason="",
        started=False,
        acknowledged_line=0,
        planner_depth=0,
        settled=False,
        resumes_run_id=None,
        not_after_s=stamp.at_s + START_WITHIN_S,
        created_s=stamp.at_s,
        started_s=None,
        ended_s=None,
        version=1,
    )


def _create_parts(conn: sa.Connection, run: Run, plan: Assignment, stamp: Stamp) -> None:
    created = [
        Part(
            id=stamp.new_id(),
            code=settings.next_code(conn, CodeKind.PART),
            job_id=run.job_id,
            run_id=run.id,
            ordinal=ordinal,
            place=place,
            state=PartState.PLANNED,
            created_s=stamp.at_s,
            version=1,
        )
        for ordinal, place in enumerate(plan.places)
    ]
    parts.add(conn, created)
    for part in created:
        log_event(conn, stamp, "part.planned", part.code, run=run.code, job=plan.job.code, place=part.place)
