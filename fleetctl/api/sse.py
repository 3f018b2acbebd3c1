"""Server-sent events: frames onto a connection, a heartbeat, and an end when the client or the daemon leaves.

Knows the wire form (WHATWG HTML, section 9.2) and nothing of what is sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiohttp import web

from fleetctl.errors import FleetctlError

_log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
WRITE_DEADLINE_S = 15.0
"""A client that takes nothing for this long is cut off; it comes back and resumes by number."""

RETRY_MS = 2000


def frame(data: bytes, *, event: str = "", number: int | None = None) -> bytes:
    """One message. `data` must hold no line break, as JSON never does; `number` is what the client resumes from."""
    head = (f"id: {number}\n" if number is not None else "") + (f"event: {event}\n" if event else "")
    return head.encode() + b"data: " + data + b"\n\n"


class Streams:
    """Every open stream of the daemon, so that shutting down ends them instead of waiting for them."""

    def __init__(self, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._heartbeat_s = heartbeat_s
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream and refuse new ones."""
        self._closing.set()

    async def until_closing(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` to its end, or until the daemon stops."""
        closing: asyncio.Future[bool] = asyncio.ensure_future(self._closing.wait())
        working: asyncio.Future[None] = asyncio.ensure_future(work)
        try:
            waited: set[asyncio.Future[Any]] = {working, closing}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (closing, working):
                task.cancel()
            await asyncio.gather(closing, working, return_exceptions=True)

    async def answer(self, request: web.Request, frames: AsyncIterator[bytes]) -> web.StreamResponse:
        """Send frames until they end, the client leaves, or the daemon stops."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
        )
        await response.prepare(request)
        closing: asyncio.Future[bool] = asyncio.ensure_future(self._closing.wait())
        following: asyncio.Future[bytes] = asyncio.ensure_future(_next(frames))
        try:
            await _write(response, f"retry: {RETRY_MS}\n\n".encode())
            while True:
                waited: set[asyncio.Future[Any]] = {following, closing}
                await asyncio.wait(waited, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                if closing.done():
                    break
                if not following.done():
                    await _write(response, b":\n\n")
                    continue
                data = following.result()
                following = asyncio.ensure_future(_next(frames))
                await _write(response, data)
        except StopAsyncIteration:
            pass
        except FleetctlError as error:
            # The answer has begun, so it can only end; the client comes back and is told why.
            _log.warning("stream %s ended: %s", request.path, error)
        except (ConnectionError, TimeoutError):
            # The client left or reads nothing: what is buffered for it is of no use any more.
            if request.transport is not None:
                request.transport.abort()
        finally:
            for task in (following, closing):
                task.cancel()
            await asyncio.gather(following, closing, return_exceptions=True)
        return response


async def _next(frames: AsyncIterator[bytes]) -> bytes:
    return await anext(frames)


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_DEADLINE_S):
        await response.write(data)
