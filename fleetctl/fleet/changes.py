"""The one place where something changes state: a legal transition, its row in the event log, and what follows
from it for places and jobs, all in the caller's transaction.

Functions here are parts of units of work: no effect but SQL, and they may run twice.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict
from fleetctl.model import job as job_model
from fleetctl.model import part as part_model
from fleetctl.model import run as run_model
from fleetctl.model.identity import NewId
from fleetctl.model.job import Job, JobState
from fleetctl.model.machine import Machine, MachineFacts
from fleetctl.model.part import Part, PartState
from fleetctl.model.run import ENDED, Run, RunState
from fleetctl.model.transitions import step
from fleetctl.store import events, jobs, machines, parts, runs


class Stamp(msgspec.Struct, frozen=True):
    """Who changes something and when (Unix seconds), and where fresh ids come from."""

    at_s: float
    actor: str
    new_id: NewId


def log_event(conn: sa.Connection, stamp: Stamp, kind: str, subject: str, **data: Any) -> None:
    """Append an event to the log under this stamp."""
    events.append(conn, kind, subject, at_s=stamp.at_s, actor=stamp.actor, **data)


def check_seen(what: str, version: int, seen: int | None) -> None:
    """Raise Conflict when a person acted on an older state than the present one."""
    if seen is not None and seen != version:
        raise Conflict(f"{what} changed meanwhile; look again before acting.")


def run_to(conn: sa.Connection, run: Run, state: RunState, stamp: Stamp, reason: str = "", **columns: Any) -> Run:
    """Move a run. Raises IllegalTransition."""
    step(run_model.TRANSITIONS, run.state, state, f"run {run.code}")
    values: dict[str, Any] = {"state": state, "reason": reason, **columns}
    if state in ENDED:
        values["ended_s"] = stamp.at_s
    runs.change(conn, run, **values)
    lines = {key: columns[key] for key in ("acknowledged_line", "planner_depth") if key in columns}
    log_event(conn, stamp, f"run.{state.value}", run.code, reason=reason, **lines)
    return runs.get(conn, run.id)


def part_to(conn: sa.Connection, part: Part, state: PartState, stamp: Stamp, reason: str = "") -> None:
    """Move a part. A part that stops being live frees its place in this transaction (I3)."""
    step(part_model.TRANSITIONS, part.state, state, f"part {part.code}")
    parts.change(conn, part, state=state)
    log_event(conn, stamp, f"part.{state.value}", part.code, reason=reason)


def job_to(conn: sa.Connection, job: Job, state: JobState, stamp: Stamp, **columns: Any) -> None:
    """Move a job. Raises IllegalTransition."""
    step(job_model.TRANSITIONS, job.state, state, f"job {job.code}")
    jobs.change(conn, job, state=state.value, **columns)
    kind = {JobState.HELD: "job.held", JobState.DONE: "job.done", JobState.CANCELLED: "job.cancelled"}.get(state)
    if kind is None:
        kind = {JobState.HELD: "job.released", JobState.DONE: "job.reopened"}.get(job.state, f"job.{state.value}")
    reason = columns.get("held_reason", "")
    log_event(conn, stamp, kind, job.code, reason=reason)


def facts_to(conn: sa.Connection, machine: Machine, facts: MachineFacts, stamp: Stamp, **data: Any) -> None:
    """Record new facts of a machine; nothing happens when they are the old ones."""
    if facts == machine.facts:
        return
    machines.set_facts(conn, machine, facts, stamp.at_s)
    old, new = msgspec.to_builtins(machine.facts), msgspec.to_builtins(facts)
    changed = {key: value for key, value in new.items() if value != old[key]}
    log_event(conn, stamp, "machine.changed", machine.name, **changed, **data)


def settle_places(conn: sa.Connection, job_id: str, stamp: Stamp) -> None:
    """Give free places to good surplus, oldest first, then see whether the job is done (I3)."""
    job = jobs.get(conn, job_id)
    if job.state is JobState.CANCELLED:
        return
    surplus = [p for p in parts.of_job(conn, job_id) if p.place is None and p.state is PartState.GOOD]
    free = parts.free_places(conn, job_id, job.quantity) if surplus else []
    for part, place in zip(surplus, free, strict=False):
        parts.change(conn, part, place=place)
        log_event(conn, stamp, "part.placed", part.code, place=place, job=job.code)
    all_good = jobs.tally(conn, job_id).good == job.quantity
    if all_good and job.state is not JobState.DONE:
        if job.state is not JobState.ACTIVE:
            job_to(conn, job, JobState.ACTIVE, stamp)
            job = jobs.get(conn, job_id)
        job_to(conn, job, JobState.DONE, stamp, done_s=stamp.at_s)
    elif not all_good and job.state is JobState.DONE:
        job_to(conn, job, JobState.ACTIVE, stamp, done_s=None)
