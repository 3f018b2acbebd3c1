"""Who may come in: makes, checks and ends secrets. Secrets are never logged and never stored in clear (I11)."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable, UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.record import Record
from fleetctl.store import tokens
from fleetctl.store.tokens import Role, Token, TokenKind

NewSecret = Callable[[], str]
"""Gives 256 fresh random bits as URL-safe text."""

LINK_LASTS_S = 3600.0
"""The link that the first start prints."""

LONGEST_S = 10 * 365 * 24 * 3600.0

NAME_MOST = 40
"""A login is on record under this name with an id behind it, in a column of 64."""


class Tokens:
    """The site's secrets."""

    def __init__(self, record: Record, new_secret: NewSecret) -> None:
        self._record = record
        self._new_secret = new_secret
        self._known: dict[str, Token] = {}

    async def check(self, secret: str) -> Token | None:
        """Whom a token or login belongs to; None when it is unknown, expired, or a link.

        While the store fails, those who came in before are still known: they must be able to press stop.
        """
        now_s = self._record.now_s()
        key = tokens.digest(secret)
        try:
            token = await self._record.look(lambda conn: tokens.find(conn, secret, now_s))
        except StoreUnavailable:
            token = self._known.get(key)
            if token is None or (token.expires_s is not None and token.expires_s <= now_s):
                raise
            return token
        if token is None or token.kind is TokenKind.LINK:
            self._known.pop(key, None)
            return None
        self._known[key] = token
        return token

    async def create(
        self, name: str, role: str, actor: str, expires_s: float | None = None, kind: str = "token"
    ) -> str:
        """A fresh secret; `expires_s` is how long it lasts. The same name again replaces the older secret."""
        texts.text(name, "name", NAME_MOST)
        if not name.strip() or "\n" in name:
            raise UsageError("Give the name of a person or program.")
        if expires_s is not None and not 0.0 < expires_s <= LONGEST_S:
            raise UsageError(f"A token lasts for more than 0 and at most {LONGEST_S:g} seconds.")
        try:
            wanted, what = Role(role), TokenKind(kind)
        except ValueError as error:
            raise UsageError(str(error)) from None
        secret = self._new_secret()
        await self.store(name, wanted, secret, actor, expires_s=expires_s, kind=what)
        return secret

    async def store(
        self,
        name: str,
        role: Role,
        secret: str,
        actor: str,
        *,
        expires_s: float | None = None,
        kind: TokenKind = TokenKind.TOKEN,
    ) -> None:
        """Put a secret that exists already on record."""

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            tokens.remove_expired(conn, stamp.at_s)
            identity = stamp.new_id()
            token = Token(
                id=identity,
                name=name if kind is TokenKind.TOKEN else f"{name} {identity}"[:64],
                role=role,
                kind=kind,
                expires_s=None if expires_s is None else stamp.at_s + expires_s,
                created_s=stamp.at_s,
            )
            tokens.add(conn, token, secret)
            log_event(conn, stamp, "token.created", token.name, role=role, token_kind=kind)

        await self._record.change(actor, unit)

    async def use_link(self, secret: str) -> Token | None:
        """Whom a one-time link belongs to; it works once."""

        def unit(conn: sa.Connection, stamp: Stamp) -> Token | None:
            token = tokens.find(conn, secret, stamp.at_s)
            if token is None or token.kind is not TokenKind.LINK:
                return None
            tokens.remove(conn, secret)
            return token

        return await self._record.change("login", unit)

    async def end(self, secret: str) -> None:
        """Forget a secret: log out."""
        self._known.pop(tokens.digest(secret), None)
        await self._record.change("login", lambda conn, _stamp: tokens.remove(conn, secret))
