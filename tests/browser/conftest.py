"""A real browser before the API over the fake controller of the unit tests, all in one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.browser_room import ARGUMENTS, CHROMIUM, Room, open_room
from tests.unit.api.fake_floor import busy_floor, calm_floor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser and shares one loop, since the browser lives in it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, once for all tests."""
    if CHROMIUM is None:
        pytest.fail("No Chromium here: apt install chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def busy(browser: Browser) -> AsyncIterator[Room]:
    """A room where every state is there."""
    async for room in open_room(busy_floor(), browser):
        yield room


@pytest_asyncio.fixture(loop_scope="session")
async def calm(browser: Browser) -> AsyncIterator[Room]:
    """A room where nothing needs anybody."""
    async for room in open_room(calm_floor(), browser):
        yield room
