"""A machine behind a TCP socket: a network controller, or a serial bridge.

Half-open links are found three ways: keep-alive probes while nothing is said, TCP_USER_TIMEOUT when our bytes
are not acknowledged, and a watch on output that the kernel no longer takes. It must not know what the bytes
mean.
"""

from __future__ import annotations

import asyncio
import os
import socket

import msgspec

from fleetctl.clock import Clock
from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.transport.base import Receiver
from fleetctl.transport.output import OutputBuffer, StallWatch

READ_BYTES = 65536


class TcpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """After `stall_s` seconds without an acknowledgement or an answer to probes, the link counts as lost."""

    stall_s: float = 10.0


class TcpTransport:
    """A `Transport` over one TCP connection to `host`:`port`."""

    def __init__(self, url: str, host: str, port: int, clock: Clock, settings: TcpSettings | None = None) -> None:
        self.url = url
        self._address = f"{host}:{port}"
        self._host = host
        self._port = port
        self._clock = clock
        self._settings = settings or TcpSettings()
        self._output = OutputBuffer()
        self._stall = StallWatch(self._settings.stall_s, self._stalled)
        self._socket: socket.socket | None = None
        self._receiver: Receiver | None = None
        self._writer_armed = False
        self._first = bytearray()
        """Wire bytes that go before all others and are never discarded: the answers of a protocol between us and the
        bridge, and the rest of something that must not be cut in two."""

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Connect. Raises LinkUnavailable: unknown name, refused, no answer before `deadline_s`."""
        try:
            async with asyncio.timeout_at(deadline_s):
                self._socket = await self._connect()
        except TimeoutError:
            raise LinkUnavailable(
                f"{self._address} did not answer in time.", hint="Check that the machine is on this network."
            ) from None
        except OSError as error:
            raise LinkUnavailable(
                f"{self._address} cannot be reached: {_why(error)}.",
                hint="Check the address, and that the machine is on.",
            ) from error
        self._receiver = receiver
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def write(self, data: bytes) -> None:
        """Queue `data`; the kernel takes at once what it has room for."""
        if self._socket is not None:
            self._output.push(data)
            self._pump()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the kernel has not taken from us."""
        return len(self._output)

    def discard_output(self) -> int:
        """Drop our unsent output; what the kernel has taken cannot be called back on TCP."""
        self._stall.progressed()
        return self._output.clear()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send `data` ahead of all that the kernel has not taken yet."""
        if self._socket is not None:
            self._output.push_urgent(data, at_line_start=at_line_start)
            self._pump()

    def close(self) -> None:
        """Close at once."""
        self._receiver = None
        self._shut()

    async def _connect(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        failure: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            candidate = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            try:
                await loop.sock_connect(candidate, address)
                configure(candidate, self._settings.stall_s)
            except OSError as error:
                candidate.close()
                failure = error
            except BaseException:
                candidate.close()
                raise
            else:
                return candidate
        raise failure

    def _readable(self) -> None:
        receiver = self._receiver
        if self._socket is None or receiver is None:
            return
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(f"The link to {self._address} broke: {_why(error)}.")
            return
        if not data:
            self._lose(f"{self._address} closed the link.")
        elif data := self._decoded(data):  # an answer that cannot be sent ends the link, but this was said before
            receiver.data_received(data, self._clock.monotonic())

    # What a protocol on top of TCP changes

    def _decoded(self, data: bytes) -> bytes:
        """What the machine said in these bytes of the wire; may be empty."""
        return data

    def _encoded(self, piece: bytes) -> bytes:
        """`piece` as it goes over the wire."""
        return piece

    def _taken(self, piece: bytes, wire_bytes: int) -> int:
        """How many bytes of `piece` went out with the first `wire_bytes` of its encoded form."""
        return wire_bytes

    def _holds_data(self) -> bool:
        """Whether the bridge asked for no more data for now."""
        return False

    # Output

    def _pump(self) -> None:
        """Gives the kernel what it takes at once; the rest follows when the socket is writable."""
        if self._writer_armed:
            self._stall.waiting()  # again, if a stop has dropped what it waited for before
        while self._socket is not None and not self._writer_armed:
            piece = b"" if self._first or self._holds_data() else self._output.next_piece()
            wire = bytes(self._first) or self._encoded(piece)
            if not wire:
                if len(self._output):
                    self._stall.waiting()
                else:
                    self._stall.progressed()
                return
            try:
                taken = self._socket.send(wire)
            except (BlockingIOError, InterruptedError):
                taken = 0
            except OSError as error:
                self._arm_loss(f"The link to {self._address} broke: {_why(error)}.")
                return
            if self._first:
                del self._first[:taken]
            else:
                self._output.consume(self._taken(piece, taken))
            if taken:
                self._stall.progressed()
            if taken < len(wire):
                self._stall.waiting()
                self._writer_armed = True
                asyncio.get_running_loop().add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_writer(self._socket.fileno())
            self._writer_armed = False
            self._pump()

    def _stalled(self) -> None:
        self._lose(f"{self._address} took no bytes for {self._settings.stall_s:g} s.")

    def _arm_loss(self, message: str) -> None:
        """Tells of a loss found inside one of our own methods, from the loop."""
        receiver, self._receiver = self._receiver, None
        self._shut()
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.lost, _lost(message))

    def _lose(self, message: str) -> None:
        receiver, self._receiver = self._receiver, None
        self._shut()
        if receiver is not None:
            receiver.lost(_lost(message))

    def _shut(self) -> None:
        self._stall.progressed()
        self._output.clear()
        self._first.clear()
        link, self._socket = self._socket, None
        if link is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(link.fileno())
        loop.remove_writer(link.fileno())
        self._writer_armed = False
        link.close()


def configure(link: socket.socket, stall_s: float) -> None:
    """No waiting for full packets, and probes that find a dead peer within about `stall_s`."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    interval_s = max(1, int(stall_s / 4))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, interval_s)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval_s)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(stall_s * 1000))


def _why(error: OSError) -> str:
    """The system's words; asyncio's own text repeats the address, and name look-ups have their own codes."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return str(error.strerror or error)
    return os.strerror(error.errno)


def _lost(message: str) -> LinkError:
    return LinkError(message, hint="Check the network and the machine; it is looked for again by itself.")
