"""Orders and jobs, and the tally of each job's parts."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from fleetctl.errors import NotFound
from fleetctl.model.job import Job, JobState, RemakeInterrupted, Tally
from fleetctl.model.part import COUNTED_GOOD, LIVE, PartState
from fleetctl.store import versioned
from fleetctl.store.tables import jobs, orders, parts

_by_id = sa.select(jobs).where(jobs.c.id == sa.bindparam("key"))
_by_ids = sa.select(jobs).where(jobs.c.id.in_(sa.bindparam("keys", expanding=True)))
_order_codes = sa.select(orders.c.id, orders.c.code).where(orders.c.id.in_(sa.bindparam("keys", expanding=True)))
_by_code = sa.select(jobs).where(jobs.c.code == sa.bindparam("key"))
OPEN = (JobState.QUEUED.value, JobState.ACTIVE.value, JobState.HELD.value)
"""States of jobs that are not over."""

_open = (
    sa.select(jobs)
    .where(jobs.c.state.in_(OPEN))
    .order_by(jobs.c.priority.desc(), jobs.c.due_s.is_(None), jobs.c.due_s, jobs.c.created_s, jobs.c.id)
)
_any_open = sa.select(sa.literal(1)).select_from(jobs).where(jobs.c.state.in_(OPEN)).limit(1)
_newest = sa.select(jobs).order_by(jobs.c.created_s.desc(), jobs.c.id.desc())
_per_state = sa.select(
    parts.c.job_id, parts.c.state, parts.c.place.is_not(None).label("placed"), sa.func.count().label("n")
).group_by(parts.c.job_id, parts.c.state, sa.literal_column("placed"))
_per_state_of = _per_state.where(parts.c.job_id.in_(sa.bindparam("keys", expanding=True)))
_per_state_of_open = _per_state.join(jobs, jobs.c.id == parts.c.job_id).where(jobs.c.state.in_(OPEN))


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer or member asked for."""

    id: str
    code: str
    title: str
    placed_by: str
    created_s: float


_COLUMNS = tuple(jobs.c.keys())

NOTHING_MADE = Tally()

KNOWN_ROWS = 4096
"""Rows whose job is kept at hand."""


def _job(row: sa.Row[Any]) -> Job:
    return _of_row(*row)


@functools.lru_cache(KNOWN_ROWS)
def _of_row(*columns: Any) -> Job:
    """The job of a row: a value, so that equal rows may share one."""
    values = dict(zip(_COLUMNS, columns, strict=True))
    values["group"] = values.pop("group_name")
    values["state"] = JobState(values["state"])
    values["remake_interrupted"] = RemakeInterrupted(values["remake_interrupted"])
    return Job(**values)


def add_order(conn: sa.Connection, order: Order) -> None:
    """Put an order on record."""
    conn.execute(orders.insert(), msgspec.structs.asdict(order))


def order_codes(conn: sa.Connection, order_ids: Iterable[str]) -> dict[str, str]:
    """The human code of each order, by its id."""
    return {row.id: row.code for row in conn.execute(_order_codes, {"keys": list(order_ids)})}


def several(conn: sa.Connection, job_ids: Iterable[str]) -> dict[str, Job]:
    """Jobs by id; an id that is not on record is left out."""
    return {job.id: job for job in map(_job, conn.execute(_by_ids, {"keys": list(job_ids)}))}


def add(conn: sa.Connection, job: Job) -> None:
    """Put a job on record."""
    values = msgspec.structs.asdict(job)
    values["group_name"] = values.pop("group")
    values["state"] = job.state.value
    values["remake_interrupted"] = job.remake_interrupted.value
    conn.execute(jobs.insert(), values)


def get(conn: sa.Connection, job_id: str) -> Job:
    """The job with this id. Raises NotFound."""
    return _found(conn.execute(_by_id, {"key": job_id}).one_or_none(), job_id)


def coded(conn: sa.Connection, code: str) -> Job:
    """The job with this human code. Raises NotFound."""
    return _found(conn.execute(_by_code, {"key": code.upper()}).one_or_none(), code)


def _found(row: sa.Row[Any] | None, key: str) -> Job:
    if row is None:
        raise NotFound(f"There is no job {key} here.")
    return _job(row)


def unfinished(conn: sa.Connection) -> list[Job]:
    """Jobs that are held, queued or active, in the order in which they are served."""
    return [_job(row) for row in conn.execute(_open)]


def any_unfinished(conn: sa.Connection) -> bool:
    """Whether there is such a job."""
    return conn.execute(_any_open).first() is not None


def newest(conn: sa.Connection, limit: int) -> list[Job]:
    """The newest jobs in any state."""
    return [_job(row) for row in conn.execute(_newest.limit(limit))]


def change(conn: sa.Connection, job: Job, **values: object) -> None:
    """Change columns of a job; its version counts up."""
    versioned.change(conn, jobs, job.id, values)


def tallies(conn: sa.Connection, job_ids: Iterable[str]) -> dict[str, Tally]:
    """What each job's parts mean for it."""
    keys = list(job_ids)
    counted = _counted(conn.execute(_per_state_of, {"keys": keys}))
    return {key: counted.get(key, NOTHING_MADE) for key in keys}


def open_tallies(conn: sa.Connection) -> dict[str, Tally]:
    """The same of every job that is not over; one that nothing was made of is left out."""
    return _counted(conn.execute(_per_state_of_open))


def _counted(rows: Iterable[sa.Row[Any]]) -> dict[str, Tally]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.state != PartState.UNMADE:  # Nothing was ever begun: neither a part nor scrap.
            columns = counts.setdefault(row.job_id, dict.fromkeys(Tally.__struct_fields__, 0))
            columns[_column(PartState(row.state), bool(row.placed))] += row.n
    return {key: Tally(**columns) for key, columns in counts.items()}


def _column(state: PartState, placed: bool) -> str:
    if state not in LIVE:
        return "scrap"
    if not placed:
        return "surplus"
    if state in COUNTED_GOOD:
        return "good"
    return "hold" if state in (PartState.HOLD, PartState.REWORK) else "running"


def tally(conn: sa.Connection, job_id: str) -> Tally:
    """What one job's parts mean for it."""
    return tallies(conn, [job_id])[job_id]
