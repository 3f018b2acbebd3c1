"""An interrupted run is continued by a new run that names it: units of work only (I2, I3, I12).

The physical parts are the same, so they move to the new run and keep their places and codes. A continuation that
never began gives them back, and everything is as it was. Nothing here decides that a run goes on: a person did.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict, LatchClosed
from fleetctl.fleet import commands
from fleetctl.fleet.changes import Stamp, check_seen, facts_to, log_event, part_to
from fleetctl.fleet.claims import EPOCH, START_WITHIN_S
from fleetctl.model.identity import CodeKind
from fleetctl.model.job import JobState
from fleetctl.model.machine import Clearance, Machine, MachineFacts, unready_reasons
from fleetctl.model.part import Part, PartState
from fleetctl.model.run import Run, RunState
from fleetctl.store import jobs, machines, parts, programs, runs, settings


def refusal(conn: sa.Connection, run: Run) -> str:
    """Why this run cannot be continued at all, whatever is done at the machine; empty when it can."""
    if run.state is not RunState.INTERRUPTED:
        return f"{run.code} is {run.state.value}; only an interrupted run can be continued."
    if not run.started:
        return f"Nothing of {run.code} has begun; it is made again from its beginning."
    if (after := continued_by(conn, run)) is not None:
        return f"{run.code} is continued by {after.code} already."
    if run.settled or not _waiting_parts(conn, run):
        return f"The parts of {run.code} have been decided about; nothing of it is left to continue."
    newest = runs.last_started(conn, run.machine_id)
    if newest is None or newest.id != run.id:
        return f"Another run has been on the machine since {run.code}."
    job = jobs.get(conn, run.job_id)
    if job.state is not JobState.ACTIVE:
        return f"{job.code} is {job.state.value}."
    return ""


def stopped_between(run: Run) -> tuple[int, int] | None:
    """Behind which line and up to which one execution stopped; None of a run that did not begin, goes on or finished.

    Acknowledged is not executed: the planner holds up to `planner_depth` lines (DESIGN section 7).
    """
    if not run.started or run.active or run.state is RunState.FINISHED:
        return None
    return run.surely_executed_line, run.acknowledged_line


def continued_by(conn: sa.Connection, run: Run) -> Run | None:
    """The newest run that took this one up again and began, or may still begin."""
    return next((later for later in runs.resuming(conn, run) if later.active or later.started), None)


def facts_when_clear(machine: Machine) -> MachineFacts:
    """The machine as it counts once a person has said that nothing lies there but what is continued."""
    return msgspec.structs.replace(machine.facts, clearance=Clearance.CLEAR)


def continue_run(
    conn: sa.Connection, code: str, program_sha256: str, rule_set: str, seen: int | None, stamp: Stamp
) -> tuple[Run, Machine]:
    """Claim the machine for the rest of run `code`, with the program that begins in its middle.

    The person who asks says with it that nothing but these parts lies on the machine. Raises NotFound, LatchClosed,
    Conflict or PlaceTaken, and then nothing has happened.
    """
    if settings.stop(conn).stopped:
        raise LatchClosed()
    old = runs.coded(conn, code)
    check_seen(old.code, old.version, seen)
    if reason := refusal(conn, old):
        raise Conflict(reason)
    machine = machines.get(conn, old.machine_id)
    facts = facts_when_clear(machine)
    if reasons := unready_reasons(facts):
        raise Conflict(f"{machine.name} is not ready: {reasons[0]}.", machine=machine.name)
    said = programs.find_preflight(conn, program_sha256, machine.configuration_hash, rule_set)
    if said is None or not said.passed:
        raise Conflict(f"The rest of the program does not pass the gate on {machine.name}.", machine=machine.name)
    if facts != machine.facts:
        facts_to(conn, machine, facts, stamp)
        log_event(conn, stamp, "machine.cleared", machine.name, continues=old.code)
    new = _new_run(conn, old, machine, program_sha256, rule_set, stamp)
    runs.change(conn, old, settled=True)
    runs.add(conn, new)
    log_event(conn, stamp, "run.settled", old.code, continued_by=new.code)
    log_event(conn, stamp, "run.claimed", new.code, machine=machine.name, program=program_sha256, resumes=old.code)
    for part in _waiting_parts(conn, old):
        part_to(conn, part, PartState.PLANNED, stamp, f"continued by {new.code}")
        parts.change(conn, part, run_id=new.id)
    commands.start(conn, new, machine, stamp)
    return new, machine


def give_back(conn: sa.Connection, run: Run, stamp: Stamp) -> None:
    """The continuation `run` ended before it began: the parts lie there as before, and the person decides anew."""
    assert run.resumes_run_id is not None
    old = runs.get(conn, run.resumes_run_id)
    for part in parts.of_run(conn, run.id):
        if part.state is PartState.PLANNED:
            part_to(conn, part, PartState.HOLD, stamp, run.reason)
            parts.change(conn, part, run_id=old.id)
    runs.change(conn, old, settled=False)
    machine = machines.get(conn, run.machine_id)
    facts_to(conn, machine, msgspec.structs.replace(machine.facts, clearance=Clearance.UNCLEARED), stamp)


def _waiting_parts(conn: sa.Connection, run: Run) -> list[Part]:
    return [part for part in parts.of_run(conn, run.id) if part.state is PartState.HOLD]


def _new_run(
    conn: sa.Connection, old: Run, machine: Machine, program_sha256: str, rule_set: str, stamp: Stamp
) -> Run:
    return Run(
        id=stamp.new_id(),
        code=settings.next_code(conn, CodeKind.RUN),
        job_id=old.job_id,
        machine_id=old.machine_id,
        program_sha256=program_sha256,
        configuration_hash=machine.configuration_hash,
        rule_set=rule_set,
        epoch=EPOCH,
        state=RunState.CLAIMED,
        reason="",
        started=False,
        acknowledged_line=0,
        planner_depth=0,
        settled=False,
        resumes_run_id=old.id,
        not_after_s=stamp.at_s + START_WITHIN_S,
        created_s=stamp.at_s,
        started_s=None,
        ended_s=None,
        version=1,
    )
