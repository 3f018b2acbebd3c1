"""The board of a machine: which one is on record, and which one answered last.

Revision 0003. There is no way down: restore a backup instead.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: tuple[str, ...] | None = None
depends_on: tuple[str, ...] | None = None


def upgrade() -> None:
    for name in ("board", "board_answered"):
        op.add_column("machines", sa.Column(name, sa.Text, nullable=False, server_default="{}"))
