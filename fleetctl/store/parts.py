"""Parts, the results checks gave them, and the dispositions people or rules decided."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from fleetctl.errors import NotFound, PlaceTaken
from fleetctl.model.machine import Clearance
from fleetctl.model.part import LIVE, Part, PartState, Result
from fleetctl.store import versioned
from fleetctl.store.jobs import OPEN
from fleetctl.store.tables import dispositions, jobs, machines, parts, results, runs

_by_code = sa.select(parts).where(parts.c.code == sa.bindparam("key"))
_of_run = sa.select(parts).where(parts.c.run_id == sa.bindparam("key")).order_by(parts.c.ordinal)
_taken = sa.select(parts.c.job_id, parts.c.place).where(
    parts.c.job_id.in_(sa.bindparam("keys", expanding=True)), parts.c.live.is_(sa.true()), parts.c.place.is_not(None)
)
_taken_of_open = (
    sa.select(parts.c.job_id, parts.c.place)
    .join(jobs, jobs.c.id == parts.c.job_id)
    .where(jobs.c.state.in_(OPEN), parts.c.live.is_(sa.true()), parts.c.place.is_not(None))
)
_belongings = (
    sa.select(parts.c.code, machines.c.name, jobs.c.code, runs.c.code)
    .join(runs, runs.c.id == parts.c.run_id)
    .join(machines, machines.c.id == runs.c.machine_id)
    .join(jobs, jobs.c.id == parts.c.job_id)
    .where(parts.c.code.in_(sa.bindparam("keys", expanding=True)))
)
_codes = (
    sa.select(parts.c.run_id, parts.c.code)
    .where(parts.c.run_id.in_(sa.bindparam("keys", expanding=True)))
    .order_by(parts.c.run_id, parts.c.ordinal)
)
_results = (
    sa.select(results)
    .where(results.c.part_id.in_(sa.bindparam("keys", expanding=True)))
    .order_by(results.c.at_s, results.c.id)
)
_last_started_there = (
    # Looked up for one machine after the other by an index: runs of years are passed over.
    sa.select(runs.c.id)
    .where(runs.c.machine_id == machines.c.id, runs.c.started.is_(sa.true()))
    .order_by(runs.c.created_s.desc(), runs.c.id.desc())
    .limit(1)
    .correlate(machines)
    .scalar_subquery()
)
_to_clear = (
    sa.select(machines.c.id.label("lies_on"), parts)
    .select_from(machines)
    .join(parts, parts.c.run_id == _last_started_there)
    .where(machines.c.clearance == Clearance.UNCLEARED.value, parts.c.state != PartState.UNMADE.value)
    .order_by(machines.c.id, parts.c.ordinal)
)
_unassessed = (
    sa.select(parts)
    .join(runs, runs.c.id == parts.c.run_id)
    .where(
        parts.c.state == PartState.MADE.value,
        runs.c.ended_s < sa.bindparam("before_s", type_=sa.Double),
        ~sa.exists().where(results.c.part_id == parts.c.id),
    )
    .order_by(parts.c.code)
)


class GivenResult(msgspec.Struct, frozen=True, kw_only=True):
    """One result on record; see hookspecs.CheckResult for the meaning of the values."""

    id: str
    part_id: str
    check_name: str
    result: Result
    reason: str = ""
    characteristic: str = ""
    value: float | None = None
    least: float | None = None
    greatest: float | None = None
    unit: str = ""
    given_by: str
    at_s: float


_COLUMNS = tuple(parts.c.keys())

KNOWN_ROWS = 16_384
"""Rows whose part is kept at hand."""


def _part(row: sa.Row[Any]) -> Part:
    return _of_row(*row)


@functools.lru_cache(KNOWN_ROWS)
def _of_row(*columns: Any) -> Part:
    """The part of a row: a value, so that equal rows may share one."""
    values = dict(zip(_COLUMNS, columns, strict=True))
    del values["live"]
    values["state"] = PartState(values["state"])
    return Part(**values)


def add(conn: sa.Connection, new: Iterable[Part]) -> None:
    """Put parts on record. Raises PlaceTaken when a place already holds a live part (I1)."""
    rows = [msgspec.structs.asdict(part) | {"state": part.state.value, "live": part.live} for part in new]
    try:
        with conn.begin_nested():
            conn.execute(parts.insert(), rows)
    except IntegrityError as error:
        raise PlaceTaken("Another part holds one of these places.") from error


def coded(conn: sa.Connection, code: str) -> Part:
    """The part with this human code. Raises NotFound."""
    row = conn.execute(_by_code, {"key": code.upper()}).one_or_none()
    if row is None:
        raise NotFound(f"There is no part {code} here.")
    return _part(row)


def of_run(conn: sa.Connection, run_id: str) -> list[Part]:
    """The parts of one run in the order of its plate."""
    return [_part(row) for row in conn.execute(_of_run, {"key": run_id})]


def codes_of_runs(conn: sa.Connection, run_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The codes of the parts of each run, in the order of its plate; a run without parts is left out."""
    found: dict[str, list[str]] = {}
    for run_id, code in conn.execute(_codes, {"keys": list(run_ids)}):
        found.setdefault(run_id, []).append(code)
    return {run_id: tuple(codes) for run_id, codes in found.items()}


def to_clear(conn: sa.Connection) -> dict[str, list[Part]]:
    """The parts that lie on each uncleared machine: those of its last run that are still wanted or in doubt."""
    found: dict[str, list[Part]] = {}
    for lies_on, *part in conn.execute(_to_clear):
        found.setdefault(lies_on, []).append(_of_row(*part))
    return found


def of_job(conn: sa.Connection, job_id: str, limit: int = 10_000) -> list[Part]:
    """The parts of one job, oldest first."""
    query = sa.select(parts).where(parts.c.job_id == job_id).order_by(parts.c.code).limit(limit)
    return [_part(row) for row in conn.execute(query)]


def in_states(conn: sa.Connection, states: Iterable[PartState]) -> list[Part]:
    """All parts in any of these states, oldest first."""
    query = sa.select(parts).where(parts.c.state.in_([state.value for state in states])).order_by(parts.c.code)
    return [_part(row) for row in conn.execute(query)]


def unassessed(conn: sa.Connection, before_s: float) -> list[Part]:
    """Parts whose run ended before `before_s` (Unix time) and of which nobody has said anything yet, oldest first."""
    return [_part(row) for row in conn.execute(_unassessed, {"before_s": before_s})]


def newest(conn: sa.Connection, limit: int, after: str | None) -> list[Part]:
    """Parts by code, beginning behind the code `after`."""
    query = sa.select(parts).order_by(parts.c.code).limit(limit)
    if after is not None:
        query = query.where(parts.c.code > after)
    return [_part(row) for row in conn.execute(query)]


def free_places(conn: sa.Connection, job_id: str, quantity: int) -> list[int]:
    """Places 1..quantity that no live part holds, in order."""
    taken = taken_places(conn, [job_id])[job_id]
    return [place for place in range(1, quantity + 1) if place not in taken]


def taken_places(conn: sa.Connection, job_ids: Iterable[str]) -> dict[str, set[int]]:
    """The places of each job that a live part holds."""
    taken: dict[str, set[int]] = {job_id: set() for job_id in job_ids}
    for row in conn.execute(_taken, {"keys": list(taken)}):
        taken[row.job_id].add(row.place)
    return taken


def taken_places_of_open(conn: sa.Connection) -> dict[str, set[int]]:
    """The same of every job that is not over; one with nothing in its places is left out."""
    taken: dict[str, set[int]] = {}
    for job_id, place in conn.execute(_taken_of_open):
        taken.setdefault(job_id, set()).add(place)
    return taken


def belongings(conn: sa.Connection, codes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By the code of a part: the name of the machine that made it, and the codes of its job and run."""
    rows = conn.execute(_belongings, {"keys": list(codes)})
    return {code: tuple(others) for code, *others in rows}


def change(conn: sa.Connection, part: Part, **values: object) -> None:
    """Change columns of a part; `live` follows `state`. Raises PlaceTaken when the new place is held (I1)."""
    if isinstance(state := values.get("state"), PartState):
        values |= {"state": state.value, "live": state in LIVE}
    try:
        with conn.begin_nested():
            versioned.change(conn, parts, part.id, values)
    except IntegrityError as error:
        raise PlaceTaken(f"Another part holds the place meant for {part.code}.") from error


def add_result(conn: sa.Connection, result: GivenResult) -> None:
    """Put a result on record."""
    conn.execute(results.insert(), msgspec.structs.asdict(result) | {"result": result.result.value})


def results_of(conn: sa.Connection, part_ids: Iterable[str]) -> dict[str, list[GivenResult]]:
    """The results of parts, by part id, oldest first."""
    found: dict[str, list[GivenResult]] = {part_id: [] for part_id in part_ids}
    for row in conn.execute(_results, {"keys": list(found)}).mappings():
        found[row["part_id"]].append(GivenResult(**{**row, "result": Result(row["result"])}))
    return found


def add_disposition(conn: sa.Connection, **values: object) -> None:
    """Put a disposition on record: id, part_id, disposition, reason, given_by, at_s."""
    conn.execute(dispositions.insert(), values)
