"""Migrations: brings a database to the schema of this code.

Responsible for running Alembic from inside the program and for refusing a database that is newer than the
code. Must not know what the tables mean; `migrations/versions/` says how they came to be. Developers make a
new one with `python -m fleetctl.store.migrate "what changes"`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from fleetctl.errors import StoreError, StoreTooNew
from fleetctl.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def head() -> str:
    """The revision that this code expects."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise StoreError(f"No migrations were found in {MIGRATIONS}.", hint="Install fleetctl again.")
    return revision


def current(database: Database) -> str | None:
    """The revision of the database; None when no migration has run on it."""
    with database.read() as conn:
        return _current(conn)


def upgrade(database: Database) -> str:
    """Bring the database to `head()` in one transaction and return that revision.

    Raises `StoreTooNew` when a newer fleetctl has written the database, `StoreUnavailable` when it cannot be
    written, and `StoreError` when a migration would break a foreign key; nothing is changed then.
    """
    target = head()
    try:
        with _exclusive(database) as conn:
            found = _current(conn)
            if found == target:
                return target
            _refuse_newer(database, found)
            command.upgrade(_config(conn), "head")
            _check_foreign_keys(database, conn)
    except sa.exc.DBAPIError as error:
        if database.is_outage(error):
            raise database.unavailable(error, "cannot be migrated") from error
        raise
    return target


@contextmanager
def _exclusive(database: Database) -> Iterator[sa.Connection]:
    """A write transaction in which SQLite does not act on foreign keys, so that a table can be made anew.

    The switch works only outside a transaction (sqlite.org/lang_altertable.html, section 7).
    """
    with database.write_engine.connect() as conn:
        sqlite = database.dialect == "sqlite"
        raw = conn.connection.dbapi_connection
        if sqlite:
            _pragma(raw, "foreign_keys=OFF")
        try:
            with conn.begin():
                yield conn
        finally:
            if sqlite:
                _pragma(raw, "foreign_keys=ON")


def _pragma(dbapi_connection: object, setting: str) -> None:
    """Set a pragma without SQLAlchemy, which would begin a transaction first."""
    dbapi_connection.execute(f"PRAGMA {setting}")  # type: ignore[attr-defined]


def _check_foreign_keys(database: Database, conn: sa.Connection) -> None:
    """Do by hand what SQLite did not do while foreign keys were off."""
    if database.dialect == "sqlite":
        broken = conn.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise StoreError(
                f"After the migration row {broken[1]} of {broken[0]} would point at nothing in {broken[2]}.",
                hint="Nothing was changed; please report this with a copy of the database.",
            )


def _refuse_newer(database: Database, found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise StoreTooNew(
            f"The database {database.url} has schema revision {found}, which this fleetctl "
            f"(revision {head()}) does not know.",
            hint="Install the newer fleetctl that wrote it, or restore a backup made before.",
        )


def _current(conn: sa.Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()


def _config(conn: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config


def draft(message: str) -> Path:
    """Write a new migration from what `tables.py` has and the migrations have not; a person checks it.

    Names it by the next free number and returns its path.
    """
    scripts = ScriptDirectory.from_config(_config())
    number = f"{len(list(scripts.walk_revisions())) + 1:04}"
    database = Database.open("sqlite://")
    try:
        if scripts.get_current_head() is not None:
            upgrade(database)
        with database.write() as conn:
            script = command.revision(_config(conn), message, autogenerate=True, rev_id=number)
    finally:
        database.close()
    if script is None or isinstance(script, list):
        raise StoreError("The change needs more than one migration; make them one by one.")
    path = Path(script.path)
    path.write_text(_for_both_databases(path.read_text("utf-8")), "utf-8")
    return path


def _for_both_databases(source: str) -> str:
    """Alembic compares on SQLite and renders truth as 0 and 1; PostgreSQL needs real booleans."""
    source = re.sub(r"(sa\.Boolean\(\), server_default=)sa\.text\('([01])'\)", _boolean_default, source)
    return re.sub(r"sa\.text\('(\w+) IS 1'\)", r'sa.column("\1").is_(sa.true())', source)


def _boolean_default(match: re.Match[str]) -> str:
    return match[1] + ("sa.true()" if match[2] == "1" else "sa.false()")


if __name__ == "__main__":
    sys.stdout.write(f"{draft(sys.argv[1])}\n")
