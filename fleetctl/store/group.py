"""Group commit: runs units of work on one connection and says what became of each.

Responsible for transactions, savepoints and the second attempt one by one. Knows no thread and no event loop:
the writer thread and the deterministic simulation both run exactly this.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.store.database import Database
from fleetctl.store.outbox import Event, published

log = logging.getLogger(__name__)

T = TypeVar("T")

Unit: TypeAlias = Callable[[sa.Connection], T]
"""A plain function over a connection, with no effect but SQL. It may be run twice (the first run rolled back)
and
must neither commit nor roll back; raising undoes it."""

Commit: TypeAlias = Callable[[Database, sa.Connection], None]
"""Ends a group's transaction. Raises when it did not commit; `CommitInDoubt` when that is not known."""

SLOW_UNIT_S = 0.020
"""A unit that takes longer delays every other caller and is logged by name (DESIGN section 7, Store)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one unit: its value, committed, or the error for its caller."""

    value: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Result:
    """What became of a group: one outcome per unit and the events that are now committed, both in order."""

    outcomes: list[Outcome] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    unavailable: StoreUnavailable | None = None
    """Why the transaction could not begin or its fate is not known; every unit has failed of it."""


class CommitInDoubt(Exception):
    """COMMIT raised and nobody can say whether it happened; the units must not be run again."""


class _GroupLost(Exception):
    """The whole transaction is gone and kept nothing; `__cause__` says why."""


def commit_group(database: Database, conn: sa.Connection) -> None:
    """COMMIT. Returns when the transaction is on disk, also when only the server's answer was lost.

    Raises the database's error when it did not commit, and `CommitInDoubt` when the server cannot be asked.
    """
    ticket = database.commit_ticket(conn)
    try:
        conn.commit()
    except sa.exc.DBAPIError as error:
        if ticket is None:
            raise
        try:
            committed = database.has_committed(ticket)
        except sa.exc.DBAPIError:
            raise CommitInDoubt from error
        if not committed:
            raise


def run_group(database: Database, units: Sequence[Unit[Any]], commit: Commit = commit_group) -> Result:
    """Run `units` in order in one transaction, a savepoint each, and commit them together.

    A unit that raises loses only its own work. When the transaction as a whole is lost (COMMIT fails, a
    savepoint breaks), nothing of it was kept and the units run again one by one, each in its own transaction.
    An outage of the database reaches the callers concerned as `StoreUnavailable`.
    """
    try:
        return _run_together(database, units, commit)
    except _GroupLost as lost:
        if len(units) == 1:
            return Result([Outcome(error=_for_caller(database, lost.__cause__))])
    result = Result()
    for number, unit in enumerate(units):
        alone = run_group(database, [unit], commit)
        result.events += alone.events
        if alone.unavailable is not None:  # each further attempt would only wait for the same timeout again
            result.outcomes += _all_failed(units[number:], alone.unavailable).outcomes
            break
        result.outcomes += alone.outcomes
    return result


def _run_together(database: Database, units: Sequence[Unit[Any]], commit: Commit) -> Result:
    """One transaction; raises `_GroupLost` when it is gone and had kept nothing."""
    with ExitStack() as stack:
        try:
            conn = stack.enter_context(database.write_engine.connect())
            conn.begin()
        except (sa.exc.SQLAlchemyError, StoreUnavailable) as error:
            return _all_failed(units, database.unavailable(error, "cannot be written"))
        outbox = published(conn)
        try:
            outcomes = [_run_unit(database, conn, unit) for unit in units]
            commit(database, conn)
        except CommitInDoubt as error:
            conn.invalidate()
            what = "was lost during COMMIT, so that nobody knows whether it stored the change"
            return _all_failed(units, database.unavailable(error.__cause__ or error, what))
        except _GroupLost:
            conn.invalidate()
            raise
        except (sa.exc.SQLAlchemyError, StoreUnavailable) as error:
            # SQLAlchemy takes a failed COMMIT for the end of the transaction and sends no ROLLBACK; SQLite
            # leaves it open. Closing the connection ends it on both.
            conn.invalidate()
            raise _GroupLost from error
    return Result(outcomes, outbox.events)


def _all_failed(units: Sequence[Unit[Any]], error: StoreUnavailable) -> Result:
    """One error for each caller, because raising one object in many tasks would tangle their tracebacks."""
    outcomes = [Outcome(error=StoreUnavailable(error.message, hint=error.hint)) for _ in units]
    return Result(outcomes, unavailable=error)


def _run_unit(database: Database, conn: sa.Connection, unit: Unit[Any]) -> Outcome:
    """One unit in its savepoint. Raises `_GroupLost` when the transaction around it did not survive."""
    outbox = published(conn)
    transaction, savepoint = conn.get_transaction(), conn.begin_nested()
    started = time.perf_counter()
    outbox.guarded = True
    try:
        outcome = Outcome(unit(conn))
    except Exception as error:  # noqa: BLE001 - whatever a unit raises belongs to its caller, not to the writer
        outcome = Outcome(error=error)
    finally:
        outbox.guarded = False
    _log_if_slow(unit, time.perf_counter() - started)
    if conn.get_transaction() is not transaction or conn.get_nested_transaction() is not savepoint:
        raise _GroupLost from (outcome.error or RuntimeError(f"{name_of(unit)} left its savepoint"))
    try:
        if outcome.error is None:
            savepoint.commit()
            return outcome
        savepoint.rollback()
    except sa.exc.SQLAlchemyError as error:
        raise _GroupLost from (outcome.error or error)
    return Outcome(error=_for_caller(database, outcome.error))


def _for_caller(database: Database, error: BaseException | None) -> Exception:
    """The error as its caller shall see it: an outage by its name, anything else as it was raised."""
    if isinstance(error, StoreUnavailable):
        return error
    if error is not None and database.is_outage(error):
        unavailable = database.unavailable(error, "did not store a change")
        unavailable.__cause__ = error
        return unavailable
    return error if isinstance(error, Exception) else StoreUnavailable()


def _log_if_slow(unit: Unit[Any], duration_s: float) -> None:
    if duration_s > SLOW_UNIT_S:
        log.warning(
            "unit of work %s took %.0f ms and held up the writer",
            name_of(unit),
            duration_s * 1000,
            extra={"unit": name_of(unit), "duration_s": duration_s},
        )


def name_of(function: Callable[..., Any]) -> str:
    """Where a unit or read comes from, for logs: module and qualified name."""
    while isinstance(function, functools.partial):
        function = function.func
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
