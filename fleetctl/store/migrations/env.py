"""What Alembic runs for each command: hands it our open connection and our tables.

The connection, already inside a write transaction, comes from `fleetctl.store.migrate`; there is no offline
mode and no `alembic.ini`, so that a migration always runs with the daemon's own durability settings.
"""

from __future__ import annotations

from alembic import context

from fleetctl.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    transactional_ddl=True,
    compare_type=True,
)

with context.begin_transaction():
    context.run_migrations()
