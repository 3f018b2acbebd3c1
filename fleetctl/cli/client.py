"""The daemon's HTTP API as the command line uses it: requests, uploads with progress, the event stream.

It turns problem details (RFC 9457) back into the errors of `fleetctl.errors`, so that a refusal reads the same
wherever it is met. It must not know commands, nor print.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import msgspec

from fleetctl.cli.where import DaemonUnavailable, Where
from fleetctl.errors import FleetctlError, OperatorError
from fleetctl.fleet.shapes import EventShape, ProgramShape

Kind = TypeVar("Kind")

API = "/api/v1"
BLOCK_BYTES = 256 * 1024
ANSWER_WITHIN_S = 60.0
"""Longest wait for an answer; analysis of a very large upload is the slowest thing asked for."""
RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits before the event stream is opened again."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details as the daemon sends them; `code` is the stable name of the error."""

    title: str = ""
    detail: str = ""
    status: int = 0
    code: str = ""
    hint: str | None = None
    machine: str | None = None
    line: int | None = None


class Client:
    """An open connection to one daemon; use it as an async context manager."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.where.token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def get(self, path: str, **query: object) -> bytes:
        """The JSON answer of GET /api/v1/`path`; query values that are None are left out."""
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, body: object = None) -> bytes:
        """The JSON answer of POST /api/v1/`path` with `body` as JSON (an empty object when None)."""
        return await self.ask("POST", path, body={} if body is None else body)

    async def delete(self, path: str) -> bytes:
        """The JSON answer of DELETE /api/v1/`path`."""
        return await self.ask("DELETE", path)

    async def ask(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: object = msgspec.UNSET
    ) -> bytes:
        """One request and its whole answer. Raises the error the daemon named, or DaemonUnavailable."""
        data = None if body is msgspec.UNSET else msgspec.json.encode(body)
        headers = {} if data is None else {"Content-Type": "application/json"}
        async with asyncio.timeout(ANSWER_WITHIN_S), self._request(method, path, query, data, headers) as answer:
            return await answer.read()

    async def upload(
        self,
        path: Path,
        on_bytes: Callable[[int], None],
        name: str | None = None,
        plate: int | None = None,
    ) -> ProgramShape:
        """Send a program file in blocks; `on_bytes` hears the size of each; `plate` chooses one of several."""

        async def blocks() -> AsyncIterator[bytes]:
            loop = asyncio.get_running_loop()
            with path.open("rb") as file:
                while block := await loop.run_in_executor(None, file.read, BLOCK_BYTES):
                    yield block
                    on_bytes(len(block))

        with aiohttp.MultipartWriter("form-data") as form:
            if plate is not None:
                form.append(str(plate)).set_content_disposition("form-data", name="plate")
            part = form.append(blocks(), {"Content-Type": "application/octet-stream"})
            part.set_content_disposition("form-data", name="file", filename=name or path.name)
            async with self._request("POST", "programs", None, form, {}) as answer:
                return decode(await answer.read(), ProgramShape)

    async def events(self, after: int | None = None) -> AsyncIterator[EventShape]:
        """Every event numbered above `after` (None: from now on); a lost connection is resumed by number."""
        attempt = 0
        while True:
            try:
                async for data in self._stream(after):
                    attempt = 0
                    event = decode(data, EventShape)
                    after = event.sequence
                    yield event
            except (aiohttp.ClientError, DaemonUnavailable):
                if attempt >= len(RETRY_S):
                    raise
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1

    async def _stream(self, after: int | None) -> AsyncIterator[bytes]:
        """One opening of the server-sent event stream: the data of each message until the daemon ends it."""
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        async with self._request("GET", "events", None, None, headers) as answer:
            data = b""
            async for line in answer.content:
                field, _, value = line.rstrip(b"\r\n").partition(b":")
                if field == b"data":
                    data += value.removeprefix(b" ")
                elif not line.strip() and data:
                    yield data
                    data = b""

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """An open WebSocket at /api/v1/`path`. Raises the error the daemon named, or DaemonUnavailable."""
        assert self._http is not None, "Client is used outside its `async with`"
        try:
            async with self._http.ws_connect(f"{self.where.url}{API}/{path}") as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as cause:
            # The refusal of a handshake comes without its body: ask for it as for any other answer.
            await self.get(path)
            raise FleetctlError(f"The daemon answered {cause.status}.") from cause
        except aiohttp.ClientConnectionError as cause:
            raise DaemonUnavailable(f"No daemon answers at {self.where.url}.") from cause

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        data: Any,
        headers: Mapping[str, str],
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._http is not None, "Client is used outside its `async with`"
        params = {name: str(value) for name, value in (query or {}).items() if value is not None}
        url = f"{self.where.url}{API}/{path}"
        try:
            async with self._http.request(method, url, params=params, data=data, headers=dict(headers)) as answer:
                if answer.status >= 400:
                    raise refusal(answer.status, await answer.read())
                yield answer
        except aiohttp.ClientConnectionError as cause:
            raise DaemonUnavailable(
                f"No daemon answers at {self.where.url}.",
                hint="Look whether it runs: `fleetctl doctor`. Start it with `fleetctl serve`.",
            ) from cause


def decode(answer: bytes, kind: type[Kind]) -> Kind:
    """The answer as `kind`. Raises FleetctlError when the daemon speaks another version of the API."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError as cause:
        raise FleetctlError(
            f"The daemon's answer is not understood: {cause}.",
            hint="Daemon and command line may be of different versions; compare them with `fleetctl doctor`.",
        ) from cause


def refusal(status: int, body: bytes) -> FleetctlError:
    """The error that a problem answer stands for."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        text = body.decode("utf-8", "replace").strip()[:300]
        return FleetctlError(f"The daemon answered {status}: {text or 'nothing'}.")
    known = _by_code().get(problem.code, OperatorError if status < 500 else FleetctlError)
    message = problem.detail or problem.title or f"The daemon answered {status}."
    return known(message, machine=problem.machine, line=problem.line, hint=problem.hint)


def _by_code() -> dict[str, type[FleetctlError]]:
    found: dict[str, type[FleetctlError]] = {}
    waiting: list[type[FleetctlError]] = [FleetctlError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return found
