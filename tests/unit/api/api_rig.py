"""What the tests of the API share: settings, clients, and waiting for plain values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import aiohttp

SETTINGS = SimpleNamespace(listen_host="127.0.0.1", listen_port=0, host_names=("farm.example",), open_role="")


async def until(condition: Callable[[], object], deadline_s: float = 5.0) -> None:
    """Give other tasks turns until something is so."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is in plain values, which wake nobody
            await asyncio.sleep(0)


async def client_of(url: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a bearer token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(url, headers=headers, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session
