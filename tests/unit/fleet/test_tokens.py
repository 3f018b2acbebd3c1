"""Secrets: who comes in, what is stored of them, and who still comes in while the store fails (I11)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable, UsageError
from fleetctl.fleet.record import Record
from fleetctl.fleet.tokens import Tokens
from fleetctl.store.tables import tokens as table
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from tests.unit.fleet.conftest import Book


class DirectStore:
    """Writer and reader at once: everything happens in the call; `fails` makes every call an outage."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.fails = False

    async def run(self, work: Callable[[sa.Connection], Any]) -> Any:
        if self.fails:
            raise StoreUnavailable()
        with self._book.database.write() as conn:
            return work(conn)

    async def close(self) -> None:
        """Nothing to close."""


def desk(book: Book) -> tuple[Tokens, DirectStore]:
    store = DirectStore(book)
    ids, secrets = (f"id-{n}" for n in itertools.count()), (f"secret-{n}" for n in itertools.count())
    return Tokens(Record(store, store, VirtualClock(), lambda: next(ids)), lambda: next(secrets)), store


@under_virtual_clock()
async def test_a_token_comes_in_and_only_its_hash_is_stored(book: Book) -> None:
    tokens, _ = desk(book)
    secret = await tokens.create("slicer", "submit", "admin")
    token = await tokens.check(secret)
    assert token is not None
    assert (token.name, token.role.value) == ("slicer", "submit")
    assert await tokens.check("guessed") is None
    rows = book.look(lambda conn: conn.execute(sa.select(table)).all())
    assert secret not in str(rows)


@under_virtual_clock()
async def test_a_link_works_once_and_is_no_token(book: Book) -> None:
    tokens, _ = desk(book)
    link = await tokens.create("first start", "admin", "admin", kind="link")
    assert await tokens.check(link) is None
    assert await tokens.use_link(link) is not None
    assert await tokens.use_link(link) is None


@under_virtual_clock()
async def test_an_expired_login_is_nobody(book: Book) -> None:
    tokens, _ = desk(book)
    login = await tokens.create("lan", "operator", "admin", expires_s=60.0, kind="login")
    assert await tokens.check(login) is not None
    await VirtualClock().sleep(61.0)
    assert await tokens.check(login) is None


@under_virtual_clock()
async def test_who_came_in_before_still_comes_in_while_the_store_fails(book: Book) -> None:
    """Else a full disk would keep a person from the stop."""
    tokens, store = desk(book)
    known = await tokens.create("lan", "operator", "admin")
    ended = await tokens.create("old", "operator", "admin")
    fresh = await tokens.create("new", "operator", "admin")
    assert await tokens.check(known) is not None
    assert await tokens.check(ended) is not None
    await tokens.end(ended)
    store.fails = True
    assert (await tokens.check(known)) is not None
    for secret in (ended, fresh, "guessed"):
        with pytest.raises(StoreUnavailable):
            await tokens.check(secret)


@under_virtual_clock()
async def test_roles_are_ours(book: Book) -> None:
    tokens, _ = desk(book)
    with pytest.raises(UsageError):
        await tokens.create("x", "emperor", "admin")


@under_virtual_clock()
async def test_a_token_that_makes_no_sense_is_refused(book: Book) -> None:
    tokens, _ = desk(book)
    for name in ("", " ", "a" * 41, "two\nlines", "a\0b"):
        with pytest.raises(UsageError):
            await tokens.create(name, "viewer", "admin")
    for lasts_s in (0.0, -1.0, 1e308, float("nan")):
        with pytest.raises(UsageError):
            await tokens.create("wall", "viewer", "admin", expires_s=lasts_s)
