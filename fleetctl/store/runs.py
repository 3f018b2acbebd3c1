"""Runs, and the start commands that wait until an agent has acknowledged them."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from fleetctl.errors import NotFound, PlaceTaken
from fleetctl.model.run import ACTIVE, Run, RunState
from fleetctl.store import versioned
from fleetctl.store.tables import commands, jobs, machines, runs

_by_id = sa.select(runs).where(runs.c.id == sa.bindparam("key"))
_by_ids = sa.select(runs).where(runs.c.id.in_(sa.bindparam("keys", expanding=True)))
_by_code = sa.select(runs).where(runs.c.code == sa.bindparam("key"))
_belongings = (
    sa.select(runs.c.code, machines.c.name, jobs.c.code)
    .join(machines, machines.c.id == runs.c.machine_id)
    .join(jobs, jobs.c.id == runs.c.job_id)
    .where(runs.c.code.in_(sa.bindparam("keys", expanding=True)))
)
_AGE = runs.c.created_s + 0.0
"""To order active runs by, which their own small index finds: by the bare column SQLite would rather walk through all
runs there ever were in the order of `ix_runs_created_s_id`."""
_active = sa.select(runs).where(runs.c.active.is_(sa.true())).order_by(_AGE, runs.c.id)
_unsettled = (
    sa.select(runs)
    .where(runs.c.state == RunState.INTERRUPTED.value, runs.c.settled.is_(sa.false()))
    .order_by(runs.c.created_s, runs.c.id)
)
_last_started = (
    sa.select(runs)
    .where(runs.c.machine_id == sa.bindparam("key"), runs.c.started.is_(sa.true()))
    .order_by(runs.c.created_s.desc(), runs.c.id.desc())
    .limit(1)
)
_failed_often = (
    # Few or none, and found by their index: only these pairs are worth looking at their newest runs.
    sa.select(runs.c.machine_id, runs.c.program_sha256)
    .where(
        runs.c.state == RunState.FAILED.value,
        runs.c.settled.is_(sa.false()),
        runs.c.program_sha256.in_(sa.bindparam("keys", expanding=True)),
    )
    .group_by(runs.c.machine_id, runs.c.program_sha256)
    .having(sa.func.count() >= sa.bindparam("count", type_=sa.Integer))
    .subquery()
)
_newest_endings = (
    sa.select(
        runs.c.machine_id,
        runs.c.program_sha256,
        sa.case((sa.and_(runs.c.state == RunState.FAILED.value, runs.c.settled.is_(sa.false())), 1), else_=0).label(
            "failed"
        ),
        sa.func.row_number()
        .over(
            partition_by=(runs.c.machine_id, runs.c.program_sha256),
            order_by=(runs.c.created_s.desc(), runs.c.id.desc()),
        )
        .label("place"),
    )
    .join(
        _failed_often,
        sa.and_(
            _failed_often.c.machine_id == runs.c.machine_id,
            _failed_often.c.program_sha256 == runs.c.program_sha256,
        ),
    )
    .where(runs.c.active.is_(sa.false()), runs.c.state != RunState.REFUSED.value)
    .subquery()
)
_failing = (
    sa.select(_newest_endings.c.machine_id, _newest_endings.c.program_sha256)
    .where(_newest_endings.c.place <= sa.bindparam("count", type_=sa.Integer))
    .group_by(_newest_endings.c.machine_id, _newest_endings.c.program_sha256)
    .having(sa.func.sum(_newest_endings.c.failed) == sa.bindparam("count", type_=sa.Integer))
)


_COLUMNS = tuple(runs.c.keys())

KNOWN_ROWS = 4096
"""Rows whose run is kept at hand."""


def _run(row: sa.Row[Any]) -> Run:
    return _of_row(*row)


@functools.lru_cache(KNOWN_ROWS)
def _of_row(*columns: Any) -> Run:
    """The run of a row: a value, so that equal rows may share one."""
    values = dict(zip(_COLUMNS, columns, strict=True))
    del values["active"]
    values["state"] = RunState(values["state"])
    values["started"] = bool(values["started"])
    values["settled"] = bool(values["settled"])
    return Run(**values)


def add(conn: sa.Connection, run: Run) -> None:
    """Put a run on record. Raises PlaceTaken when the database already holds an active run of its machine (I1)."""
    values = msgspec.structs.asdict(run) | {"state": run.state.value, "active": run.active}
    try:
        with conn.begin_nested():
            conn.execute(runs.insert(), values)
    except IntegrityError as error:
        raise PlaceTaken("Another run holds this machine.") from error


def get(conn: sa.Connection, run_id: str) -> Run:
    """The run with this id. Raises NotFound."""
    return _found(conn.execute(_by_id, {"key": run_id}).one_or_none(), run_id)


def several(conn: sa.Connection, run_ids: Iterable[str]) -> dict[str, Run]:
    """Runs by id; an id that is not on record is left out."""
    found = conn.execute(_by_ids, {"keys": list(run_ids)})
    return {run.id: run for run in map(_run, found)}


def coded(conn: sa.Connection, code: str) -> Run:
    """The run with this human code. Raises NotFound."""
    return _found(conn.execute(_by_code, {"key": code.upper()}).one_or_none(), code)


def _found(row: sa.Row[Any] | None, key: str) -> Run:
    if row is None:
        raise NotFound(f"There is no run {key} here.")
    return _run(row)


def active(conn: sa.Connection) -> list[Run]:
    """Every run that holds a machine, oldest first."""
    return [_run(row) for row in conn.execute(_active)]


def unsettled(conn: sa.Connection) -> list[Run]:
    """Interrupted runs whose parts wait for a person, oldest first (I3)."""
    return [_run(row) for row in conn.execute(_unsettled)]


def find(
    conn: sa.Connection,
    *,
    job_id: str | None = None,
    machine_id: str | None = None,
    active_only: bool = False,
    limit: int = 100,
) -> list[Run]:
    """The newest runs that fit, newest first."""
    query = _find(of_job=job_id is not None, of_machine=machine_id is not None, active_only=active_only)
    return [_run(row) for row in conn.execute(query, {"job": job_id, "machine": machine_id, "size": limit})]


@functools.cache
def _find(*, of_job: bool, of_machine: bool, active_only: bool) -> sa.Select[Any]:
    age = _AGE if active_only or of_job else runs.c.created_s
    query = sa.select(runs).order_by(age.desc(), runs.c.id.desc())
    if of_job:
        query = query.where(runs.c.job_id == sa.bindparam("job"))
    if of_machine:
        query = query.where(runs.c.machine_id == sa.bindparam("machine"))
    if active_only:
        query = query.where(runs.c.active.is_(sa.true()))
    return query.limit(sa.bindparam("size", type_=sa.Integer))


def resuming(conn: sa.Connection, run: Run) -> list[Run]:
    """The runs that took `run` up again, newest first. They are on its machine, whose index finds them."""
    query = (
        sa.select(runs)
        .where(runs.c.machine_id == run.machine_id, runs.c.resumes_run_id == run.id)
        .order_by(runs.c.created_s.desc(), runs.c.id.desc())
    )
    return [_run(row) for row in conn.execute(query)]


def last_resuming(conn: sa.Connection, machine_id: str) -> Run | None:
    """The newest run on a machine that took another one up again and began."""
    query = (
        sa.select(runs)
        .where(runs.c.machine_id == machine_id, runs.c.resumes_run_id.is_not(None), runs.c.started.is_(sa.true()))
        .order_by(runs.c.created_s.desc(), runs.c.id.desc())
        .limit(1)
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else _run(row)


def belongings(conn: sa.Connection, codes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """By the code of a run: the name of its machine and the code of its job."""
    rows = conn.execute(_belongings, {"keys": list(codes)})
    return {code: tuple(others) for code, *others in rows}


def change(conn: sa.Connection, run: Run, **values: object) -> None:
    """Change columns of a run; its version counts up and `active` follows `state`."""
    if isinstance(state := values.get("state"), RunState):
        values |= {"state": state.value, "active": state in ACTIVE}
    versioned.change(conn, runs, run.id, values)


def failing(conn: sa.Connection, program_sha256s: Iterable[str], count: int) -> frozenset[tuple[str, str]]:
    """(machine id, program hash) where the newest `count` ended runs all failed and nobody has looked since."""
    found = conn.execute(_failing, {"keys": list(program_sha256s), "count": count})
    return frozenset((row.machine_id, row.program_sha256) for row in found)


def settle_failed(conn: sa.Connection, machine_id: str) -> list[Run]:
    """A person has looked at a machine: what failed on it counts no more. The runs that are settled by it."""
    failed = (runs.c.machine_id == machine_id, runs.c.state == RunState.FAILED.value, runs.c.settled.is_(sa.false()))
    found = [_run(row) for row in conn.execute(sa.select(runs).where(*failed).order_by(runs.c.code))]
    for run in found:
        change(conn, run, settled=True)
    return found


def last_started(conn: sa.Connection, machine_id: str) -> Run | None:
    """The newest run that put bytes into a machine."""
    row = conn.execute(_last_started, {"key": machine_id}).one_or_none()
    return None if row is None else _run(row)


class CommandKind(StrEnum):
    """Commands that are kept until the agent has them."""

    START = "start"
    WITHDRAW = "withdraw"


_pending = (
    sa.select(commands)
    .where(commands.c.agent == sa.bindparam("of_agent"))
    .order_by(commands.c.created_s, commands.c.id)
)
_drop = commands.delete().where(commands.c.run_id == sa.bindparam("key"))
_drop_kind = _drop.where(commands.c.kind == sa.bindparam("of_kind"))


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One kept command: an encoded message of `model.messages`."""

    id: str
    agent: str
    run_id: str
    kind: CommandKind
    message: bytes
    created_s: float


def add_command(conn: sa.Connection, command: Command) -> None:
    """Keep a command for an agent until the agent's report shows that it has it."""
    conn.execute(commands.insert(), msgspec.structs.asdict(command) | {"kind": command.kind.value})


def pending_commands(conn: sa.Connection, agent: str) -> list[Command]:
    """Commands that the agent may not have yet, oldest first."""
    rows = conn.execute(_pending, {"of_agent": agent}).mappings()
    return [Command(**{**row, "kind": CommandKind(row["kind"])}) for row in rows]


def drop_commands(conn: sa.Connection, run_id: str, *, kind: CommandKind | None = None) -> None:
    """Forget the commands about a run, or those of one kind: the agent has shown that it has them."""
    if kind is None:
        conn.execute(_drop, {"key": run_id})
    else:
        conn.execute(_drop_kind, {"key": run_id, "of_kind": kind.value})
