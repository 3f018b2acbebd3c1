"""The writer: the one way to change the store while the daemon runs.

Responsible for strict order, group commit and for publishing events after COMMIT. `Writer` runs units in one
thread; `InlineWriter` runs them on the event loop, with seeded delays, failing COMMITs and crash points, for
the simulation. Must not know what the units do.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.store.database import Database
from fleetctl.store.group import Outcome, Result, Unit, commit_group, name_of, run_group
from fleetctl.store.outbox import Event, published

__all__ = ["InlineWriter", "OnCommit", "SimulatedCrash", "StoreWriter", "Unit", "Writer", "published"]

log = logging.getLogger(__name__)

T = TypeVar("T")

OnCommit: TypeAlias = Callable[[list[Event]], None]
"""Called on the event loop with the events of each COMMIT, in commit order, before any caller resumes."""

GROUP_LIMIT = 500
"""Most units in one transaction: beyond it COMMIT costs a unit nothing, and the first caller waits long."""


class StoreWriter(Protocol):
    """What the rest of the daemon needs of a writer."""

    async def run(self, unit: Unit[T]) -> T:
        """Run `unit` and return its value once it is committed.

        Raises what the unit raised (its work is undone), or `StoreUnavailable` when it could not be
        committed. A caller that is cancelled while it waits does not stop its unit.
        """
        ...

    async def close(self) -> None:
        """Finish what was asked for, then refuse everything. May be called twice."""
        ...


class _Waiting(NamedTuple):
    """A unit and the caller that waits for it."""

    unit: Unit[Any]
    caller: asyncio.Future[Any]


class Writer:
    """Units of work in one thread, everything that waits in one transaction.

    Make it inside the running loop that will call it; `on_commit` is called on that loop. Use it as an async
    context manager or call `close()`.
    """

    def __init__(self, database: Database, on_commit: OnCommit = lambda _events: None) -> None:
        self._database = database
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    async def __aenter__(self) -> Writer:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    @property
    def waiting(self) -> int:
        """How many units wait for the writer thread (approximately)."""
        return self._queue.qsize()

    async def run(self, unit: Unit[T]) -> T:
        """See `StoreWriter.run`."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        caller: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Waiting(unit, caller))
        return await caller

    async def close(self) -> None:
        """See `StoreWriter.close`."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.shield(self._stopped)
        self._thread.join()

    def _work(self) -> None:
        """The thread: sleep until something waits, take all that waits, commit it together."""
        group: list[_Waiting] = []
        more = True
        try:
            while more:
                group, more = self._take()
                if group:
                    result = run_group(self._database, [waiting.unit for waiting in group])
                    self._loop.call_soon_threadsafe(_deliver, group, result, self._on_commit)
                    group = []
        finally:
            self._loop.call_soon_threadsafe(self._end, group)

    def _take(self) -> tuple[list[_Waiting], bool]:
        """Wait for the next unit; return it with all that stand behind it, and whether more may come."""
        group: list[_Waiting] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == GROUP_LIMIT:
                return group, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _end(self, abandoned: list[_Waiting]) -> None:
        """On the loop, when the thread has ended: by `close()`, or by a bug, which its own hook reports."""
        self._closed = True
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if item is not None:
                abandoned.append(item)
        for waiting in abandoned:
            if not waiting.caller.done():
                waiting.caller.set_exception(StoreUnavailable("The writer has stopped; restart the controller."))
        if not self._stopped.done():
            self._stopped.set_result(None)


class SimulatedCrash(BaseException):
    """The simulated process dies here. Not an `Exception`: nothing in a dying process handles it."""


class InlineWriter:
    """The writer of the simulation: the same groups, run on the event loop after a seeded number of turns.

    `chance` decides delays and failures. After 0 to `max_delay_turns` loop turns all that waits is one group.
    Each COMMIT fails with probability `failure_rate`, and then really rolls back. `before_commit` and
    `after_commit` run around each COMMIT and may raise `SimulatedCrash`: the transaction is then lost or kept
    as in a killed process, no caller ever resumes, no event is published, and the writer hands the crash to
    `on_crash`, or raises it out of the loop callback when there is none.
    """

    def __init__(
        self,
        database: Database,
        on_commit: OnCommit = lambda _events: None,
        *,
        chance: random.Random,
        max_delay_turns: int = 3,
        failure_rate: float = 0.0,
        faults: CommitFaults | None = None,
    ) -> None:
        self._database = database
        self._on_commit = on_commit
        self._chance = chance
        self._max_delay_turns = max_delay_turns
        self._failure_rate = failure_rate
        self._faults = faults or CommitFaults()
        self._waiting: list[_Waiting] = []
        self._scheduled = False
        self._closed = False
        self.crashed = False

    @property
    def waiting(self) -> int:
        """How many units wait."""
        return len(self._waiting)

    async def run(self, unit: Unit[T]) -> T:
        """See `StoreWriter.run`. In a crashed process it never returns."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        loop = asyncio.get_running_loop()
        caller: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(unit, caller))
        if not self._scheduled:
            self._scheduled = True
            self._wake_after(self._chance.randint(0, self._max_delay_turns))
        return await caller

    async def close(self) -> None:
        """See `StoreWriter.close`; runs what waits without further delay."""
        self._closed = True
        self._work()

    def _wake_after(self, turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._wake_after, turns - 1)
        else:
            loop.call_soon(self._work)

    def _work(self) -> None:
        self._scheduled = False
        if self.crashed or not self._waiting:
            return
        group, self._waiting = self._waiting, []
        try:
            result = run_group(self._database, [waiting.unit for waiting in group], self._commit)
        except SimulatedCrash as crash:
            self.crashed = True
            if self._faults.on_crash is None:
                raise
            self._faults.on_crash(crash)
        else:
            _deliver(group, result, self._on_commit)

    def _commit(self, database: Database, conn: sa.Connection) -> None:
        """A COMMIT that may fail or be the last thing the process does."""
        self._faults.before_commit()
        if self._chance.random() < self._failure_rate:
            conn.rollback()
            raise StoreUnavailable("The COMMIT failed in the simulation.")
        commit_group(database, conn)
        self._faults.after_commit()


class CommitFaults:
    """Crash points of an `InlineWriter`; the base class has none. Override what a test needs."""

    on_crash: Callable[[SimulatedCrash], None] | None = None
    """Told of the crash; None lets it escape from the loop callback."""

    def before_commit(self) -> None:
        """Runs when a group is ready to commit; raising `SimulatedCrash` loses it."""

    def after_commit(self) -> None:
        """Runs when a group is on disk; raising `SimulatedCrash` kills the process before anybody hears."""


def _deliver(group: Sequence[_Waiting], result: Result, on_commit: OnCommit) -> None:
    """Publish the events, then let the callers go on, in one turn of the loop."""
    try:
        if result.events:
            on_commit(result.events)
    finally:
        for waiting, outcome in zip(group, result.outcomes, strict=True):
            _resume(waiting, outcome)


def _resume(waiting: _Waiting, outcome: Outcome) -> None:
    """Hand a unit's outcome to its caller; an error that no caller waits for any more is logged instead."""
    if waiting.caller.done():
        if outcome.error is not None:
            log.warning(
                "unit of work %s failed after its caller had left",
                name_of(waiting.unit),
                exc_info=outcome.error,
                extra={"unit": name_of(waiting.unit)},
            )
    elif outcome.error is not None:
        waiting.caller.set_exception(outcome.error)
    else:
        waiting.caller.set_result(outcome.value)
