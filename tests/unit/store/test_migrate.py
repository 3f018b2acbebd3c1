from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from fleetctl.errors import StoreError, StoreTooNew, StoreUnavailable
from fleetctl.store import migrate
from fleetctl.store.database import Database
from fleetctl.store.tables import metadata

VERSION_TABLE = "alembic_version"


def schema(database: Database) -> dict[str, Any]:
    """Everything the database knows of its tables, in words that can be compared."""
    with database.read() as conn:
        inspector = sa.inspect(conn)
        names = [name for name in inspector.get_table_names() if name != VERSION_TABLE]
        tables: dict[str, Any] = {
            name: {
                "columns": [
                    (each["name"], str(each["type"]), each["nullable"], each["default"])
                    for each in inspector.get_columns(name)
                ],
                "primary key": inspector.get_pk_constraint(name),
                "foreign keys": _sorted(inspector.get_foreign_keys(name)),
                "unique": _sorted(inspector.get_unique_constraints(name)),
                "checks": _sorted(inspector.get_check_constraints(name)),
            }
            for name in sorted(names)
        }
        if database.dialect == "sqlite":
            query = "SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') ORDER BY name"
        else:
            query = (
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
                f"AND tablename != '{VERSION_TABLE}' ORDER BY indexname"
            )
        rows = conn.exec_driver_sql(query).all()
        tables["indexes"] = {name: re.sub(r"\s+", " ", sql) for name, sql in rows if sql is not None}
    return tables


def _sorted(constraints: Any) -> list[str]:
    return sorted(str(each) for each in constraints)


def test_the_migrations_make_the_schema_of_the_code(empty_database: Database) -> None:
    """On SQLite and on PostgreSQL, partial unique indexes with their WHERE included."""
    assert migrate.upgrade(empty_database) == migrate.head()
    with empty_database.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), metadata) == []
    migrated = schema(empty_database)
    with empty_database.write() as conn:
        metadata.drop_all(conn)
        metadata.create_all(conn)
    assert migrated == schema(empty_database)


def test_the_database_refuses_a_second_active_run_and_a_second_live_part(empty_database: Database) -> None:
    """Invariant I1 stands in the migrated schema, not only in `tables.py`."""
    migrate.upgrade(empty_database)
    indexes = schema(empty_database)["indexes"]
    for name, condition in (("uq_runs_machine_active", "active"), ("uq_parts_job_place_live", "live")):
        assert indexes[name].startswith("CREATE UNIQUE INDEX")
        assert re.search(rf"WHERE .*{condition} IS (1|true)", indexes[name], re.IGNORECASE)


def test_current_is_none_then_head(empty_database: Database) -> None:
    assert migrate.current(empty_database) is None
    migrate.upgrade(empty_database)
    assert migrate.current(empty_database) == migrate.head()


def test_a_second_upgrade_changes_nothing(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    before = schema(empty_database)
    migrate.upgrade(empty_database)
    assert schema(empty_database) == before


def test_a_database_newer_than_the_code_is_refused_and_left_alone(empty_database: Database) -> None:
    migrate.upgrade(empty_database)
    with empty_database.write() as conn:
        conn.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreTooNew, match="9999") as caught:
        migrate.upgrade(empty_database)
    assert caught.value.hint is not None
    assert migrate.current(empty_database) == "9999"


def _with_a_broken_second_migration(directory: Path, upgrade: str) -> None:
    """A copy of the migrations with one more that `upgrade` describes."""
    for source in migrate.MIGRATIONS.rglob("*"):
        if source.is_file() and source.suffix != ".pyc":
            target = directory / source.relative_to(migrate.MIGRATIONS)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    (directory / "versions" / "broken.py").write_text(
        f'from alembic import op\nrevision = "broken"\ndown_revision = {migrate.head()!r}\n'
        f"def upgrade():\n    {upgrade}\n"
    )


def test_a_migration_that_fails_changes_nothing(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(empty_database)
    before, revision = schema(empty_database), migrate.current(empty_database)
    _with_a_broken_second_migration(
        tmp_path / "migrations", 'op.drop_table("tokens"); op.execute("SELECT * FROM nowhere")'
    )
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path / "migrations")
    with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
        migrate.upgrade(empty_database)
    assert schema(empty_database) == before
    assert migrate.current(empty_database) == revision


@pytest.mark.parametrize("url", ["sqlite file"], indirect=True)
def test_a_migration_that_breaks_a_foreign_key_is_refused(
    empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(empty_database)
    before = schema(empty_database)
    insert = (
        "INSERT INTO results (id, part_id, check_name, result, given_by, at_s) VALUES (1, 1, 'c', 'pass', 'x', 0)"
    )
    _with_a_broken_second_migration(tmp_path / "migrations", f"op.execute({insert!r})")
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path / "migrations")
    with pytest.raises(StoreError, match="results"):
        migrate.upgrade(empty_database)
    assert schema(empty_database) == before
    with empty_database.write() as conn:
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.parametrize("url", ["sqlite file", "postgresql"], indirect=True)
def test_a_locked_database_cannot_be_migrated(url: str, empty_database: Database) -> None:
    other = Database.open(url)
    with other.write(), pytest.raises(StoreUnavailable, match="cannot be migrated"):
        migrate.upgrade(empty_database)
    other.close()
    migrate.upgrade(empty_database)


def test_without_migrations_there_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "versions").mkdir()
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    with pytest.raises(StoreError, match="No migrations"):
        migrate.head()


def test_a_draft_of_what_changed_is_for_both_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The draft of everything from nothing equals the hand-checked migrations taken together."""
    for name in ("env.py", "script.py.mako"):
        (tmp_path / name).write_bytes((migrate.MIGRATIONS / name).read_bytes())
    (tmp_path / "versions").mkdir()
    one = Database.open("sqlite://")
    migrate.upgrade(one)
    monkeypatch.setattr(migrate, "MIGRATIONS", tmp_path)
    path = migrate.draft("everything")
    source = path.read_text()
    assert path.name == "0001_everything.py"
    assert "IS 1" not in source
    assert 'sa.column("active").is_(sa.true())' in source
    two = Database.open("sqlite://")
    assert migrate.upgrade(two) == "0001"
    assert schema(one) == schema(two)
    one.close()
    two.close()


def test_the_migrations_are_in_the_packages_that_a_wheel_takes() -> None:
    """Alembic reads them as files, so each folder must be a package and the files must be beside the code."""
    command = [sys.executable, "-c", "import fleetctl.store.migrations.versions as v; print(v.__file__)"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(found).parent == migrate.MIGRATIONS / "versions"
