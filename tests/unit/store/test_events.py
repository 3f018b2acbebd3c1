"""The numbers of events: dense, and given by the transaction that makes them true."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from fleetctl.store import events, group, migrate
from fleetctl.store.database import Database


@pytest.fixture
def memory() -> Iterator[Database]:
    database = Database.open("sqlite://")
    migrate.upgrade(database)
    yield database
    database.close()


def append(conn: sa.Connection, *kinds: str) -> list[int]:
    return [events.append(conn, kind, "K1", at_s=0.0, actor="tester").sequence for kind in kinds]


def test_numbers_are_dense_whatever_is_undone(memory: Database) -> None:
    def unit(conn: sa.Connection) -> None:
        append(conn, "one")
        undone = conn.begin_nested()
        append(conn, "undone", "undone too")
        undone.rollback()
        append(conn, "two")

    def failing(conn: sa.Connection) -> None:
        append(conn, "lost", "lost too")
        raise ZeroDivisionError

    def first_undone(conn: sa.Connection) -> None:
        undone = conn.begin_nested()
        append(conn, "undone")
        undone.rollback()
        append(conn, "four")

    result = group.run_group(memory, [unit, failing, lambda conn: append(conn, "three"), first_undone])
    assert [(event.sequence, event.kind) for event in result.events] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
        (4, "four"),
    ]
    with memory.read() as conn:
        assert events.page(conn, 0, 10) == result.events
    assert group.run_group(memory, [failing, lambda conn: append(conn, "five")]).events[0].sequence == 5
