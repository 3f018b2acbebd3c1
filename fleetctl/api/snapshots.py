"""Pictures of machines' cameras: fetched by the controller from the address in the machine's settings, with a
deadline and a size limit, never by a page.

Many pages share one fetch, and a camera that fails is left alone for a moment. Must not know machines or routes.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp

from fleetctl.errors import LinkError

WITHIN_S = 5.0
"""Longest wait for a whole picture."""

MOST_BYTES = 3 * 1024 * 1024
KEPT_S = 1.0
"""How long one picture serves all pages that ask."""

FAILED_S = 3.0
"""How long a camera that did not answer is not asked again."""

KINDS = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
"""No SVG: it could carry scripts."""

_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Picture:
    """One picture as the camera gave it."""

    content_type: str
    data: bytes


@dataclass
class _Camera:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    url: str = ""
    until_s: float = 0.0
    picture: Picture | None = None
    error: str = ""


class Snapshots:
    """The newest picture of each camera, by the machine's name."""

    def __init__(self) -> None:
        self._cameras: dict[str, _Camera] = {}

    async def picture(self, name: str, url: str) -> Picture:
        """A picture that is at most a second old. Raises LinkError with what is wrong."""
        camera = self._cameras.setdefault(name, _Camera())
        async with camera.lock:
            if url != camera.url or time.monotonic() >= camera.until_s:
                await _renew(camera, url)
        if camera.picture is None:
            raise LinkError(camera.error, machine=name, hint="Look at its address in the settings of the camera.")
        return camera.picture


async def _renew(camera: _Camera, url: str) -> None:
    camera.url, camera.picture, camera.error = url, None, ""
    try:
        camera.picture = await _fetch(url)
    except TimeoutError:
        camera.error = f"The camera gave no picture within {WITHIN_S:g} s."
    except (aiohttp.ClientError, OSError, ValueError):
        # Not its own words: they would repeat the address, which may hold a password.
        camera.error = "The camera does not answer."
    except LinkError as error:
        camera.error = error.message
    camera.until_s = time.monotonic() + (KEPT_S if camera.picture else FAILED_S)


async def _fetch(url: str) -> Picture:
    """Raises LinkError for what is no picture. No redirect is followed: it would lead where nobody agreed to."""
    timeout = aiohttp.ClientTimeout(total=WITHIN_S)
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.get(url, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise LinkError(f"The camera answered {answer.status} instead of a picture.")
        if answer.content_type not in KINDS:
            raise LinkError(f"The camera gave {answer.content_type[:40]}, not a picture.")
        data = bytearray()
        async for block in answer.content.iter_chunked(_BLOCK_BYTES):
            data += block
            if len(data) > MOST_BYTES:
                raise LinkError(f"The camera's picture is larger than {MOST_BYTES // 1024 // 1024} MB.")
        return Picture(answer.content_type, bytes(data))
