"""Links that misbehave in one particular way, each a `Transport` around another one.

`fleetctl.testing.faults` spoils chunks by chance; what stands here does one thing for sure. It must not know
firmwares.
"""

from __future__ import annotations

import random

from fleetctl.errors import LinkError
from fleetctl.transport.base import Receiver, Transport


class Wire:
    """Passes everything on. Override `outgoing` or `incoming` to change what passes."""

    def __init__(self, inner: Transport) -> None:
        self.url = inner.url
        self._inner = inner
        self._receiver: Receiver | None = None

    def outgoing(self, data: bytes) -> bytes:
        """What the machine gets of `data`."""
        return data

    def incoming(self, data: bytes) -> bytes:
        """What we get of `data`."""
        return data

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open the inner link."""
        self._receiver = receiver
        await self._inner.open(self, deadline_s)

    def write(self, data: bytes) -> None:
        """Pass `data` on."""
        self._inner.write(self.outgoing(data))

    @property
    def unsent_bytes(self) -> int:
        """As the inner link says."""
        return self._inner.unsent_bytes

    def discard_output(self) -> int:
        """Drop the inner link's unsent output."""
        return self._inner.discard_output()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Pass urgent bytes on."""
        self._inner.urgent(self.outgoing(data), at_line_start=at_line_start)

    def close(self) -> None:
        """Close the inner link."""
        self._receiver = None
        self._inner.close()

    def data_received(self, data: bytes, now_s: float) -> None:
        """Bytes from the machine."""
        data = self.incoming(data)
        if data and self._receiver is not None:
            self._receiver.data_received(data, now_s)

    def lost(self, reason: LinkError) -> None:
        """The inner link is gone."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.lost(reason)


class HalfOpen(Wire):
    """A TCP connection whose peer has gone without a word: from `dead` on nothing arrives either way, and nothing is
    reported."""

    dead = False

    def outgoing(self, data: bytes) -> bytes:
        """Swallowed when dead."""
        return b"" if self.dead else data

    def incoming(self, data: bytes) -> bytes:
        """Swallowed when dead."""
        return b"" if self.dead else data


class DoubledLineEnds(Wire):
    """A bridge that turns each line end into CR LF, or two of them, and cuts lines in pieces."""

    def __init__(self, inner: Transport, rng: random.Random) -> None:
        super().__init__(inner)
        self._rng = rng

    def data_received(self, data: bytes, now_s: float) -> None:
        """In pieces."""
        data = data.replace(b"\n", self._rng.choice((b"\r\n", b"\r\n\r\n", b"\n\n", b"\r")))
        while data:
            size = self._rng.randint(1, len(data))
            super().data_received(data[:size], now_s)
            data = data[size:]


class SpoilsOneLine(Wire):
    """After `after` writes one line is spoiled, and that same line again each time it is repeated (a bridge that
    stumbles over a byte sequence). `times` bounds it; None is for ever."""

    def __init__(self, inner: Transport, after: int, times: int | None = None) -> None:
        super().__init__(inner)
        self.armed = False
        self._after = after
        self._left = times
        self._line = b""

    def outgoing(self, data: bytes) -> bytes:
        """The line with one bit of its middle turned."""
        if not self.armed:
            return data
        self._after -= 1
        if self._after == 0:
            self._line = data.splitlines(keepends=True)[0]
        if not self._line or self._line not in data or self._left == 0:
            return data
        if self._left is not None:
            self._left -= 1
        middle = len(self._line) // 2
        spoiled = self._line[:middle] + bytes((self._line[middle] ^ 1,)) + self._line[middle + 1 :]
        return data.replace(self._line, spoiled)
