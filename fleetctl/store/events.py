"""The append-only event log: every state change is a row, committed with the change itself (I5).

The sequence number is given inside the transaction that makes the event true, so numbers are dense and in
commit order. This module must not know who listens.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from fleetctl.store.outbox import published
from fleetctl.store.tables import events


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the log. `subject` is a human code or a machine name, `data` JSON text."""

    sequence: int
    at_s: float
    kind: str
    subject: str
    actor: str
    data: str


_next = sa.select(sa.func.coalesce(sa.func.max(events.c.sequence), 0) + 1)
_insert = events.insert()
_page = (
    sa.select(events)
    .where(events.c.sequence > sa.bindparam("after"))
    .order_by(events.c.sequence)
    .limit(sa.bindparam("size", type_=sa.Integer))
)


def append(conn: sa.Connection, kind: str, subject: str, *, at_s: float, actor: str, **data: Any) -> Event:
    """Add an event to the log and remember it for publication after COMMIT."""
    outbox = published(conn)
    event = Event(
        # The transaction excludes every other writer, so behind one of its own events comes the next number.
        sequence=outbox.events[-1].sequence + 1 if outbox.events else conn.execute(_next).scalar_one(),
        at_s=at_s,
        kind=kind,
        subject=subject,
        actor=actor,
        data=msgspec.json.encode(data).decode(),
    )
    conn.execute(_insert, msgspec.structs.asdict(event))
    outbox.append(event)
    return event


def page(conn: sa.Connection, after: int, limit: int) -> list[Event]:
    """Up to `limit` events with a number greater than `after`, in order."""
    return [Event(**row) for row in conn.execute(_page, {"after": after, "size": limit}).mappings()]


def last_sequence(conn: sa.Connection) -> int:
    """The number of the newest event; 0 when there is none."""
    return int(conn.execute(_next).scalar_one()) - 1


def about(conn: sa.Connection, subject: str, limit: int) -> list[Event]:
    """The newest events of one subject, newest first."""
    query = sa.select(events).where(events.c.subject == subject).order_by(events.c.sequence.desc()).limit(limit)
    return [Event(**row) for row in conn.execute(query).mappings()]


def of_kinds(conn: sa.Connection, subject: str, kinds: tuple[str, ...], among: int) -> list[Event]:
    """The events of these kinds of one subject among the newest `among` of all, newest first."""
    query = (
        sa.select(events)
        .where(events.c.sequence > last_sequence(conn) - among, events.c.subject == subject, events.c.kind.in_(kinds))
        .order_by(events.c.sequence.desc())
    )
    return [Event(**row) for row in conn.execute(query).mappings()]
