"""What people put on the operator panel of one machine: their macros, and where its camera gives pictures.

Not part of its configuration: no preflight pass depends on it.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.store.tables import settings


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """The panel of one machine. `macros`: name and lines, in the order in which they were made."""

    macros: dict[str, str] = {}
    camera_url: str = ""


def _key(machine_id: str) -> str:
    return f"panel:{machine_id}"


def get(conn: sa.Connection, machine_id: str) -> Panel:
    """The panel; an empty one when nobody put anything on it."""
    query = sa.select(settings.c.value).where(settings.c.key == _key(machine_id))
    value = conn.execute(query).scalar_one_or_none()
    return msgspec.json.decode(value, type=Panel) if value else Panel()


def put(conn: sa.Connection, machine_id: str, panel: Panel) -> None:
    """Keep the panel; an empty one is removed."""
    remove(conn, machine_id)
    if panel != Panel():
        conn.execute(settings.insert().values(key=_key(machine_id), value=msgspec.json.encode(panel).decode()))


def remove(conn: sa.Connection, machine_id: str) -> None:
    """Forget the panel, with its machine."""
    conn.execute(settings.delete().where(settings.c.key == _key(machine_id)))
