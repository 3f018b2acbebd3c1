"""The API over the fake controller, on a real loopback port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace

import aiohttp
import pytest
from fake_controller import FakeController
from fake_floor import busy_floor

from fleetctl.api.server import listen, make_app

SETTINGS = SimpleNamespace(listen_host="127.0.0.1", listen_port=0, host_names=("farm.example",), open_role="")


@pytest.fixture
def world() -> FakeController:
    """A room in which every state is there."""
    return busy_floor()


@pytest.fixture
async def url(world: FakeController) -> AsyncIterator[str]:
    """The address of a daemon over that room."""
    runner = await listen(make_app(world, SETTINGS), "127.0.0.1", 0)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def client_of(url: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a bearer token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(url, headers=headers, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


@pytest.fixture
async def admin(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """The administrator's program."""
    async for session in client_of(url, "admin-token"):
        yield session


@pytest.fixture
async def operator(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An operator's program."""
    async for session in client_of(url, "operator-token"):
        yield session


@pytest.fixture
async def viewer(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A program that may only look."""
    async for session in client_of(url, "viewer-token"):
        yield session


@pytest.fixture
async def nobody(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a token."""
    async for session in client_of(url, ""):
        yield session
