"""A pretend daemon for tests of the command line: canned answers over real HTTP, and what was asked."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


@dataclass
class PretendDaemon:
    """Runs in a thread of its own, because commands bring their own event loop."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, what: str, body: object, status: int = 200) -> None:
        """Answer `METHOD path` (below /api/v1/) with `body`."""
        method, path = what.split(" ")
        path = path if path.startswith("/") else f"/api/v1/{path}"
        self.answers[f"{method} {path}"] = (status, body if isinstance(body, bytes) else msgspec.json.encode(body))

    def __enter__(self) -> PretendDaemon:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(started,))
        self._thread.start()
        started.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10.0)

    def _serve(self, started: threading.Event) -> None:
        async def serve() -> None:
            self._stop = asyncio.Event()
            app = web.Application()
            app.router.add_route("*", "/{rest:.*}", self._handle)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            started.set()
            await self._stop.wait()
            await runner.cleanup()

        self._loop.run_until_complete(serve())
        self._loop.close()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.append(Asked(request.method, request.path, dict(request.query), dict(request.headers), body))
        status, answer = self.answers.get(f"{request.method} {request.path}", (404, b"nothing canned"))
        kind = "text/event-stream" if answer.startswith(b"id:") else "application/json"
        return web.Response(status=status, body=answer, content_type=kind)
