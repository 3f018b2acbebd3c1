"""The link between controller and agent: whole messages, in order, until it breaks.

Over a Unix socket between processes; `peer_memory` is its twin for simulations. It must not know what a
message says, and keeps none for later: when the link breaks, what was under way is gone, and the
protocol above sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol, cast

from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.transport.frames import FrameReader, frame

QUEUE_BYTES = 4 * 1024 * 1024
"""Unsent bytes on one link before `send` refuses: some seconds of a large site's telemetry."""

READ_BYTES = 65536

CLOSE_GRACE_S = 1.0
"""How long a server waits for its tasks before it cancels them."""

# The kernel's limit for the path of a Unix socket is 108 bytes with its final zero (unix(7)).
SOCKET_PATH_BYTES = 107


class PeerLink(Protocol):
    """One link to the other process. Iterate over it for the messages; the iteration ends with the link."""

    @property
    def lost(self) -> LinkError | None:
        """Why the link ended; None while it is up, and after our own `close`."""
        ...

    def send(self, message: bytes) -> bool:
        """Queue one message. False when the queue is full or the link is gone: then nothing was queued.

        Raises FrameTooLong over 16 MiB.
        """
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The messages, oldest first. Only one iteration at a time."""
        ...

    def close(self) -> None:
        """Close at once; idempotent. An iteration under way ends."""
        ...

    async def wait_closed(self) -> None:
        """Wait, after `close` or a loss, until nothing of the link is left."""
        ...


class StreamPeerLink:
    """A `PeerLink` over an asyncio stream."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, queue_bytes: int = QUEUE_BYTES
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._queue_bytes = queue_bytes
        self._frames = FrameReader()
        self._received: deque[bytes] = deque()
        self._lost: LinkError | None = None
        self._closed = False
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0

    @property
    def lost(self) -> LinkError | None:
        """Why the link ended."""
        return self._lost

    def send(self, message: bytes) -> bool:
        """Queue one message; False when it cannot be."""
        framed = frame(message)
        if self._closed or self._writer.is_closing():
            return False
        if self._writer.transport.get_write_buffer_size() + self._outbox_bytes > self._queue_bytes:
            return False
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(framed)
        self._outbox_bytes += len(framed)
        return True

    def _flush(self) -> None:
        """All messages of one turn of the loop go to the socket in one call."""
        outbox, self._outbox, self._outbox_bytes = self._outbox, [], 0
        if outbox and not self._writer.is_closing():
            self._writer.write(b"".join(outbox))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._received:
            if self._closed or self._lost is not None:
                raise StopAsyncIteration
            await self._read()
        return self._received.popleft()

    def close(self) -> None:
        """Close at once, dropping what was not sent."""
        self._flush()
        self._closed = True
        self._received.clear()
        self._writer.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        with contextlib.suppress(OSError):  # what broke the link has been told by `lost`
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            data = await self._reader.read(READ_BYTES)
            self._received.extend(self._frames.feed(data))  # also at the end, for what it still has to say
        except (OSError, LinkError) as error:
            self._end(error if isinstance(error, LinkError) else LinkError(f"The link broke: {error}."))
            return
        if not data:
            cut = " in the middle of a message" if self._frames.pending_bytes else ""
            self._end(LinkError(f"The other side closed the link{cut}."))

    def _end(self, reason: LinkError) -> None:
        if not self._closed:
            self._lost = reason
        self._writer.transport.abort()


async def connect_peer(path: Path, deadline_s: float) -> StreamPeerLink:
    """Connect to the Unix socket at `path` until `deadline_s` (loop time). Raises LinkUnavailable."""
    try:
        async with asyncio.timeout_at(deadline_s):
            with _short_path(path) as short:
                return StreamPeerLink(*await asyncio.open_unix_connection(short))
    except (OSError, TimeoutError) as error:
        raise LinkUnavailable(f"Nobody answers at {path}: {error or 'too late'}.") from error


class PeerServer:
    """Listens for links, and owns the tasks that serve them."""

    def __init__(self, welcome: Callable[[StreamPeerLink], Awaitable[None]]) -> None:
        self._welcome = welcome
        self._links: dict[asyncio.Task[None], StreamPeerLink] = {}
        self._server: asyncio.Server | None = None

    async def listen(self, listener: socket.socket) -> None:
        """Begin to accept links."""
        self._server = await asyncio.start_unix_server(self._connected, sock=listener)

    def close(self) -> None:
        """Listen no more; links that are open stay open. Idempotent."""
        if self._server is not None:
            self._server.close()

    async def aclose(self) -> None:
        """Listen no more, close every link, and wait for their tasks; those that take long are cancelled."""
        self.close()
        for link in self._links.values():
            link.close()
        if self._links:
            _, slow = await asyncio.wait(self._links, timeout=CLOSE_GRACE_S)
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = StreamPeerLink(reader, writer)
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._links[task] = link
        try:
            await self._welcome(link)
        finally:
            link.close()
            await link.wait_closed()
            del self._links[task]


async def serve_peers(path: Path, welcome: Callable[[StreamPeerLink], Awaitable[None]]) -> PeerServer:
    """Listen at `path`, for this user only (mode 0600), replacing a socket left by a dead process.

    `welcome` runs in a task of its own for each link, which is closed when it returns. Raises LinkUnavailable when
    the path cannot be used. The caller holds the lock of the data directory, so nobody else listens there.
    """
    server = PeerServer(welcome)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        path.unlink(missing_ok=True)
        mask = os.umask(0o177)
        try:
            with _short_path(path) as short:
                listener.bind(short)
        finally:
            os.umask(mask)
        await server.listen(listener)
    except OSError as error:
        listener.close()
        raise LinkUnavailable(f"Cannot listen at {path}: {error.strerror or error}.") from error
    return server


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """A name for `path` that fits a socket address, through the open directory if it is too long."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
