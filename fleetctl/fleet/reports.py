"""What an agent reports, applied to the record: one unit of work per report, and each report counts once.

The number of the report is stored in the same transaction as its effect, so a report that comes twice, before
or after a crash, changes nothing the second time.
"""

from __future__ import annotations

import logging

import msgspec
import sqlalchemy as sa

from fleetctl.errors import IllegalTransition, NotFound
from fleetctl.fleet.boards import board_reported
from fleetctl.fleet.changes import Stamp, facts_to, job_to, part_to, run_to, settle_places
from fleetctl.fleet.commands import withdraw_what_is_void
from fleetctl.fleet.continuation import give_back
from fleetctl.model.job import FAILED_RUNS_THAT_HOLD_A_JOB, Job, JobState, RemakeInterrupted
from fleetctl.model.machine import Clearance
from fleetctl.model.messages import MachineReport, Report, RunReport
from fleetctl.model.part import PartState
from fleetctl.model.run import ENDED, Run, RunState
from fleetctl.store import jobs, machines, parts, runs

log = logging.getLogger(__name__)


def apply_report(conn: sa.Connection, agent: str, report: Report, stamp: Stamp) -> None:
    """Apply one report of `agent`, once. Reports come in order, so a number that is not new was applied before."""
    if report.sequence <= machines.last_sequence(conn, agent):
        return
    machines.set_last_sequence(conn, agent, report.sequence)
    try:
        if isinstance(report, MachineReport):
            _machine_reported(conn, agent, report, stamp)
        else:
            _run_reported(conn, report, stamp)
    except NotFound:
        # The record is older than the agent's journal (a restored copy), or the machine was removed meanwhile.
        log.warning("agent %s reports about something that is not on record: %s", agent, report)


def _machine_reported(conn: sa.Connection, agent: str, report: MachineReport, stamp: Stamp) -> None:
    machine = machines.get(conn, report.machine_id)
    if machine.agent != agent:
        return  # it was given to another agent meanwhile, which sees it now
    facts = msgspec.structs.replace(
        machine.facts,
        link=report.link,
        activity=report.activity,
        position=report.position,
        reason=report.reason,
    )
    facts_to(conn, machine, facts, stamp)
    if report.firmware and report.firmware != machine.firmware:
        machines.set_firmware(conn, machines.get(conn, machine.id), report.firmware)
        withdraw_what_is_void(conn, machine.id, stamp)
    if report.board.known:
        board_reported(conn, machines.get(conn, machine.id), report.board, stamp)


def _run_reported(conn: sa.Connection, report: RunReport, stamp: Stamp) -> None:
    try:
        run = runs.get(conn, report.run_id)
    except NotFound:
        if report.started:
            _uncleared(conn, report.machine_id, stamp)
        raise
    runs.drop_commands(conn, run.id, kind=runs.CommandKind.START)
    if report.started and not run.started:
        runs.change(conn, run, started=True, started_s=stamp.at_s)
        _uncleared(conn, run.machine_id, stamp)
        run = runs.get(conn, run.id)
    lines = {"acknowledged_line": report.acknowledged_line, "planner_depth": report.planner_depth}
    state = RunState(report.state)
    if state is run.state:
        runs.change(conn, run, reason=report.reason, **lines)
        return
    try:
        moved = run_to(conn, run, state, stamp, report.reason, **lines)
    except IllegalTransition as error:
        log.error("agent reported what cannot be: %s", error)
        return
    if state in ENDED:
        runs.drop_commands(conn, run.id)
        conclude(conn, moved, stamp)


def _uncleared(conn: sa.Connection, machine_id: str, stamp: Stamp) -> None:
    machine = machines.get(conn, machine_id)
    facts_to(conn, machine, msgspec.structs.replace(machine.facts, clearance=Clearance.UNCLEARED), stamp)


def conclude(conn: sa.Connection, run: Run, stamp: Stamp) -> None:
    """What the end of a run means for its parts and its job."""
    job = jobs.get(conn, run.job_id)
    if run.resumes_run_id is not None and not run.started:
        give_back(conn, run, stamp)
    following = _state_of_parts(run, job)
    for part in parts.of_run(conn, run.id):
        if part.state is PartState.PLANNED:  # else a person has decided about it meanwhile
            part_to(conn, part, following, stamp, run.reason)
    if run.state is RunState.INTERRUPTED and (not run.started or following is PartState.SCRAP):
        runs.change(conn, run, settled=True)
    _count_failures(conn, run, job, stamp)
    settle_places(conn, run.job_id, stamp)


def _state_of_parts(run: Run, job: Job) -> PartState:
    if run.state is RunState.FINISHED:
        return PartState.MADE
    if not run.started:
        return PartState.UNMADE
    if run.state is RunState.INTERRUPTED and job.remake_interrupted is RemakeInterrupted.AT_CLEAR:
        return PartState.HOLD
    return PartState.SCRAP


def _count_failures(conn: sa.Connection, run: Run, job: Job, stamp: Stamp) -> None:
    """Three runs in a row that failed or were refused hold the job: something is wrong with it."""
    if run.state is RunState.FINISHED:
        jobs.change(conn, job, failed_in_a_row=0)
    elif run.state in (RunState.FAILED, RunState.REFUSED):
        failed = job.failed_in_a_row + 1
        jobs.change(conn, job, failed_in_a_row=failed)
        if failed >= FAILED_RUNS_THAT_HOLD_A_JOB and job.state is JobState.ACTIVE:
            reason = f"{failed} runs in a row did not succeed; the last: {run.reason or run.state.value}"
            job_to(conn, jobs.get(conn, job.id), JobState.HELD, stamp, held_reason=reason)


def agent_lost_run(conn: sa.Connection, run: Run, stamp: Stamp) -> None:
    """The agent that held a run no longer knows it: its journal is gone, so nobody knows how far it came."""
    runs.drop_commands(conn, run.id)
    if not run.started:
        runs.change(conn, run, started=True, started_s=stamp.at_s)
        run = runs.get(conn, run.id)
    _uncleared(conn, run.machine_id, stamp)
    conclude(conn, run_to(conn, run, RunState.INTERRUPTED, stamp, "the agent no longer knows this run"), stamp)
