"""Databases for the tests of the store: SQLite on disk and in memory, and a throwaway PostgreSQL server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from fleetctl.store.database import Database
from fleetctl.store.outbox import published

METADATA = sa.MetaData()

NOTES = sa.Table(
    "notes",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("text", sa.String(2000), nullable=False, unique=True),
    # Checked only at COMMIT, so that a COMMIT can be made to fail on either database.
    sa.Column(
        "answers",
        sa.String(2000),
        sa.ForeignKey("notes.text", deferrable=True, initially="DEFERRED"),
        nullable=True,
    ),
)


def note(conn: sa.Connection, text: str, answers: str | None = None) -> str:
    """Write a note and remember its event, as a repository does."""
    conn.execute(NOTES.insert().values(text=text, answers=answers))
    published(conn).append(text)
    return text


def notes(conn: sa.Connection) -> list[str]:
    """Every note in the order of writing."""
    return list(conn.execute(sa.select(NOTES.c.text).order_by(NOTES.c.position)).scalars())


class PostgresServer:
    """A server on a Unix socket in a directory of its own; it lives as long as the tests and is not durable."""

    def __init__(self, programs: Path, directory: Path, prefix: list[str]) -> None:
        self._programs, self._directory, self._prefix = programs, directory, prefix
        self._call("initdb", "-D", "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self._directory} -c fsync=off"
        self._call("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """The URL of an empty database; the one before it is emptied, which is quicker than making another."""
        with psycopg.connect(f"host={self._directory} user=postgres", autocommit=True) as conn:
            conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return f"postgresql+psycopg://postgres@/postgres?host={self._directory}"

    def _call(self, program: str, *arguments: str) -> None:
        # Output goes to a file: the server would keep a pipe open and the call would never end.
        with (self._directory / "calls").open("ab") as output:
            command = [*self._prefix, str(self._programs / program), *arguments]
            subprocess.run(
                command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=True,
            )


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


def _another_user() -> pwd.struct_passwd | None:
    """Whom to run the server as: it refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server programs (initdb, pg_ctl) on this computer")
    with tempfile.TemporaryDirectory(prefix="fleetctl-pg-") as name:
        directory, prefix = Path(name), []
        if os.geteuid() == 0:
            user = _another_user()
            if user is None or shutil.which("setpriv") is None:
                pytest.skip("PostgreSQL does not run as root, and there is no other user to run it as")
            os.chown(directory, user.pw_uid, user.pw_gid)
            prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        server = PostgresServer(programs, directory, prefix)
        yield server
        server.stop()


KINDS = ["sqlite file", "sqlite memory", "postgresql"]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite memory":
        return "sqlite://"
    if request.param == "sqlite file":
        return f"sqlite:///{tmp_path / 'fleet.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def empty_database(url: str) -> Iterator[Database]:
    database = Database.open(url, busy_timeout_s=0.2)
    yield database
    database.close()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """An open database of each kind, with the notes table."""
    with empty_database.write() as conn:
        METADATA.create_all(conn)
    return empty_database


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Iterator[Database]:
    """A SQLite database on disk with the notes table."""
    database = Database.open(f"sqlite:///{tmp_path / 'fleet.db'}", busy_timeout_s=0.2)
    with database.write() as conn:
        METADATA.create_all(conn)
    yield database
    database.close()
