from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.store import reader as reader_module
from fleetctl.store.database import READER_CONNECTIONS, Database
from fleetctl.store.reader import InlineReader, Reader, StoreReader
from fleetctl.store.writer import InlineWriter, Writer

from .conftest import PostgresServer, note, notes

DEADLINE_S = 10


@pytest.fixture(params=["threads", "inline"])
async def reader(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[StoreReader]:
    inline = request.param == "inline"
    made: StoreReader = InlineReader(database, chance=random.Random(3)) if inline else Reader(database)
    yield made
    await made.close()


async def test_a_read_sees_what_was_written(reader: StoreReader, database: Database) -> None:
    with database.write() as conn:
        note(conn, "there")
    assert await reader.run(notes) == ["there"]


async def test_a_read_sees_every_change_whose_caller_has_resumed(database: Database) -> None:
    async with Writer(database) as writer, Reader(database) as reader:
        for number in range(20):
            await writer.run(lambda conn, text=str(number): note(conn, text))  # type: ignore[misc]
            assert len(await reader.run(notes)) == number + 1


async def test_errors_of_a_read_reach_its_caller(reader: StoreReader) -> None:
    def read(_conn: sa.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await reader.run(read)
    assert await reader.run(notes) == []


async def test_a_read_that_writes_is_refused_as_the_bug_it_is(reader: StoreReader) -> None:
    def read(conn: sa.Connection) -> None:
        conn.exec_driver_sql("INSERT INTO notes (position, text) VALUES (1, 'no')")

    with pytest.raises(sa.exc.DBAPIError):
        await reader.run(read)
    assert await reader.run(notes) == []


async def test_nothing_is_read_after_closing(reader: StoreReader) -> None:
    await reader.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await reader.run(notes)
    await reader.close()


async def test_closing_finishes_reads_under_way(database: Database) -> None:
    reached, opened = threading.Event(), threading.Event()

    def read(conn: sa.Connection) -> list[str]:
        reached.set()
        assert opened.wait(DEADLINE_S)
        return notes(conn)

    reader = Reader(database)
    task = asyncio.create_task(reader.run(read))
    assert await asyncio.to_thread(reached.wait, DEADLINE_S)
    closing = asyncio.create_task(reader.close())
    await asyncio.sleep(0)
    opened.set()
    async with asyncio.timeout(DEADLINE_S):
        assert await task == []
        await closing


async def test_reads_run_beside_each_other(database: Database) -> None:
    both = threading.Barrier(2)

    def read(conn: sa.Connection) -> list[str]:
        both.wait(DEADLINE_S)
        return notes(conn)

    async with Reader(database, threads=2) as reader:
        assert await asyncio.gather(reader.run(read), reader.run(read)) == [[], []]


@pytest.mark.parametrize("threads", [0, READER_CONNECTIONS + 1])
def test_more_threads_than_connections_are_refused(database: Database, threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        Reader(database, threads=threads)


async def test_a_slow_read_is_logged_by_name(
    reader: StoreReader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await reader.run(notes)
    monkeypatch.setattr(reader_module, "SLOW_READ_S", -1.0)
    await reader.run(notes)
    [record] = caplog.records
    assert record.read.endswith("conftest.notes")  # type: ignore[attr-defined]


async def test_a_stopped_server_cannot_be_read_until_it_is_back(postgres: PostgresServer) -> None:
    database = Database.open(postgres.new_database(), busy_timeout_s=2)
    async with Reader(database) as reader:
        postgres.stop()
        try:
            with pytest.raises(StoreUnavailable, match="cannot be read"):
                await reader.run(notes)
        finally:
            postgres.start()
        assert await reader.run(lambda conn: conn.exec_driver_sql("SELECT 1").scalar()) == 1
    database.close()


async def test_in_simulation_reads_and_writes_interleave_by_seed(sqlite_file: Database) -> None:
    """A read that was asked for first may see a write that was asked for later, as with threads, but by the seed."""

    async def race(seed: int) -> int:
        chance = random.Random(seed)
        writer = InlineWriter(sqlite_file, chance=chance)
        reader = InlineReader(sqlite_file, chance=chance)
        before = len(await reader.run(notes))
        seen, _ = await asyncio.gather(reader.run(notes), writer.run(lambda conn: note(conn, f"{seed}.{before}")))
        return len(seen) - before

    first = [await race(seed) for seed in range(20)]
    second = [await race(seed) for seed in range(20)]
    assert first == second
    assert set(first) == {0, 1}
