"""What people do with jobs: hold, release, cancel."""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.errors import Conflict
from fleetctl.fleet import texts
from fleetctl.fleet.changes import Stamp, check_seen, job_to
from fleetctl.fleet.commands import withdraw
from fleetctl.fleet.record import Record
from fleetctl.model.job import JobState
from fleetctl.store import jobs, runs


class Jobs:
    """The verbs of a job. Runs that have begun go on; what has not begun does not begin."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def hold(self, code: str, reason: str, actor: str, seen: int | None = None) -> None:
        """Start nothing more of a job until it is released. Raises UsageError, NotFound, Conflict."""
        texts.text(reason, "reason", texts.REASON_MOST)

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            job = jobs.coded(conn, code)
            check_seen(job.code, job.version, seen)
            job_to(conn, job, JobState.HELD, stamp, held_reason=reason or f"held by {actor}")

        await self._record.change(actor, unit)

    async def release(self, code: str, actor: str, seen: int | None = None) -> None:
        """Let a held job start again, and forget its failures. Raises NotFound, Conflict."""

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            job = jobs.coded(conn, code)
            check_seen(job.code, job.version, seen)
            if job.state is not JobState.HELD:
                # A job that is done may become active, but only because a part of it is not good any more.
                raise Conflict(f"{job.code} is {job.state.value}, not held.")
            begun = bool(runs.find(conn, job_id=job.id, limit=1))
            following = JobState.ACTIVE if begun else JobState.QUEUED
            job_to(conn, job, following, stamp, held_reason="", failed_in_a_row=0)

        await self._record.change(actor, unit)

    async def cancel(self, code: str, actor: str, seen: int | None = None) -> None:
        """End a job. Runs that have not begun are withdrawn; runs that have begun go on, their parts are kept."""

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            job = jobs.coded(conn, code)
            check_seen(job.code, job.version, seen)
            job_to(conn, job, JobState.CANCELLED, stamp)
            for run in runs.find(conn, job_id=job.id, active_only=True):
                if not run.started:
                    withdraw(conn, run, stamp)

        await self._record.change(actor, unit)
