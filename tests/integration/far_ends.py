"""The machine's side of each kind of link: reads only when it is told to. The protocols on the network are spoken by
code of others: pyserial's RFC 2217 server, aiohttp's WebSocket server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import serial
import serial.rfc2217
from aiohttp import WSMsgType, web

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkError
from fleetctl.transport.base import Transport
from fleetctl.transport.opener import PortWish, TransportOpener
from fleetctl.transport.tcp import TcpTransport

DEADLINE_S = 10.0


def soon(delay_s: float = DEADLINE_S) -> float:
    return asyncio.get_running_loop().time() + delay_s


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  polls a state of the kernel, with a deadline
            await asyncio.sleep(0.002)


class Recorder:
    def __init__(self) -> None:
        self.data = bytearray()
        self.losses: list[LinkError] = []

    def data_received(self, data: bytes, now_s: float) -> None:
        assert data
        assert abs(now_s - time.monotonic()) < 5
        self.data += data

    def lost(self, reason: LinkError) -> None:
        self.losses.append(reason)


class FarEnd(Protocol):
    """`data` is what the machine has read of what we sent."""

    data: bytearray

    def listen(self) -> None:
        """Read everything from now on."""

    async def take(self, limit: int) -> int:
        """Read about so many bytes, if there are any; how many there were."""

    def say(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class DescriptorEnd:
    """A pseudo-terminal or a plain socket."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.data = bytearray()
        os.set_blocking(descriptor, False)

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self.descriptor, self._read, 65536)

    async def take(self, limit: int) -> int:
        await asyncio.sleep(0)
        before = len(self.data)
        self._read(limit)
        return len(self.data) - before

    def say(self, data: bytes) -> None:
        self.send(self.encoded(data))

    def send(self, wire: bytes) -> None:
        assert os.write(self.descriptor, wire) == len(wire)

    def close(self) -> None:
        if self.descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1

    def encoded(self, data: bytes) -> bytes:
        return data

    def decoded(self, data: bytes) -> bytes:
        return data

    def _read(self, limit: int) -> None:
        try:
            self.data += self.decoded(os.read(self.descriptor, limit))
        except BlockingIOError:
            return
        except OSError:
            asyncio.get_running_loop().remove_reader(self.descriptor)


class TelnetEnd(DescriptorEnd):
    """Doubles 255 and takes the doubling out; sends no command."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._half = b""

    def encoded(self, data: bytes) -> bytes:
        return data.replace(b"\xff", b"\xff\xff")

    def decoded(self, data: bytes) -> bytes:
        data = self._half + data
        odd = (len(data) - len(data.rstrip(b"\xff"))) % 2
        data, self._half = (data[:-1], b"\xff") if odd else (data, b"")
        return data.replace(b"\xff\xff", b"\xff")


class Rfc2217End(DescriptorEnd):
    """pyserial's server over its loop-back port; `port` shows what was set."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.port = serial.serial_for_url("loop://", timeout=0)
        self.commands: list[bytes] = []
        self._manager = serial.rfc2217.PortManager(self.port, self)

    def write(self, data: bytes) -> None:
        """What the manager answers."""
        self.send(bytes(data))

    def encoded(self, data: bytes) -> bytes:
        return b"".join(self._manager.escape(data))

    def decoded(self, data: bytes) -> bytes:
        return b"".join(self._manager.filter(data))


class WebSocketEnd:
    """One link of an aiohttp server. Without `listen` or `take` it receives nothing."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.kinds: set[WSMsgType] = set()
        self.link: web.WebSocketResponse | None = None
        self._permits = asyncio.Semaphore(0)
        self._listening = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.link = web.WebSocketResponse(protocols=("arduino",), compress=False)
        await self.link.prepare(request)
        while True:
            if not self._listening.is_set():
                await self._permits.acquire()
            try:
                message = await self.link.receive()
            except ConnectionError:
                return self.link
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return self.link
            self.kinds.add(message.type)
            self.data += message.data if message.type is WSMsgType.BINARY else message.data.encode()

    def listen(self) -> None:
        self._listening.set()
        self._permits.release()

    async def take(self, limit: int) -> int:
        before = len(self.data)
        self._permits.release()
        for _ in range(20):
            await asyncio.sleep(0.001)
            if len(self.data) > before:
                break
        return len(self.data) - before

    def say(self, data: bytes) -> None:
        assert self.link is not None
        if not self.link.closed:
            self._start(self.link.send_bytes(data))

    def say_text(self, text: str) -> None:
        assert self.link is not None
        self._start(self.link.send_str(text))

    def close(self) -> None:
        if self.link is not None:
            self._start(self.link.close())
            self.listen()

    def _start(self, work: object) -> None:
        async def quietly() -> None:
            with contextlib.suppress(ConnectionError):
                await work  # type: ignore[misc]

        task = asyncio.get_running_loop().create_task(quietly())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


Linked = tuple[Transport, Recorder, FarEnd]


async def socket_link(
    scheme: str, end: Callable[[int], DescriptorEnd], options: str = "", wish: PortWish | None = None
) -> tuple[Transport, Recorder, DescriptorEnd]:
    """A link over TCP to `end`; an end that answers a negotiation is listened to while it opens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}{options}"
        transport, recorder = TransportOpener(SystemClock()).make(url, wish), Recorder()
        opening = asyncio.create_task(transport.open(recorder, soon()))
        server.setblocking(False)
        far = end((await asyncio.get_running_loop().sock_accept(server))[0].detach())
        far.listen()
        try:
            await opening
        except BaseException:
            far.close()
            raise
        asyncio.get_running_loop().remove_reader(far.descriptor)
    assert isinstance(transport, TcpTransport) and transport._socket is not None
    transport._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)  # else it grows to megabytes
    return transport, recorder, far


@contextlib.asynccontextmanager
async def websocket_link(options: str = "") -> AsyncIterator[tuple[Transport, Recorder, WebSocketEnd]]:
    """A link to an aiohttp server."""
    far = WebSocketEnd()
    app = web.Application()
    app.router.add_get("/ws", far.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]
    transport, recorder = TransportOpener(SystemClock()).make(f"ws://127.0.0.1:{port}/ws{options}"), Recorder()
    try:
        await transport.open(recorder, soon())
        await eventually(lambda: far.link is not None and far.link.prepared)
        yield transport, recorder, far
    finally:
        transport.close()
        far.listen()
        await runner.cleanup()
