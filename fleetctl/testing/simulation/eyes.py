"""Looks at the committed record directly, beside the code under test: a few statements on a plain connection.

Responsible only for reading. It must not use the repositories, so that the two check each other.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple, cast

from fleetctl.store.database import Database


class ActiveRun(NamedTuple):
    """The run that holds a machine."""

    id: str
    code: str
    program_sha256: str
    state: str
    started: bool
    resumes: str | None = None


class Eyes:
    """A connection that only reads; valid between transactions."""

    def __init__(self, database: Database) -> None:
        self._pooled = database.read_engine.raw_connection()
        self.connection = cast(sqlite3.Connection, self._pooled.driver_connection)

    def close(self) -> None:
        """Give the connection back."""
        self._pooled.close()

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """All rows of a query."""
        return self.connection.execute(statement, values).fetchall()

    def active_run(self, machine: str) -> ActiveRun | None:
        """The run that is active on the machine of this name."""
        row = self.connection.execute(
            "SELECT r.id, r.code, r.program_sha256, r.state, r.started, r.resumes_run_id FROM runs r"
            " JOIN machines m ON m.id = r.machine_id WHERE r.active AND m.name = ?",
            (machine,),
        ).fetchone()
        return None if row is None else ActiveRun(row[0], row[1], row[2], row[3], bool(row[4]), row[5])

    def parent(self, sha256: str) -> str | None:
        """The hash of the program that this one was made of."""
        row = self.connection.execute("SELECT parent_sha256 FROM programs WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else row[0]

    def interrupted_run(self, machine: str) -> str | None:
        """The code of the newest interrupted run of a machine about which nobody has decided."""
        row = self.connection.execute(
            "SELECT r.code FROM runs r JOIN machines m ON m.id = r.machine_id WHERE m.name = ?"
            " AND r.state = 'interrupted' AND NOT r.settled ORDER BY r.created_s DESC, r.code DESC LIMIT 1",
            (machine,),
        ).fetchone()
        return None if row is None else str(row[0])

    def last_sequence(self) -> int:
        """The number of the newest event."""
        return int(self.connection.execute("SELECT coalesce(max(sequence), 0) FROM events").fetchone()[0])

    def open_jobs(self) -> list[str]:
        """The codes of jobs that are not over."""
        found = self.rows("SELECT code FROM jobs WHERE state NOT IN ('done', 'cancelled') ORDER BY code")
        return [str(code) for (code,) in found]
