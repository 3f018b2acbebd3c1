"""The outbox: the events of a write transaction, kept until its COMMIT tells the world.

Responsible for dropping what a rolled-back savepoint or transaction had appended, so that nobody hears of a
change that did not happen. Must not know what an event is or who is told.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import sqlalchemy as sa

Event: TypeAlias = Any
"""Whatever `store.events` remembers for publication; the writer only carries it."""

_KEY = "fleetctl.outbox"


class Outbox:
    """Events appended in one write transaction, in order, with a mark for each open savepoint."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.guarded = False
        """While a unit of work runs, ending the transaction is not its business and is refused."""
        self._marks: list[int] = []

    def append(self, event: Event) -> None:
        """Remember `event`; it is published after COMMIT unless what appended it is rolled back."""
        self.events.append(event)

    def mark(self) -> None:
        self._marks.append(len(self.events))

    def keep(self) -> None:
        self._marks.pop()

    def drop(self) -> None:
        del self.events[self._marks.pop() :]


def published(conn: sa.Connection) -> Outbox:
    """The outbox of the write transaction that `conn` is in.

    Raises RuntimeError outside one: an event appended there would never be published.
    """
    outbox: Outbox | None = conn.info.get(_KEY)
    if outbox is None:
        raise RuntimeError("events can be appended only inside a write transaction of the store")
    return outbox


def track_outbox(engine: sa.Engine) -> None:
    """Give every transaction of `engine` an outbox that follows its savepoints.

    A connection that was lost or discarded took its outbox along; nothing is left to do for it.
    """

    def end(conn: sa.Connection) -> None:
        if conn.invalidated:
            return
        outbox: Outbox | None = conn.info.get(_KEY)
        if outbox is not None and outbox.guarded:
            raise RuntimeError("a unit of work must not commit or roll back; raise to undo it")
        conn.info.pop(_KEY, None)

    @sa.event.listens_for(engine, "begin")
    def begin(conn: sa.Connection) -> None:
        conn.info[_KEY] = Outbox()

    @sa.event.listens_for(engine, "savepoint")
    def savepoint(conn: sa.Connection, _name: str | None) -> None:
        published(conn).mark()

    @sa.event.listens_for(engine, "rollback_savepoint")
    def rollback_savepoint(conn: sa.Connection, _name: str, _context: None) -> None:
        if not conn.invalidated:
            published(conn).drop()

    @sa.event.listens_for(engine, "release_savepoint")
    def release_savepoint(conn: sa.Connection, _name: str, _context: None) -> None:
        published(conn).keep()

    sa.event.listen(engine, "commit", end)
    sa.event.listen(engine, "rollback", end)
