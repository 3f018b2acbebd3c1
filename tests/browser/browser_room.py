"""A daemon over the fake controller of the unit tests, and pages of a real browser before it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace

from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page

from fleetctl.api.server import listen, make_app
from tests.unit.api.fake_controller import FakeController

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
SETTINGS = SimpleNamespace(listen_host="127.0.0.1", listen_port=0, host_names=(), open_role="")
SIZES = {"desk": (1440, 900), "phone": (390, 844), "small": (320, 640)}
PATIENCE_MS = 5000


@dataclass
class Room:
    """One daemon with its world, and what its pages complained about."""

    world: FakeController
    url: str
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)
    runner: web.AppRunner | None = None

    async def leave(self) -> None:
        """The daemon ends."""
        assert self.runner is not None
        await self.runner.cleanup()

    async def come_back(self) -> None:
        """The daemon starts, at the same address if it had one."""
        self.runner = await listen(make_app(self.world, SETTINGS), "127.0.0.1", int(self.url.rpartition(":")[2] or 0))
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def page(
        self, path: str = "", *, size: str = "desk", token: str = "admin-token", **options: object
    ) -> Page:
        """A page of a browser that is signed in; everything outside the daemon is blocked and complained about."""
        width, height = SIZES[size]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, has_touch=size != "desk", base_url=self.url, **options
        )
        self.contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        secret = await self.world.tokens.create("lan", self.world.tokens.known[token].role, "test", kind="login")
        await context.add_cookies(
            [{"name": "fleetctl_login", "value": secret, "url": self.url, "sameSite": "Strict"}]
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(f"{page.url}: {said.text}") if said.type in ("error", "warning") else None
            ),
        )
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((self.url, "data:")) else self.complaints.append(asked.url),
        )
        if path:
            answer = await page.goto(path)
            assert answer is not None and answer.ok, path
        return page


async def open_room(world: FakeController, browser: Browser) -> AsyncIterator[Room]:
    """A daemon over a world; at the end no page may have complained."""
    room = Room(world, "http://127.0.0.1:0", browser)
    await room.come_back()
    yield room
    for context in room.contexts:
        await context.close()
    await room.leave()
    assert not room.complaints
