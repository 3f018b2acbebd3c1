"""Rows with an `id` and a `version` that counts every change. Statements are built once for each set of columns:
building one takes as long as running it.

Must not know what the columns mean.
"""

from __future__ import annotations

import functools

import sqlalchemy as sa


def change(conn: sa.Connection, table: sa.Table, row_id: str, values: dict[str, object]) -> None:
    """Change columns of one row; its version counts up. Nothing happens when there is no such row."""
    given = {f"new_{column}": value for column, value in values.items()}
    conn.execute(_update(table, *values), {"row_id": row_id, **given})


@functools.lru_cache(256)
def _update(table: sa.Table, *columns: str) -> sa.Update:
    # A parameter must not be called like a column of the table: the statement would take it for a value of its own.
    values: dict[str, object] = {
        column: sa.bindparam(f"new_{column}", type_=table.c[column].type) for column in columns
    }
    values["version"] = table.c.version + 1
    return table.update().where(table.c.id == sa.bindparam("row_id")).values(values)
