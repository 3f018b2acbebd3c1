"""The API over the fake controller, on a real loopback port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from fleetctl.api.server import listen, make_app
from tests.unit.api.api_rig import SETTINGS, client_of
from tests.unit.api.fake_controller import FakeController
from tests.unit.api.fake_floor import busy_floor


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
