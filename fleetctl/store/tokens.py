"""Tokens, logins and one-time links: only the SHA-256 of a secret is stored (I11)."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec
import sqlalchemy as sa

from fleetctl.store.tables import tokens


class Role(StrEnum):
    """What a token may do; each role includes the ones before it."""

    VIEWER = "viewer"
    SUBMIT = "submit"
    OPERATOR = "operator"
    ADMIN = "admin"


class TokenKind(StrEnum):
    """Where a secret lives: in a client, in a cookie, or in a link that works once."""

    TOKEN = "token"
    LOGIN = "login"
    LINK = "link"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One secret on record, without the secret."""

    id: str
    name: str
    role: Role
    kind: TokenKind
    expires_s: float | None
    created_s: float


def digest(secret: str) -> str:
    """What is stored of a secret. Secrets are 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()


def add(conn: sa.Connection, token: Token, secret: str) -> None:
    """Put a token on record; one of the same name is replaced."""
    conn.execute(tokens.delete().where(tokens.c.name == token.name))
    values = msgspec.structs.asdict(token) | {"role": token.role.value, "kind": token.kind.value}
    conn.execute(tokens.insert(), values | {"secret_sha256": digest(secret)})


def find(conn: sa.Connection, secret: str, now_s: float) -> Token | None:
    """The token of this secret, unless it has expired."""
    query = sa.select(tokens).where(tokens.c.secret_sha256 == digest(secret))
    row = conn.execute(query).mappings().one_or_none()
    if row is None or (row["expires_s"] is not None and row["expires_s"] <= now_s):
        return None
    values = {key: row[key] for key in ("id", "name", "expires_s", "created_s")}
    return Token(**values, role=Role(row["role"]), kind=TokenKind(row["kind"]))


def remove(conn: sa.Connection, secret: str) -> None:
    """Forget a secret; idempotent."""
    conn.execute(tokens.delete().where(tokens.c.secret_sha256 == digest(secret)))


def remove_expired(conn: sa.Connection, now_s: float) -> None:
    """Forget what has expired."""
    conn.execute(tokens.delete().where(tokens.c.expires_s <= now_s))
