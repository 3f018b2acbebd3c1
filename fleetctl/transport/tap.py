"""Lets others listen in on an open link, and costs nothing while nobody does.

The bytes pass as they are: without ears the methods of the link below are called directly, with no step between.
Must not know what the bytes mean, nor who listens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fleetctl.errors import LinkError
from fleetctl.protocol.lane import CompiledLane
from fleetctl.transport.base import CarriesLane, LaneOwner, Receiver, Transport

Way = Literal["out", "urgent", "in", "discard", "open", "lost"]
"""`out` and `urgent`: bytes to the machine. `in`: bytes from it. `discard`: how many unsent bytes were dropped, as
text. `open`: the link is about to be opened. `lost`: why it is gone."""

Ear = Callable[[Way, bytes], None]
"""Called for each piece, in order, from the loop's thread; must neither wait nor raise. Text is UTF-8."""


class TapTransport:
    """A `Transport` over `inner`, and the `Receiver` of it. `listen` may be called at any time, by one ear."""

    write: Callable[[bytes], None]
    data_received: Callable[[bytes, float], None]

    def __init__(self, inner: Transport) -> None:
        """Opens nothing; nobody listens."""
        self.url = inner.url
        self._inner = inner
        self._receiver: Receiver | None = None
        self._ear: Ear | None = None
        self._carried: tuple[CompiledLane, LaneOwner] | None = None
        self.write = self._write
        self.data_received = self._receive

    def listen(self, ear: Ear | None) -> None:
        """Let `ear` hear everything from now on; None: nobody any more."""
        self._ear = ear
        direct = ear is None and self._receiver is not None
        self.write = self._inner.write if direct else self._write
        self.data_received = self._receiver.data_received if direct and self._receiver else self._receive
        # What the lane answers at the port is heard by nobody: while somebody listens it answers above.
        if self._receiver is not None and isinstance(self._inner, CarriesLane):
            self._inner.carry(*(self._carried if direct and self._carried else (None, None)))

    def carry(self, lane: CompiledLane | None, owner: LaneOwner | None) -> None:
        """As the inner link, if it can, while nobody listens."""
        self._carried = (lane, owner) if lane is not None and owner is not None else None
        self.listen(self._ear)

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open the inner link. Raises LinkUnavailable."""
        self._receiver = receiver
        self._tell("open", b"")
        self.listen(self._ear)
        await self._inner.open(self, deadline_s)

    @property
    def unsent_bytes(self) -> int:
        """As the inner link says."""
        return self._inner.unsent_bytes

    def discard_output(self) -> int:
        """Drop unsent output; gives the bytes dropped."""
        count = self._inner.discard_output()
        self._tell("discard", str(count).encode())
        return count

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send ahead of unsent output."""
        if data:
            self._tell("urgent", data)
        self._inner.urgent(data, at_line_start=at_line_start)

    def close(self) -> None:
        """Close at once."""
        self._receiver = None
        self.listen(self._ear)
        self._inner.close()

    def lost(self, reason: LinkError) -> None:
        """What the inner link calls when it is gone."""
        self._tell("lost", str(reason).encode())
        receiver, self._receiver = self._receiver, None
        self.listen(self._ear)
        if receiver is not None:
            receiver.lost(reason)

    def _tell(self, way: Way, data: bytes) -> None:
        if self._ear is not None:
            self._ear(way, data)

    def _write(self, data: bytes) -> None:
        self._tell("out", data)
        self._inner.write(data)

    def _receive(self, data: bytes, now_s: float) -> None:
        self._tell("in", data)
        if self._receiver is not None:
            self._receiver.data_received(data, now_s)
