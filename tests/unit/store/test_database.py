from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from fleetctl.errors import ConfigurationError, StoreUnavailable
from fleetctl.store.database import Database
from fleetctl.store.outbox import published

from .conftest import METADATA, NOTES, PostgresServer, note, notes


def test_a_write_commits_and_an_error_rolls_back(database: Database) -> None:
    with database.write() as conn:
        note(conn, "kept")
    with pytest.raises(ZeroDivisionError), database.write() as conn:
        note(conn, "lost")
        raise ZeroDivisionError
    with database.read() as conn:
        assert notes(conn) == ["kept"]


def test_savepoints_roll_back_only_their_own_work(database: Database) -> None:
    with database.write() as conn:
        note(conn, "before")
        savepoint = conn.begin_nested()
        note(conn, "undone")
        savepoint.rollback()
        with conn.begin_nested():
            note(conn, "after")
    with database.read() as conn:
        assert notes(conn) == ["before", "after"]


def test_pysqlites_own_transactions_would_break_savepoints(tmp_path: Path) -> None:
    """Why `isolation_level=None`: by itself pysqlite opens no transaction for SAVEPOINT."""
    conn = sqlite3.connect(tmp_path / "naive.db")
    conn.execute("CREATE TABLE t (a)")
    conn.execute("SAVEPOINT one")
    conn.execute("CREATE TABLE u (a)")
    conn.execute("RELEASE one")
    conn.rollback()
    # The whole is rolled back, yet the table is there: RELEASE of the outermost savepoint had committed it.
    assert conn.execute("SELECT name FROM sqlite_master WHERE name = 'u'").fetchall() == [("u",)]
    conn.close()


def test_schema_changes_roll_back_with_the_transaction(empty_database: Database) -> None:
    with pytest.raises(ZeroDivisionError), empty_database.write() as conn:
        with conn.begin_nested():
            METADATA.create_all(conn)
        raise ZeroDivisionError
    with empty_database.read() as conn:
        assert sa.inspect(conn).get_table_names() == []


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as conn:
        conn.execute(NOTES.insert().values(text="no"))


# The in-memory database is for the simulation: one process, where a read and a write never overlap.
shared = pytest.mark.parametrize("url", ["sqlite file", "postgresql"], indirect=True)


@shared
def test_a_read_is_one_snapshot_and_does_not_block_the_writer(database: Database) -> None:
    with database.write() as conn:
        note(conn, "old")
    with database.read() as reading:
        assert notes(reading) == ["old"]
        with database.write() as conn:
            note(conn, "new")
        assert notes(reading) == ["old"]
    with database.read() as reading:
        assert notes(reading) == ["old", "new"]


@shared
def test_write_transactions_exclude_each_other_from_the_start(url: str) -> None:
    """Two processes on one database: the second waits before its first statement, then gives up by name."""
    one, two = Database.open(url, busy_timeout_s=0.1), Database.open(url, busy_timeout_s=0.1)
    with one.write(), pytest.raises(sa.exc.DBAPIError) as caught, two.write():
        raise AssertionError("both wrote at the same time")
    assert two.is_outage(caught.value)
    with two.write():
        pass  # free again
    one.close()
    two.close()


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, database.write() as conn:
        note(conn, "dangling", answers="nothing")
    assert not database.is_outage(caught.value)


def test_sqlite_is_as_durable_as_it_can_be(sqlite_file: Database) -> None:
    with sqlite_file.write() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    with sqlite_file.read() as conn:
        assert conn.exec_driver_sql("PRAGMA query_only").scalar() == 1


def test_postgresql_waits_for_the_disk_whatever_the_servers_default(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    database = Database.open(f"{url}&options=-csynchronous_commit%3Doff")
    with database.write() as conn:
        assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert conn.exec_driver_sql("SHOW timezone").scalar() == "UTC"
    database.close()


def test_memory_databases_are_separate() -> None:
    one, two = Database.open("sqlite://"), Database.open("sqlite://")
    with one.write() as conn:
        METADATA.create_all(conn)
    with two.read() as conn:
        assert sa.inspect(conn).get_table_names() == []
    one.close()
    two.close()


def test_threads_may_share_a_database(database: Database) -> None:
    with database.write() as conn:
        note(conn, "seen")
    seen: list[list[str]] = []

    def look() -> None:
        with database.read() as conn:
            seen.append(notes(conn))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["seen"]] * 8


@pytest.mark.parametrize("bad", ["mysql://host/db", "no url at all", "sqlite+aiosqlite:///x.db"])
def test_other_databases_are_refused_by_name(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///PATH"):
        Database.open(bad)


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open"):
        Database.open(f"sqlite:///{tmp_path / 'nowhere' / 'fleet.db'}")
    with pytest.raises(StoreUnavailable, match="connection"):
        Database.open(f"postgresql+psycopg://someone:secret@/none?host={tmp_path}")


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        Database.open(f"sqlite:///{path}")


def test_the_password_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        Database.open(f"postgresql+psycopg://someone:secret@/none?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_paths_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "50% of a #farm?"
    path.mkdir()
    database = Database.open(sa.URL.create("sqlite", database=str(path / "fleet.db")).render_as_string())
    with database.write() as conn:
        METADATA.create_all(conn)
    database.close()
    assert (path / "fleet.db").stat().st_size > 0


def test_a_refused_statement_is_not_an_outage(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError) as caught, database.write() as conn:
        conn.exec_driver_sql("SELECT * FROM no_such_table")
    assert not database.is_outage(caught.value)
    assert not database.is_outage(ValueError())


def test_events_follow_savepoints_and_transactions(database: Database) -> None:
    with database.write() as conn:
        outbox = published(conn)
        note(conn, "1")
        with pytest.raises(ZeroDivisionError), conn.begin_nested():
            note(conn, "2")
            with conn.begin_nested():
                note(conn, "3")
            raise ZeroDivisionError
        with conn.begin_nested():
            note(conn, "4")
            with pytest.raises(ZeroDivisionError), conn.begin_nested():
                note(conn, "5")
                raise ZeroDivisionError
        assert outbox.events == ["1", "4"]
    with database.write() as conn:
        assert published(conn).events == []


def test_an_event_outside_a_write_transaction_is_a_bug(database: Database) -> None:
    with database.read() as conn, pytest.raises(RuntimeError, match="write transaction"):
        published(conn)
