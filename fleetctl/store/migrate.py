"""Migrations: brings a database to the schema of this code.

Responsible for running Alembic from inside the program and for refusing a database that is newer than the code. Must
not know what the tables mean; `migrations/versions/` says how they came to be.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from fleetctl.errors import StoreTooNew, StoreUnavailable
from fleetctl.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def head() -> str:
    """The revision that this code expects."""
    ...


def current(database: Database) -> str | None:
    """The revision of the database; None when it is empty."""
    ...


def upgrade(database: Database) -> str:
    """Bring the database to `head()` in one transaction and return that revision.

    Raises `StoreTooNew` when a newer fleetctl has written it, and changes nothing then.
    """
    ...
