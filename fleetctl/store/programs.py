"""Stored programs and the preflight passes they earned."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from fleetctl.errors import NotFound, UsageError
from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.store.tables import preflights, programs

_preflights = sa.select(preflights).where(
    preflights.c.program_sha256.in_(sa.bindparam("programs", expanding=True)),
    preflights.c.configuration_hash.in_(sa.bindparam("configurations", expanding=True)),
    preflights.c.rule_set == sa.bindparam("rule_set"),
)


_analysis = sa.select(programs.c.analysis).where(programs.c.sha256 == sa.bindparam("key"))

SHA256_DIGITS = 64


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One program and its facts. A transformed one names its parent and the transformation."""

    sha256: str
    name: str
    size_bytes: int
    dialect: str
    analysis: Analysis
    parent_sha256: str | None = None
    transformation: str | None = None
    created_s: float


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate said of (program, configuration, rule set) (I2)."""

    program_sha256: str
    configuration_hash: str
    rule_set: str
    passed: bool
    findings: tuple[Finding, ...]
    at_s: float


def _program(row: sa.RowMapping) -> Program:
    return Program(**{**row, "analysis": msgspec.json.decode(row["analysis"], type=Analysis)})


def add(conn: sa.Connection, program: Program) -> bool:
    """Store a program; False when its hash was there already (the older record is kept)."""
    if conn.execute(sa.select(programs.c.sha256).where(programs.c.sha256 == program.sha256)).first():
        return False
    values = msgspec.structs.asdict(program) | {"analysis": msgspec.json.encode(program.analysis).decode()}
    conn.execute(programs.insert(), values)
    return True


def get(conn: sa.Connection, sha256: str) -> Program:
    """The program with this hash, or with a unique prefix of at least six characters. Raises NotFound, UsageError."""
    if len(sha256) < 6:
        raise UsageError("Give at least six characters of the program's SHA-256.")
    if len(sha256) == SHA256_DIGITS:
        wanted = programs.c.sha256 == sha256
    else:
        wanted = programs.c.sha256.startswith(sha256.lower(), autoescape=True)
    rows = conn.execute(sa.select(programs).where(wanted).limit(2)).mappings().all()
    if not rows:
        raise NotFound(f"There is no program {sha256[:12]} here.")
    if len(rows) > 1:
        raise UsageError(f"{sha256} fits more than one program; give more characters.")
    return _program(rows[0])


class _Lines(msgspec.Struct):
    """The one fact that progress needs; the rest of an analysis is passed over."""

    lines: int


def line_count(conn: sa.Connection, sha256: str) -> int:
    """How many lines the program with this whole hash has. Raises NotFound."""
    text = conn.execute(_analysis, {"key": sha256}).scalar_one_or_none()
    if text is None:
        raise NotFound(f"There is no program {sha256[:12]} here.")
    return msgspec.json.decode(text, type=_Lines).lines


class _Version(msgspec.Struct):
    """Which version of the reader stated the facts; the rest of an analysis is passed over."""

    facts_version: int = 0


def hashes(conn: sa.Connection) -> list[str]:
    """The hash of every program, newest first."""
    query = sa.select(programs.c.sha256).order_by(programs.c.created_s.desc(), programs.c.sha256)
    return list(conn.execute(query).scalars())


def facts_versions(conn: sa.Connection, sha256s: Sequence[str]) -> dict[str, int]:
    """By hash, which version of the reader stated the facts."""
    query = sa.select(programs.c.sha256, programs.c.analysis).where(programs.c.sha256.in_(sha256s))
    return {row.sha256: msgspec.json.decode(row.analysis, type=_Version).facts_version for row in conn.execute(query)}


def set_analysis(conn: sa.Connection, program: Program) -> None:
    """Facts of a program that was read again; what the gate said of the old ones is forgotten."""
    text = msgspec.json.encode(program.analysis).decode()
    conn.execute(programs.update().where(programs.c.sha256 == program.sha256).values(analysis=text))
    conn.execute(preflights.delete().where(preflights.c.program_sha256 == program.sha256))


def newest(conn: sa.Connection, limit: int) -> list[Program]:
    """The programs stored last, newest first."""
    query = sa.select(programs).order_by(programs.c.created_s.desc(), programs.c.sha256).limit(limit)
    return [_program(row) for row in conn.execute(query).mappings()]


def names(conn: sa.Connection) -> dict[str, str]:
    """The name of every program by hash."""
    return {row.sha256: row.name for row in conn.execute(sa.select(programs.c.sha256, programs.c.name))}


def put_preflight(conn: sa.Connection, preflight: Preflight) -> None:
    """Remember what the gate said; a second saying of the same thing changes nothing."""
    if find_preflight(conn, preflight.program_sha256, preflight.configuration_hash, preflight.rule_set) is None:
        values = msgspec.structs.asdict(preflight) | {"findings": msgspec.json.encode(preflight.findings).decode()}
        conn.execute(preflights.insert(), values)


def preflights_of(
    conn: sa.Connection, program_sha256s: Iterable[str], configuration_hashes: Iterable[str], rule_set: str
) -> list[Preflight]:
    """All that the gate has said of these programs on these configurations."""
    keys = {"programs": list(program_sha256s), "configurations": list(configuration_hashes), "rule_set": rule_set}
    return [_preflight(*row) for row in conn.execute(_preflights, keys)]


def find_preflight(
    conn: sa.Connection, program_sha256: str, configuration_hash: str, rule_set: str
) -> Preflight | None:
    """What the gate said of exactly this program, configuration and rule set, if it was asked."""
    found = preflights_of(conn, [program_sha256], [configuration_hash], rule_set)
    return found[0] if found else None


@functools.lru_cache(16_384)
def _preflight(
    program_sha256: str, configuration_hash: str, rule_set: str, passed: bool, findings: str, at_s: float
) -> Preflight:
    """The saying of a row: a value, so that equal rows may share one."""
    return Preflight(
        program_sha256=program_sha256,
        configuration_hash=configuration_hash,
        rule_set=rule_set,
        passed=passed,
        findings=msgspec.json.decode(findings, type=tuple[Finding, ...]),
        at_s=at_s,
    )
