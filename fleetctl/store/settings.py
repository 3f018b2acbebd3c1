"""Small facts of the site as a whole: the stop latch, and the counters behind human codes."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.model.identity import CodeKind, human_code
from fleetctl.store.tables import counters, settings

_STOP = "stop"
_value = sa.select(settings.c.value).where(settings.c.key == sa.bindparam("of_key"))
_count = (
    counters.update()
    .where(counters.c.kind == sa.bindparam("of_kind"))
    .values(last=counters.c.last + 1)
    .returning(counters.c.last)
)


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """The latch of the stop for everything (I15), and how each machine (by name) took the last stop.

    `stop_id` names the newest stop, released or not.
    """

    stopped: bool = False
    stop_id: str = ""
    by: str = ""
    at_s: float | None = None
    outcomes: dict[str, str] = {}
    last_byte_s: float | None = None


def stop(conn: sa.Connection) -> Stop:
    """The latch as stored; open when nobody ever pressed it."""
    value = conn.execute(_value, {"of_key": _STOP}).scalar_one_or_none()
    return msgspec.json.decode(value, type=Stop) if value else Stop()


def set_stop(conn: sa.Connection, value: Stop) -> None:
    """Store the latch."""
    _put(conn, _STOP, msgspec.json.encode(value).decode())


def _put(conn: sa.Connection, key: str, value: str) -> None:
    updated = conn.execute(settings.update().where(settings.c.key == key).values(value=value))
    if updated.rowcount == 0:
        conn.execute(settings.insert().values(key=key, value=value))


def next_code(conn: sa.Connection, kind: CodeKind) -> str:
    """A fresh human code of this site."""
    updated = conn.execute(_count, {"of_kind": kind.value}).scalar_one_or_none()
    if updated is None:
        conn.execute(counters.insert().values(kind=kind.value, last=1))
        updated = 1
    return human_code(kind, updated)
