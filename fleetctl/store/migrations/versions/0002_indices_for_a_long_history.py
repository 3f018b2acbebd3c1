"""Indices for a long history: what is looked up with every decision does not slow down with the years.

Revision 0002. There is no way down: restore a backup instead.
"""

from __future__ import annotations

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: tuple[str, ...] | None = None
depends_on: tuple[str, ...] | None = None


def upgrade() -> None:
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_index("ix_runs_machine_id_created_s", "runs", ["machine_id", "created_s"])
    op.create_index("ix_runs_state_settled", "runs", ["state", "settled"])
    op.create_index("ix_parts_job_id_state", "parts", ["job_id", "state"])
    op.create_index("ix_parts_state", "parts", ["state"])
