"""The store of the simulated site: the real schema in memory, the real writer inline, with eyes on every transaction.

A template database is migrated once for each process and copied for each world. Must not know the invariants.
"""

from __future__ import annotations

import asyncio
import functools
import random
import sqlite3
from collections.abc import Callable
from typing import TypeVar, cast

import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.store import migrate
from fleetctl.store.database import Database
from fleetctl.store.reader import InlineReader
from fleetctl.store.writer import CommitFaults, InlineWriter, OnCommit, SimulatedCrash, Unit
from fleetctl.testing.simulation.scenario import Luck

T = TypeVar("T")

Inspect = Callable[[sqlite3.Connection], None]
Look = Callable[[object], None]


def fresh_database() -> Database:
    """An empty database with the schema of this code."""
    database = Database.open("sqlite://")
    source = _template().read_engine.raw_connection()
    target = database.write_engine.raw_connection()
    try:
        plain = cast(sqlite3.Connection, source.driver_connection)
        plain.backup(cast(sqlite3.Connection, target.driver_connection))
    finally:
        target.close()
        source.close()
    return database


@functools.cache
def _template() -> Database:
    database = Database.open("sqlite://")
    migrate.upgrade(database)
    return database


class Disk(CommitFaults):
    """What COMMIT meets. `committed` is called when a transaction is on disk; `crash` ends the process."""

    def __init__(self, rng: random.Random, committed: Callable[[], None], crash: Callable[[], None]) -> None:
        self.luck = Luck()
        self._rng = rng
        self._committed = committed
        self.on_crash = lambda _crash: crash()

    def before_commit(self) -> None:
        """COMMIT may fail, or the process may die with the transaction open."""
        if self.luck.commit_fails and self._rng.random() < self.luck.commit_fails:
            raise StoreUnavailable("The COMMIT failed in the simulation.")
        if self.luck.crash_in_commit and self._rng.random() < self.luck.crash_in_commit:
            raise SimulatedCrash("before COMMIT")

    def after_commit(self) -> None:
        """The process may die before anybody hears."""
        self._committed()
        if self.luck.crash_in_commit and self._rng.random() < self.luck.crash_in_commit:
            raise SimulatedCrash("after COMMIT")


class SlowWriter(InlineWriter):
    """The inline writer on a disk that now and then takes its time; what is asked for meanwhile joins the group."""

    def __init__(self, database: Database, on_commit: OnCommit, rng: random.Random, disk: Disk) -> None:
        super().__init__(database, on_commit, chance=rng, faults=disk)
        self._disk = disk
        self._rng = rng

    def _wake_after(self, turns: int) -> None:
        if self._disk.luck.commit_slow and self._rng.random() < self._disk.luck.commit_slow:
            asyncio.get_running_loop().call_later(self._rng.choice((0.01, 0.1, 2.0)), self._work)
        else:
            super()._wake_after(turns)


class InspectedWriter:
    """A `StoreWriter`: the inline one, with `inspect` called inside the transaction behind each unit."""

    def __init__(
        self, database: Database, on_commit: OnCommit, rng: random.Random, disk: Disk, inspect: Inspect
    ) -> None:
        self.inner = SlowWriter(database, on_commit, rng, disk)
        self._inspect = inspect

    async def run(self, unit: Unit[T]) -> T:
        """See `StoreWriter.run`."""

        def inspected(conn: sa.Connection) -> T:
            value = unit(conn)
            self._inspect(cast(sqlite3.Connection, conn.connection.driver_connection))
            return value

        return await self.inner.run(inspected)

    async def close(self) -> None:
        """See `StoreWriter.close`."""
        await self.inner.close()

    def die(self) -> None:
        """The process is dead: nothing that waits is ever written."""
        self.inner.crashed = True


class InspectedReader:
    """A `StoreReader`: the inline one, that shows every value it gives to `look`."""

    def __init__(self, database: Database, rng: random.Random, look: Look, turns: int) -> None:
        self._inner = InlineReader(database, chance=rng, max_delay_turns=turns)
        self._look = look

    async def run(self, read: Callable[[sa.Connection], T]) -> T:
        """See `StoreReader.run`."""
        value = await self._inner.run(read)
        self._look(value)
        return value

    async def close(self) -> None:
        """See `StoreReader.close`."""
        await self._inner.close()
