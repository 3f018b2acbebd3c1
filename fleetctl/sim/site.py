"""The public HTTP API as the demo uses it: nothing but requests and plain JSON.

The demo must show that the API is enough, so this knows the API from its description alone: no shape, client or other
code of the daemon.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

import aiohttp

from fleetctl.errors import FleetctlError, LinkError

ANSWER_WITHIN_S = 30.0

Json = Any
"""What `json.loads` gives."""


class Refused(FleetctlError):
    """The daemon refused a request of the demo."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.problem_code = code
        super().__init__(message)


class Unreachable(LinkError):
    """The daemon does not answer."""


class SiteApi:
    """One daemon; use it as an async context manager."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> SiteApi:
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def get(self, path: str, **query: str) -> Json:
        """GET /api/v1/`path`. Raises Refused or Unreachable, as all the methods here."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Json = None) -> Json:
        """POST /api/v1/`path` with JSON."""
        return await self._ask("POST", path, json={} if body is None else body)

    async def upload(self, name: str, program: bytes) -> Json:
        """Send a program; the answer has its `sha256`."""
        form = aiohttp.FormData()
        form.add_field("file", program, filename=name, content_type="application/octet-stream")
        return await self._ask("POST", "programs", data=form)

    async def _ask(self, method: str, path: str, **what: Any) -> Json:
        assert self._http is not None, "SiteApi is used outside its `async with`"
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                async with self._http.request(method, f"{self.url}/api/v1/{path}", **what) as answer:
                    if answer.status < 400:
                        return await answer.json(content_type=None)
                    raise await _refusal(answer)
        except (aiohttp.ClientError, TimeoutError) as cause:
            raise Unreachable(f"{self.url} does not answer: {cause or 'too slow'}.") from cause


async def _refusal(answer: aiohttp.ClientResponse) -> Refused:
    try:
        problem = await answer.json(content_type=None)
        return Refused(
            answer.status, problem.get("code", ""), problem.get("detail", f"The daemon answered {answer.status}.")
        )
    except ValueError:
        return Refused(answer.status, "", f"The daemon answered {answer.status}.")
