"""A machine behind a WebSocket: FluidNC, grblHAL and ESP3D serve one beside their page.

Bytes go out in frames and come in frames; where a frame ends means nothing. Half-open links are found by the pings of
the protocol and by the options of the socket. It must not know firmware words; of the servers it knows the messages
that are not the machine's speech.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

import aiohttp

from fleetctl.clock import Clock
from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.transport.base import Receiver
from fleetctl.transport.blanking import blank_url
from fleetctl.transport.output import OutputBuffer, StallWatch
from fleetctl.transport.tcp import configure
from fleetctl.transport.websocket_settings import WebSocketSettings

FRAME_MAX_BYTES = 512
"""Small boards keep one frame in memory; it also bounds what a stop can no longer take back per frame."""

SERVERS_OWN = re.compile(r"(?i)(current_?id|active_?id|ping|dht):")
"""How text messages of the web servers begin that do not come from the machine (FluidNC and ESP3D: which page is in
command, keep-alive, a sensor of the board)."""

CLOSE_S = 1.0
"""How long a server may take to say good-bye."""

_closing: set[asyncio.Task[None]] = set()
"""Links that say good-bye; the loop alone would forget them."""


class WebSocketTransport:
    """A `Transport` over one WebSocket."""

    def __init__(self, url: str, address: str, clock: Clock, settings: WebSocketSettings | None = None) -> None:
        self.url = url
        self._address = address
        self._shown = blank_url(address.partition("?")[0])
        self._clock = clock
        self._settings = settings or WebSocketSettings()
        self._output = OutputBuffer()
        self._stall = StallWatch(self._settings.stall_s, self._stalled)
        self._to_send = asyncio.Event()
        self._receiver: Receiver | None = None
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Connect. Raises LinkUnavailable: unreachable, no WebSocket there, no answer before `deadline_s`."""
        self._http = aiohttp.ClientSession()
        try:
            async with asyncio.timeout_at(deadline_s):
                self._socket = await self._connect(self._http)
        except aiohttp.WSServerHandshakeError as error:
            raise await self._unavailable(f"answers, but has no WebSocket there ({error.status})") from error
        except TimeoutError:
            raise await self._unavailable("did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise await self._unavailable(
                f"cannot be reached: {str(error).replace(self._address, self._shown)}"
            ) from error
        except BaseException:
            await self._http.close()
            raise
        self._receiver = receiver
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._read(self._socket), name=f"read {self._shown}"),
            loop.create_task(self._send(self._socket), name=f"write {self._shown}"),
        ]

    def write(self, data: bytes) -> None:
        """Queue `data`; it leaves at the next turn of the loop."""
        if self._receiver is not None:
            self._output.push(data)
            self._to_send.set()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that were not handed to the socket."""
        return len(self._output)

    def discard_output(self) -> int:
        """Drop our unsent output; a frame that is under way cannot be called back."""
        return self._output.clear()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send `data` ahead of all that is not under way yet."""
        if self._receiver is not None:
            self._output.push_urgent(data, at_line_start=at_line_start)
            self._to_send.set()

    def close(self) -> None:
        """Close at once; the good-bye to the server follows."""
        self._receiver = None
        self._shut()

    async def _connect(self, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        made = await http.ws_connect(
            self._address,
            protocols=(self._settings.protocol,) if self._settings.protocol else (),
            heartbeat=self._settings.stall_s / 1.5,  # the pong may take half of it
            compress=0,
        )
        link = made.get_extra_info("socket")
        if link is not None:
            configure(link, self._settings.stall_s)
        return made

    async def _unavailable(self, what: str) -> LinkUnavailable:
        if self._http is not None:
            await self._http.close()
        return LinkUnavailable(f"{self._shown} {what}.", hint="Check the address, and that the machine is on.")

    async def _read(self, link: aiohttp.ClientWebSocketResponse) -> None:
        async for message in link:
            if message.type is aiohttp.WSMsgType.BINARY:
                self._heard(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT and not SERVERS_OWN.match(message.data):
                self._heard(message.data.encode())
        cause = link.exception()
        self._lose(f"The link to {self._shown} " + (f"broke: {cause}." if cause else "was closed at the other end."))

    def _heard(self, data: bytes) -> None:
        if data and self._receiver is not None:
            self._receiver.data_received(data, self._clock.monotonic())

    async def _send(self, link: aiohttp.ClientWebSocketResponse) -> None:
        text = self._settings.frames == "text"
        try:
            while True:
                await self._to_send.wait()
                self._to_send.clear()
                while piece := self._output.next_piece(FRAME_MAX_BYTES):
                    self._output.consume(len(piece))  # before it goes: a stop may drop what is behind it meanwhile
                    self._stall.waiting()
                    as_text = text and piece.isascii()
                    await (link.send_str(piece.decode("ascii")) if as_text else link.send_bytes(piece))
                    self._stall.progressed()
        except (aiohttp.ClientError, OSError) as error:
            self._lose(f"The link to {self._shown} broke: {link.exception() or error}.")

    def _stalled(self) -> None:
        self._lose(f"{self._shown} took no bytes for {self._settings.stall_s:g} s.")

    def _lose(self, message: str) -> None:
        receiver, self._receiver = self._receiver, None
        self._shut()
        if receiver is not None:
            hint = "Check the network and the machine; it is looked for again by itself."
            receiver.lost(LinkError(message, hint=hint))

    def _shut(self) -> None:
        self._stall.progressed()
        self._output.clear()
        tasks, self._tasks = self._tasks, []
        link, self._socket = self._socket, None
        http, self._http = self._http, None
        if link is None or http is None:
            return
        current = asyncio.current_task()
        for task in tasks:
            if task is not current:
                task.cancel()
        closing = asyncio.get_running_loop().create_task(_say_good_bye(link, http), name=f"close {self._shown}")
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


async def _say_good_bye(link: aiohttp.ClientWebSocketResponse, http: aiohttp.ClientSession) -> None:
    try:
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(CLOSE_S):
                await link.close()
    finally:
        await http.close()
