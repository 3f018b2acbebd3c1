"""The database handle: opens SQLite or PostgreSQL so that both keep the same promises to the store.

Responsible for connections, transaction modes, durability settings and for telling an outage from a refused
statement. Must not know tables, units of work or event loops.

The promises, on both databases: a write transaction excludes every other write transaction from its first
statement on; COMMIT returns only when the change survives a power cut; a read transaction sees one snapshot
and cannot write; savepoints work; foreign keys are enforced.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from fleetctl.errors import ConfigurationError, StoreUnavailable
from fleetctl.store.outbox import track_outbox

BUSY_TIMEOUT_S = 5.0
"""How long a transaction waits for another process's lock before it gives up."""

READER_CONNECTIONS = 4
"""Upper bound of simultaneous read transactions."""

_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
_POSTGRESQL_WRITE_LOCK = 0x666C6565
"""Key of the advisory lock that makes write transactions exclude each other (ASCII "flee")."""

# Primary SQLite result codes (sqlite.org/rescode.html) that mean "the store, not the statement": BUSY,
# LOCKED, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
_SQLITE_OUTAGE_CODES = frozenset({5, 6, 7, 8, 10, 11, 13, 14, 15, 26})

# SQLSTATE classes (PostgreSQL manual, appendix A): 08 connection, 40 deadlock or serialization, 53 resources,
# 55 lock not available, 57 operator intervention, 58 system, XX internal. 25006 is a server that only reads.
_POSTGRESQL_OUTAGE_CLASSES = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_POSTGRESQL_READ_ONLY = "25006"

_memory_names = itertools.count(1)


class Database:
    """An open database: one engine for the writer, one for readers.

    `write_engine` begins transactions that exclude other writers (one connection). `read_engine` begins
    read-only snapshots (up to `READER_CONNECTIONS`). `url` is safe to log: its password is masked.
    """

    def __init__(
        self,
        url: sa.URL,
        write_engine: sa.Engine,
        read_engine: sa.Engine,
        anchor: sqlite3.Connection | None = None,
    ) -> None:
        self.url = url.render_as_string(hide_password=True)
        self.write_engine = write_engine
        self.read_engine = read_engine
        self._anchor = anchor
        track_outbox(write_engine)

    @classmethod
    def open(cls, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
        """Open `sqlite:///path`, `sqlite://` (in memory, gone when closed) or `postgresql+psycopg://...`.

        The connection is tried at once. Raises `ConfigurationError` for a URL of another kind and
        `StoreUnavailable` when the database cannot be opened with the durability that is asked of it.
        """
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise ConfigurationError(f"{url!r} is not a database URL.", hint=_URL_HINT) from error
        if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
            database = _open_sqlite(parsed, busy_timeout_s)
        elif parsed.drivername in ("postgresql", "postgresql+psycopg"):
            database = _open_postgresql(parsed.set(drivername="postgresql+psycopg"), busy_timeout_s)
        else:
            raise ConfigurationError(f"{parsed.drivername} databases are not supported.", hint=_URL_HINT)
        try:
            with database.read():
                pass
        except sa.exc.DBAPIError as error:
            database.close()
            raise database.unavailable(error, "cannot be opened") from error
        except StoreUnavailable:
            database.close()
            raise
        return database

    @property
    def dialect(self) -> str:
        """`"sqlite"` or `"postgresql"`."""
        return self.write_engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A connection inside a write transaction: left normally it commits, left by an error it rolls back.

        For start-up work and tools. The running daemon writes only through `store.writer`.
        """
        with self.write_engine.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection inside one read-only snapshot, closed when left."""
        with self.read_engine.connect() as conn, conn.begin() as snapshot:
            yield conn
            snapshot.rollback()

    def close(self) -> None:
        """Close every connection that is not in use; SQLite folds its journal into the database file."""
        self.read_engine.dispose()
        self.write_engine.dispose()
        if self._anchor is not None:
            self._anchor.close()

    def is_outage(self, error: BaseException) -> bool:
        """Whether `error` says that the database could not work, rather than that it refused a statement."""
        if isinstance(error, StoreUnavailable):
            return True
        if not isinstance(error, sa.exc.DBAPIError):
            return False
        if error.connection_invalidated:
            return True
        if isinstance(error.orig, sqlite3.Error):
            code = getattr(error.orig, "sqlite_errorcode", None)
            return code is not None and code & 0xFF in _SQLITE_OUTAGE_CODES
        sqlstate = getattr(error.orig, "sqlstate", None)
        if sqlstate is None:  # psycopg could not even reach the server
            return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        return sqlstate == _POSTGRESQL_READ_ONLY or str(sqlstate)[:2] in _POSTGRESQL_OUTAGE_CLASSES

    def unavailable(self, error: BaseException, what: str) -> StoreUnavailable:
        """The named error for an outage: `what` happened to this database, because of `error`."""
        if isinstance(error, StoreUnavailable):
            return error
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
        return StoreUnavailable(
            f"The database {self.url} {what}: {str(cause).strip() or type(cause).__name__}.",
            hint="Running machines go on and nothing new starts; check the disk or the database server.",
        )

    def commit_ticket(self, conn: sa.Connection) -> str | None:
        """What `has_committed` needs to learn the fate of this transaction; None where it cannot be in doubt.

        Only a server can commit and lose the acknowledgement; SQLite's COMMIT has either happened or not.
        """
        if self.dialect != "postgresql":
            return None
        ticket = conn.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text").scalar_one()
        return None if ticket is None else str(ticket)

    def has_committed(self, ticket: str) -> bool:
        """Whether the write transaction of `ticket` was committed; call it after its COMMIT raised.

        Begins a write transaction, which waits until the one in doubt has ended, so the answer is final.
        Raises `sqlalchemy.exc.DBAPIError` when the server cannot be asked.
        """
        with self.write() as conn:
            status = conn.execute(sa.text("SELECT pg_xact_status(CAST(:ticket AS xid8))"), {"ticket": ticket})
            return bool(status.scalar_one() == "committed")


_URL_HINT = "Use sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME."


def _open_sqlite(url: sa.URL, busy_timeout_s: float) -> Database:
    """Two engines over one file, or over one in-memory database."""
    in_memory = url.database in (None, "", ":memory:")
    if in_memory:
        # The memdb file system shares a database between connections of a process when its name begins with
        # "/".
        target = f"file:/fleetctl-{next(_memory_names)}?vfs=memdb"
    else:
        target = Path(str(url.database)).absolute().as_uri()

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            target, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, uri=True
        )

    def engine(pool_size: int) -> sa.Engine:
        return sa.create_engine(
            "sqlite://", creator=connect, poolclass=QueuePool, pool_size=pool_size, max_overflow=0
        )

    write_engine, read_engine = engine(1), engine(READER_CONNECTIONS)
    _on_connect(write_engine, _sqlite_durable)
    _on_connect(read_engine, _sqlite_durable, _sqlite_query_only)
    # isolation_level=None leaves BEGIN to us: pysqlite's own would come late, not for every statement, and
    # break savepoints. IMMEDIATE takes the write lock at once, so that a transaction never fails half way for
    # want of it.
    _on_begin(write_engine, "BEGIN IMMEDIATE")
    _on_begin(read_engine, "BEGIN")
    # An in-memory database lasts as long as a connection to it.
    database = Database(url, write_engine, read_engine, anchor=connect() if in_memory else None)
    try:
        write_engine.connect().close()  # create the file and switch to WAL before the first reader comes
    except sa.exc.DBAPIError as error:
        database.close()
        raise database.unavailable(error, "cannot be opened") from error
    return database


def _open_postgresql(url: sa.URL, busy_timeout_s: float) -> Database:
    """Two engines on one server; each connection is tested before use, so a restarted server is found."""
    arguments = {"connect_timeout": max(1, round(busy_timeout_s))}
    # One connection writes; the overflow one asks for the fate of a COMMIT while the lost one is still in
    # hand.
    write_engine = sa.create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True, connect_args=arguments)
    read_engine = sa.create_engine(
        url, pool_size=READER_CONNECTIONS, max_overflow=0, pool_pre_ping=True, connect_args=arguments
    )

    def settings(cursor: Any) -> None:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(f"SET lock_timeout = '{round(busy_timeout_s * 1000)}ms'")
        cursor.execute("SELECT current_setting('synchronous_commit')")
        if cursor.fetchone()[0] == "off":  # the server's default may trade durability for speed; we may not
            cursor.execute("SET synchronous_commit = on")

    _on_connect(write_engine, settings)
    _on_connect(read_engine, settings)
    # READ COMMITTED on purpose: a stricter level would take its snapshot before the lock is granted.
    _on_begin(write_engine, f"SELECT pg_advisory_xact_lock({_POSTGRESQL_WRITE_LOCK})")
    _on_begin(read_engine, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return Database(url, write_engine, read_engine)


def _sqlite_durable(cursor: Any) -> None:
    """WAL, so that readers never block the writer; FULL, so that COMMIT waits for the disk."""
    mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode not in ("wal", "memory"):
        raise StoreUnavailable(
            f"SQLite cannot keep a write-ahead log here (journal mode stayed {mode!r}).",
            hint="Put the data directory on a local disk; network file systems do not work.",
        )
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA trusted_schema=OFF")
    cursor.execute(f"PRAGMA journal_size_limit={_JOURNAL_LIMIT_BYTES}")


def _sqlite_query_only(cursor: Any) -> None:
    cursor.execute("PRAGMA query_only=ON")


def _on_connect(engine: sa.Engine, *settings: Callable[[Any], None]) -> None:
    """Run `settings` on every new connection, outside any transaction."""

    @sa.event.listens_for(engine, "connect")
    def apply(dbapi_connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = dbapi_connection.cursor()
        for setting in settings:
            setting(cursor)
        cursor.close()
        dbapi_connection.commit()


def _on_begin(engine: sa.Engine, statement: str) -> None:
    """Send `statement` first in every transaction."""

    @sa.event.listens_for(engine, "begin")
    def begin(conn: sa.Connection) -> None:
        conn.exec_driver_sql(statement)
