"""Indices for what is listed newest first: runs, and what happened to one machine, job, run or part.

Revision 0004. There is no way down: restore a backup instead.
"""

from __future__ import annotations

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: tuple[str, ...] | None = None
depends_on: tuple[str, ...] | None = None


def upgrade() -> None:
    op.create_index("ix_runs_created_s_id", "runs", ["created_s", "id"])
    op.create_index("ix_events_subject_sequence", "events", ["subject", "sequence"])
