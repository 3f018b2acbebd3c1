"""Alembic's environment and the migrations; run by `fleetctl.store.migrate`, never imported by the daemon."""
