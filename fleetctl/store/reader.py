"""The reader: every look at the store, each a snapshot that opens and closes inside one function.

Responsible for keeping reads off the event loop and off the writer. `Reader` has a few threads;
`InlineReader` reads on the loop after a seeded number of turns, for the simulation. Must not know what is
read.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.store.database import READER_CONNECTIONS, Database
from fleetctl.store.group import name_of

log = logging.getLogger(__name__)

T = TypeVar("T")

SLOW_READ_S = 0.25
"""A read that takes longer keeps SQLite from recycling its journal and is logged by name."""


class StoreReader(Protocol):
    """What the rest of the daemon needs of a reader."""

    async def run(self, read: Callable[[sa.Connection], T]) -> T:
        """Run `read` in one read-only snapshot and return its value, which must not hold the connection.

        Sees everything whose `StoreWriter.run` has returned. Raises what `read` raises, or
        `StoreUnavailable`.
        """
        ...

    async def close(self) -> None:
        """Finish the reads under way, then refuse everything. May be called twice."""
        ...


class Reader:
    """Reads in a small pool of threads, each on a connection that cannot write."""

    def __init__(self, database: Database, threads: int = 2) -> None:
        """`threads` is from 1 to `READER_CONNECTIONS`."""
        if not 1 <= threads <= READER_CONNECTIONS:
            raise ValueError(f"threads must be from 1 to {READER_CONNECTIONS}, not {threads}")
        self._database = database
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="store-reader")
        self._closed = False

    async def __aenter__(self) -> Reader:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def run(self, read: Callable[[sa.Connection], T]) -> T:
        """See `StoreReader.run`."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, read_once, self._database, read)

    async def close(self) -> None:
        """See `StoreReader.close`."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)


class InlineReader:
    """The reader of the simulation: reads on the loop, after `chance` turns, at most `max_delay_turns`."""

    def __init__(self, database: Database, *, chance: random.Random, max_delay_turns: int = 3) -> None:
        self._database = database
        self._chance = chance
        self._max_delay_turns = max_delay_turns
        self._closed = False

    async def run(self, read: Callable[[sa.Connection], T]) -> T:
        """See `StoreReader.run`."""
        if self._closed:
            raise StoreUnavailable("The store is closed.")
        for _ in range(self._chance.randint(0, self._max_delay_turns)):
            await asyncio.sleep(0)
        return read_once(self._database, read)

    async def close(self) -> None:
        """See `StoreReader.close`."""
        self._closed = True


def read_once(database: Database, read: Callable[[sa.Connection], T]) -> T:
    """Open a snapshot, run `read` in it, close it. For threads and tools; the daemon's tasks use a reader."""
    started = time.perf_counter()
    try:
        with database.read() as conn:
            value = read(conn)
    except sa.exc.DBAPIError as error:
        if database.is_outage(error) and not _tried_to_write(error):
            raise database.unavailable(error, "cannot be read") from error
        raise
    duration_s = time.perf_counter() - started
    if duration_s > SLOW_READ_S:
        log.warning(
            "read %s took %.0f ms",
            name_of(read),
            duration_s * 1000,
            extra={"read": name_of(read), "duration_s": duration_s},
        )
    return value


def _tried_to_write(error: sa.exc.DBAPIError) -> bool:
    """Whether a read was refused because it wrote (SQLITE_READONLY, SQLSTATE 25006): a bug, not an outage."""
    code = getattr(error.orig, "sqlite_errorcode", None) or getattr(error.orig, "sqlstate", None)
    return code in (sqlite3.SQLITE_READONLY, "25006")
