from __future__ import annotations

import asyncio
import functools
import logging
import random
import resource
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.store import group
from fleetctl.store.database import Database
from fleetctl.store.outbox import published
from fleetctl.store.writer import CommitFaults, InlineWriter, SimulatedCrash, StoreWriter, Writer

from .conftest import METADATA, PostgresServer, note, notes

DEADLINE_S = 10


class Listener:
    """What the bus would be: hears of every event after COMMIT."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def __call__(self, events: list[Any]) -> None:
        self.heard += events


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(params=["thread", "inline"])
async def writer(
    request: pytest.FixtureRequest, database: Database, listener: Listener
) -> AsyncIterator[StoreWriter]:
    """Both writers must keep the same promises, on every database."""
    made: StoreWriter
    if request.param == "thread":
        made = Writer(database, listener)
    else:
        made = InlineWriter(database, listener, chance=random.Random(7))
    yield made
    await made.close()


def stored(database: Database) -> list[str]:
    with database.read() as conn:
        return notes(conn)


def writing(text: str, answers: str | None = None) -> Callable[[sa.Connection], str]:
    return functools.partial(note, text=text, answers=answers)


def failing(text: str) -> Callable[[sa.Connection], str]:
    def unit(conn: sa.Connection) -> str:
        note(conn, text)
        raise ZeroDivisionError(text)

    return unit


@contextmanager
def counting_commits(database: Database) -> Iterator[list[int]]:
    """One entry for each COMMIT that the writer sends, successful or not."""
    commits: list[int] = []

    def count(_conn: sa.Connection) -> None:
        commits.append(1)

    sa.event.listen(database.write_engine, "commit", count)
    yield commits
    sa.event.remove(database.write_engine, "commit", count)


async def together(*awaitables: Awaitable[Any]) -> list[Any]:
    """All results, errors included, in order."""
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.gather(*awaitables, return_exceptions=True)


class Gate:
    """A unit that holds the writer thread until `open()`, so that a group gathers behind it."""

    def __init__(self) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()

    def __call__(self, _conn: sa.Connection) -> None:
        self._reached.set()
        assert self._opened.wait(DEADLINE_S)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, DEADLINE_S)

    def open(self) -> None:
        self._opened.set()


async def test_run_returns_the_units_value_after_commit(
    writer: StoreWriter, database: Database, listener: Listener
) -> None:
    assert await writer.run(writing("first")) == "first"
    assert stored(database) == ["first"]
    assert listener.heard == ["first"]


async def test_units_run_in_the_order_of_asking(writer: StoreWriter, database: Database, listener: Listener) -> None:
    texts = [f"{number:03}" for number in range(200)]
    assert await together(*(writer.run(writing(text)) for text in texts)) == texts
    assert stored(database) == texts
    assert listener.heard == texts


async def test_a_unit_that_raises_loses_only_its_own_work(
    writer: StoreWriter, database: Database, listener: Listener
) -> None:
    before, error, after = await together(
        writer.run(writing("before")), writer.run(failing("lost")), writer.run(writing("after"))
    )
    assert (before, after) == ("before", "after")
    assert isinstance(error, ZeroDivisionError)
    assert stored(database) == ["before", "after"]
    assert listener.heard == ["before", "after"]


async def test_a_refused_statement_reaches_its_caller_as_it_was_raised(
    writer: StoreWriter, database: Database
) -> None:
    first, second, third = await together(
        writer.run(writing("same")), writer.run(writing("same")), writer.run(writing("other"))
    )
    assert (first, third) == ("same", "other")
    assert isinstance(second, sa.exc.IntegrityError)
    assert stored(database) == ["same", "other"]


async def test_a_unit_may_catch_what_its_own_savepoint_raised(
    writer: StoreWriter, database: Database, listener: Listener
) -> None:
    def unit(conn: sa.Connection) -> None:
        note(conn, "kept")
        with pytest.raises(sa.exc.IntegrityError), conn.begin_nested():
            note(conn, "undone")
            note(conn, "kept")
        note(conn, "also kept")

    await writer.run(unit)
    assert stored(database) == ["kept", "also kept"]
    assert listener.heard == ["kept", "also kept"]


async def test_when_commit_fails_the_group_runs_again_one_by_one(
    writer: StoreWriter, database: Database, listener: Listener
) -> None:
    runs: list[str] = []

    def unit(conn: sa.Connection, text: str, answers: str | None = None) -> str:
        runs.append(text)
        return note(conn, text, answers)

    one, bad, two = await together(
        writer.run(functools.partial(unit, text="one")),
        writer.run(functools.partial(unit, text="bad", answers="nothing")),
        writer.run(functools.partial(unit, text="two", answers="one")),
    )
    assert (one, two) == ("one", "two")
    assert isinstance(bad, sa.exc.IntegrityError)
    assert stored(database) == ["one", "two"]
    assert listener.heard == ["one", "two"]
    assert runs[-3:] == ["one", "bad", "two"]


@pytest.mark.parametrize("ending", ["commit", "rollback", "begin and stay"])
async def test_a_unit_must_not_end_the_transaction(
    writer: StoreWriter, database: Database, listener: Listener, ending: str
) -> None:
    def meddling(conn: sa.Connection) -> None:
        note(conn, "meddler")
        if ending == "begin and stay":
            conn.begin_nested()
        else:
            getattr(conn, ending)()

    one, error, two = await together(writer.run(writing("one")), writer.run(meddling), writer.run(writing("two")))
    assert (one, two) == ("one", "two")
    assert isinstance(error, RuntimeError)
    assert stored(database) == ["one", "two"]
    assert listener.heard == ["one", "two"]


async def test_a_cancelled_caller_does_not_stop_its_unit(
    writer: StoreWriter, database: Database, listener: Listener
) -> None:
    task = asyncio.create_task(writer.run(writing("asked for")))
    await asyncio.sleep(0)
    task.cancel()
    await writer.run(writing("next"))
    assert task.cancelled()
    assert stored(database) == ["asked for", "next"]
    assert listener.heard == ["asked for", "next"]


async def test_the_error_of_a_unit_whose_caller_has_left_is_logged(
    writer: StoreWriter, caplog: pytest.LogCaptureFixture
) -> None:
    task = asyncio.create_task(writer.run(failing("x")))
    await asyncio.sleep(0)
    task.cancel()
    await writer.run(writing("next"))
    [record] = [record for record in caplog.records if "caller had left" in record.message]
    assert record.unit.endswith("failing.<locals>.unit")  # type: ignore[attr-defined]
    assert record.exc_info is not None


async def test_events_are_published_before_any_caller_resumes(database: Database) -> None:
    order: list[str] = []
    writer = Writer(database, lambda events: order.extend(f"event {event}" for event in events))

    async def caller(text: str) -> None:
        await writer.run(writing(text))
        order.append(f"caller {text}")

    gate = Gate()
    held = asyncio.create_task(writer.run(gate))
    await gate.reached()
    tasks = [asyncio.create_task(caller(text)) for text in "abc"]
    await asyncio.sleep(0)
    gate.open()
    await together(held, *tasks)
    await writer.close()
    assert order == ["event a", "event b", "event c", "caller a", "caller b", "caller c"]


async def test_a_failing_listener_does_not_keep_callers_waiting(database: Database) -> None:
    reported: list[BaseException | None] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, info: reported.append(info.get("exception")))

    def listener(_events: list[Any]) -> None:
        raise ZeroDivisionError

    async with Writer(database, listener) as writer, asyncio.timeout(DEADLINE_S):
        assert await writer.run(writing("stored")) == "stored"
    assert [type(error) for error in reported] == [ZeroDivisionError]


async def test_what_waits_shares_one_commit(database: Database) -> None:
    async with Writer(database) as writer:
        gate = Gate()
        with counting_commits(database) as commits:
            held = asyncio.create_task(writer.run(gate))
            await gate.reached()
            tasks = [asyncio.create_task(writer.run(writing(str(number)))) for number in range(100)]
            await asyncio.sleep(0)
            assert writer.waiting == 100
            gate.open()
            await together(held, *tasks)
            assert len(commits) == 2
    assert len(stored(database)) == 100


async def test_a_slow_unit_is_logged_by_name(
    writer: StoreWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await writer.run(writing("quick enough to say nothing of"))
    monkeypatch.setattr(group, "SLOW_UNIT_S", -1.0)
    await writer.run(writing("slow"))
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.unit.endswith("conftest.note")  # type: ignore[attr-defined]
    assert record.duration_s > 0  # type: ignore[attr-defined]


async def test_closing_finishes_what_was_asked_for(writer: StoreWriter, database: Database) -> None:
    tasks = [asyncio.create_task(writer.run(writing(text))) for text in "abc"]
    await asyncio.sleep(0)
    await writer.close()
    assert await together(*tasks) == ["a", "b", "c"]
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.run(writing("too late"))
    assert stored(database) == ["a", "b", "c"]
    await writer.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_dead_writer_thread_leaves_nobody_waiting(database: Database) -> None:
    def bug(_conn: sa.Connection) -> None:
        raise SystemExit("nobody expects this in a unit")

    writer = Writer(database)
    gate = Gate()
    held = asyncio.create_task(writer.run(gate))
    await gate.reached()
    tasks = [asyncio.create_task(writer.run(unit)) for unit in (writing("x"), bug)]
    await asyncio.sleep(0)
    gate.open()
    _, first, second = await together(held, *tasks)
    assert isinstance(first, StoreUnavailable)
    assert isinstance(second, StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        await writer.run(writing("later"))
    assert stored(database) == []
    await writer.close()


@pytest.mark.parametrize("url", ["sqlite file", "postgresql"], indirect=True)
async def test_a_locked_database_is_unavailable_until_it_is_free(url: str, database: Database) -> None:
    other = Database.open(url)
    async with Writer(database) as writer:
        with other.write(), pytest.raises(StoreUnavailable, match="cannot be written"):
            await writer.run(writing("no"))
        assert await writer.run(writing("yes")) == "yes"
    assert stored(database) == ["yes"]
    other.close()


async def test_a_full_database_is_unavailable_and_recovers(sqlite_file: Database) -> None:
    @sa.event.listens_for(sqlite_file.write_engine, "connect")
    def limit(dbapi_connection: Any, _entry: object) -> None:
        pages = dbapi_connection.execute("PRAGMA page_count").fetchone()[0]
        dbapi_connection.execute(f"PRAGMA max_page_count={pages + 1}")

    sqlite_file.write_engine.dispose()

    def big(conn: sa.Connection) -> None:
        for number in range(20):
            note(conn, f"{number}" + "x" * 1900)

    async with Writer(sqlite_file) as writer:
        small, error, also_small = await together(
            writer.run(writing("small")), writer.run(big), writer.run(writing("also small"))
        )
        assert (small, also_small) == ("small", "also small")
        assert isinstance(error, StoreUnavailable)
        assert "full" in str(error)
    assert stored(sqlite_file) == ["small", "also small"]


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """Let the kernel refuse to make any file of this process longer than `size_bytes`, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_commit_that_the_disk_refuses_is_unavailable_and_recovers(
    sqlite_file: Database, tmp_path: Path, listener: Listener
) -> None:
    async with Writer(sqlite_file, listener) as writer:
        await writer.run(writing("before"))
        journal = tmp_path / "fleet.db-wal"
        with files_limited_to(journal.stat().st_size):
            results = await together(*(writer.run(writing(text)) for text in ("lost", "lost too")))
        assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
        assert stored(sqlite_file) == ["before"]
        assert await writer.run(writing("after")) == "after"
    assert stored(sqlite_file) == ["before", "after"]
    assert listener.heard == ["before", "after"]


@pytest.fixture
def server_database(postgres: PostgresServer) -> Iterator[Database]:
    database = Database.open(postgres.new_database(), busy_timeout_s=2)
    with database.write() as conn:
        METADATA.create_all(conn)
    yield database
    database.close()


@contextmanager
def losing_one_commit(database: Database, *, acknowledgement_only: bool) -> Iterator[None]:
    """The server dies under one COMMIT: before it is done, or when only its answer is still to come."""
    dialect = database.write_engine.dialect
    honest, lost = dialect.do_commit, []

    def do_commit(dbapi_connection: Any) -> None:
        if lost:
            return honest(dbapi_connection)
        lost.append(True)
        if acknowledgement_only:
            honest(dbapi_connection)
        with database.read() as conn:
            pid = dbapi_connection.dbapi_connection.info.backend_pid
            conn.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        if acknowledgement_only:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return honest(dbapi_connection)

    dialect.do_commit = do_commit  # type: ignore[method-assign]
    yield
    dialect.do_commit = honest  # type: ignore[method-assign]
    assert lost


@pytest.mark.parametrize("acknowledgement_only", [False, True])
async def test_a_commit_lost_with_its_server_is_made_exactly_once(
    server_database: Database, listener: Listener, acknowledgement_only: bool
) -> None:
    runs: list[int] = []

    def unit(conn: sa.Connection) -> str:
        runs.append(1)
        return note(conn, "once")

    async with Writer(server_database, listener) as writer, asyncio.timeout(DEADLINE_S):
        with losing_one_commit(server_database, acknowledgement_only=acknowledgement_only):
            results = await together(writer.run(unit), writer.run(writing("other")))
    assert results == ["once", "other"]
    assert stored(server_database) == listener.heard == ["once", "other"]
    assert len(runs) == (1 if acknowledgement_only else 2)


async def test_a_server_that_dies_in_a_unit_costs_one_attempt(server_database: Database) -> None:
    attempts: list[int] = []

    def unit(conn: sa.Connection) -> str:
        attempts.append(1)
        if len(attempts) == 1:
            with server_database.read() as other:
                pid = conn.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
                other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        return note(conn, "unit")

    async with Writer(server_database) as writer:
        gate = Gate()
        held = asyncio.create_task(writer.run(gate))
        await gate.reached()
        tasks = [asyncio.create_task(writer.run(each)) for each in (writing("first"), unit)]
        await asyncio.sleep(0)
        gate.open()
        assert await together(held, *tasks) == [None, "first", "unit"]
    assert stored(server_database) == ["first", "unit"]


async def test_a_stopped_server_is_unavailable_until_it_is_back(
    postgres: PostgresServer, server_database: Database
) -> None:
    async with Writer(server_database) as writer:
        await writer.run(writing("before"))
        postgres.stop()
        try:
            results = await together(*(writer.run(writing(text)) for text in "xyz"))
        finally:
            postgres.start()
        assert [type(result) for result in results] == [StoreUnavailable] * 3
        assert await writer.run(writing("after")) == "after"
    assert stored(server_database) == ["before", "after"]


class CrashAt(CommitFaults):
    """Kills the simulated process at its n-th COMMIT, before or after it."""

    def __init__(self, commit: int, *, after: bool) -> None:
        self._left, self._after = commit, after
        self.crashed = asyncio.Event()
        self.on_crash = lambda _crash: self.crashed.set()

    def before_commit(self) -> None:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise SimulatedCrash

    def after_commit(self) -> None:
        if self._left == 0 and self._after:
            raise SimulatedCrash


@pytest.fixture
def memory() -> Iterator[Database]:
    database = Database.open("sqlite://")
    with database.write() as conn:
        METADATA.create_all(conn)
    yield database
    database.close()


@pytest.mark.parametrize("after", [False, True])
async def test_a_simulated_crash_loses_or_keeps_the_commit_and_tells_nobody(
    memory: Database, listener: Listener, after: bool
) -> None:
    faults = CrashAt(2, after=after)
    writer = InlineWriter(memory, listener, chance=random.Random(1), faults=faults)
    await writer.run(writing("one"))
    task = asyncio.create_task(writer.run(writing("two")))
    async with asyncio.timeout(DEADLINE_S):
        await faults.crashed.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert writer.crashed
    assert not task.done()
    assert stored(memory) == (["one", "two"] if after else ["one"])
    assert listener.heard == ["one"]
    dead = asyncio.create_task(writer.run(writing("from the dead")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not dead.done()
    # A new process on the same database goes on.
    assert await InlineWriter(memory, chance=random.Random(2)).run(writing("three")) == "three"
    assert stored(memory)[-1] == "three"
    for each in (task, dead):
        each.cancel()


async def simulate(seed: int, database: Database) -> tuple[list[str], list[str], list[int]]:
    """Many callers under failing COMMITs: what they were told is stored, what was published, group by group."""
    listener = Listener()
    chance = random.Random(seed)
    groups: list[int] = []

    def hear(events: list[str]) -> None:
        groups.append(len(events))
        listener(events)

    writer = InlineWriter(database, hear, chance=chance, failure_rate=0.3)
    acknowledged: list[str] = []

    async def caller(name: str) -> None:
        for number in range(4):
            text = f"{seed} {name} {number}"
            unit = failing(text) if chance.random() < 0.2 else writing(text)
            try:
                acknowledged.append(await writer.run(unit))
            except (ZeroDivisionError, StoreUnavailable):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for name in "abcdef":
            tasks.create_task(caller(name))
    return acknowledged, listener.heard, groups


async def test_under_failing_commits_acknowledged_published_and_stored_agree(memory: Database) -> None:
    stored_before = 0
    sizes: set[int] = set()
    for seed in range(60):
        acknowledged, published_events, groups = await simulate(seed, memory)
        rows = stored(memory)[stored_before:]
        assert rows == published_events, f"seed {seed}"
        assert sorted(rows) == sorted(acknowledged), f"seed {seed}"
        stored_before += len(rows)
        sizes |= set(groups)
    assert len(sizes) > 3  # groups of many sizes were tried


async def test_one_seed_gives_one_schedule() -> None:
    runs = []
    for _ in range(2):
        database = Database.open("sqlite://")
        with database.write() as conn:
            METADATA.create_all(conn)
        runs.append(await simulate(11, database))
        database.close()
    assert runs[0] == runs[1]


def test_the_outbox_belongs_to_the_unit_that_fills_it(memory: Database) -> None:
    def unit(conn: sa.Connection) -> None:
        published(conn).append("one")
        raise ZeroDivisionError

    result = group.run_group(memory, [unit, writing("two")])
    assert result.events == ["two"]
    assert [type(outcome.error) for outcome in result.outcomes] == [ZeroDivisionError, type(None)]


def test_one_by_one_does_not_wait_for_a_locked_database_again_and_again(sqlite_file: Database) -> None:
    """The COMMIT of the group fails, and from then on another process holds the lock: one wait, not one each."""
    other = Database.open(sqlite_file.url)
    holding = ExitStack()
    attempts: list[object] = []
    sa.event.listen(sqlite_file.write_engine, "checkout", lambda *arguments: attempts.append(arguments))

    def commit(_database: Database, conn: sa.Connection) -> None:
        conn.rollback()
        holding.enter_context(other.write())
        raise StoreUnavailable

    with holding:
        result = group.run_group(sqlite_file, [writing(str(number)) for number in range(50)], commit)
    assert [type(outcome.error) for outcome in result.outcomes] == [StoreUnavailable] * 50
    assert len(attempts) == 2
    assert stored(sqlite_file) == []
    other.close()
