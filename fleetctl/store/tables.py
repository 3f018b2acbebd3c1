"""The schema, in one file. The database itself refuses a second active run per machine and a second live part
per place (I1), whatever the code believes.

Times are Unix seconds UTC (`_s`), identifiers UUIDv7 text, structured values canonical JSON text. This module
must not know any query.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = sa.String(36)
SHA256 = sa.String(64)
SECONDS: sa.Double[float] = sa.Double()


def _json(name: str, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


settings = sa.Table(
    "settings",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("last", sa.BigInteger, nullable=False),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("journal_id", ID, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
)

machines = sa.Table(
    "machines",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("driver", sa.String(32), nullable=False),
    sa.Column("port", sa.Text, nullable=False),
    sa.Column("group_name", sa.String(64), nullable=False, server_default=""),
    sa.Column("agent", sa.String(64), nullable=False),
    _json("profile", "{}"),
    _json("setup", "{}"),
    _json("options", "{}"),
    sa.Column("configuration_hash", SHA256, nullable=False),
    sa.Column("unattended_by", sa.String(64)),
    sa.Column("unattended_at_s", SECONDS),
    sa.Column("link", sa.String(16), nullable=False),
    sa.Column("activity", sa.String(16), nullable=False),
    sa.Column("clearance", sa.String(16), nullable=False),
    sa.Column("service", sa.String(16), nullable=False),
    sa.Column("position", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("firmware", sa.Text, nullable=False, server_default=""),
    sa.Column("since_s", SECONDS, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    _json("board", "{}"),
    _json("board_answered", "{}"),
)

programs = sa.Table(
    "programs",
    metadata,
    sa.Column("sha256", SHA256, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("dialect", sa.String(32), nullable=False),
    _json("analysis", "{}"),
    sa.Column("parent_sha256", SHA256),
    sa.Column("transformation", sa.Text),
    sa.Column("created_s", SECONDS, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("code", sa.String(16), nullable=False, unique=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("placed_by", sa.String(64), nullable=False),
    sa.Column("created_s", SECONDS, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("code", sa.String(16), nullable=False, unique=True),
    sa.Column("order_id", ID, sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("program_sha256", SHA256, sa.ForeignKey("programs.sha256"), nullable=False),
    sa.Column("yield_parts", sa.Integer, nullable=False, server_default="1"),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("held_reason", sa.Text, nullable=False, server_default=""),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_s", SECONDS),
    sa.Column("material", sa.String(64), nullable=False, server_default=""),
    sa.Column("machine_id", ID, sa.ForeignKey("machines.id")),
    sa.Column("group_name", sa.String(64), nullable=False, server_default=""),
    sa.Column("remake_interrupted", sa.String(16), nullable=False, server_default="at_clear"),
    sa.Column("failed_in_a_row", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_s", SECONDS, nullable=False),
    sa.Column("done_s", SECONDS),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.CheckConstraint("quantity >= 1", name="quantity"),
    sa.CheckConstraint("yield_parts >= 1", name="yield"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("code", sa.String(16), nullable=False, unique=True),
    sa.Column("job_id", ID, sa.ForeignKey("jobs.id"), nullable=False),
    sa.Column("machine_id", ID, sa.ForeignKey("machines.id"), nullable=False),
    sa.Column("program_sha256", SHA256, sa.ForeignKey("programs.sha256"), nullable=False),
    sa.Column("configuration_hash", SHA256, nullable=False),
    sa.Column("rule_set", sa.String(32), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("started", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("acknowledged_line", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("planner_depth", sa.Integer, nullable=False, server_default="0"),
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("resumes_run_id", ID),
    sa.Column("not_after_s", SECONDS, nullable=False),
    sa.Column("created_s", SECONDS, nullable=False),
    sa.Column("started_s", SECONDS),
    sa.Column("ended_s", SECONDS),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
)

ONE_ACTIVE_RUN_PER_MACHINE = sa.Index(
    "uq_runs_machine_active",
    runs.c.machine_id,
    unique=True,
    sqlite_where=runs.c.active.is_(sa.true()),
    postgresql_where=runs.c.active.is_(sa.true()),
)

sa.Index("ix_runs_job_id", runs.c.job_id)
sa.Index("ix_runs_machine_id_created_s", runs.c.machine_id, runs.c.created_s)
sa.Index("ix_runs_created_s_id", runs.c.created_s, runs.c.id)
sa.Index("ix_runs_state_settled", runs.c.state, runs.c.settled)
sa.Index("ix_jobs_state", jobs.c.state)

parts = sa.Table(
    "parts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("code", sa.String(16), nullable=False, unique=True),
    sa.Column("job_id", ID, sa.ForeignKey("jobs.id"), nullable=False),
    sa.Column("run_id", ID, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("place", sa.Integer),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("created_s", SECONDS, nullable=False),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.UniqueConstraint("run_id", "ordinal"),
)

ONE_LIVE_PART_PER_PLACE = sa.Index(
    "uq_parts_job_place_live",
    parts.c.job_id,
    parts.c.place,
    unique=True,
    sqlite_where=parts.c.live.is_(sa.true()),
    postgresql_where=parts.c.live.is_(sa.true()),
)

sa.Index("ix_parts_job_id_state", parts.c.job_id, parts.c.state)
sa.Index("ix_parts_state", parts.c.state)

results = sa.Table(
    "results",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("part_id", ID, sa.ForeignKey("parts.id"), nullable=False, index=True),
    sa.Column("check_name", sa.String(64), nullable=False),
    sa.Column("result", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("characteristic", sa.Text, nullable=False, server_default=""),
    sa.Column("value", sa.Double),
    sa.Column("least", sa.Double),
    sa.Column("greatest", sa.Double),
    sa.Column("unit", sa.String(16), nullable=False, server_default=""),
    sa.Column("given_by", sa.String(64), nullable=False),
    sa.Column("at_s", SECONDS, nullable=False),
)

dispositions = sa.Table(
    "dispositions",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("part_id", ID, sa.ForeignKey("parts.id"), nullable=False, index=True),
    sa.Column("disposition", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("given_by", sa.String(64), nullable=False),
    sa.Column("at_s", SECONDS, nullable=False),
)

preflights = sa.Table(
    "preflights",
    metadata,
    sa.Column("program_sha256", SHA256, sa.ForeignKey("programs.sha256"), primary_key=True),
    sa.Column("configuration_hash", SHA256, primary_key=True),
    sa.Column("rule_set", sa.String(32), primary_key=True),
    sa.Column("passed", sa.Boolean, nullable=False),
    _json("findings", "[]"),
    sa.Column("at_s", SECONDS, nullable=False),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("agent", sa.String(64), nullable=False),
    sa.Column("run_id", ID, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("message", sa.LargeBinary, nullable=False),
    sa.Column("created_s", SECONDS, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_s", SECONDS, nullable=False),
    sa.Column("kind", sa.String(48), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    _json("data", "{}"),
)

sa.Index("ix_events_subject_sequence", events.c.subject, events.c.sequence)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("secret_sha256", SHA256, nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("expires_s", SECONDS),
    sa.Column("created_s", SECONDS, nullable=False),
)
