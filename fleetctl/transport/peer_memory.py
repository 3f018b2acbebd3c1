"""The link between controller and agent inside one process, with planned faults: for simulations.

Like TCP it delivers in order or breaks. Losing or doubling single messages is possible too, because the
protocol above must survive its own re-sends. It must not know what a message says.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fleetctl.errors import LinkError
from fleetctl.transport.delay import DelayLine
from fleetctl.transport.frames import frame

QUEUE_MESSAGES = 4096


@dataclass(frozen=True, slots=True)
class PeerFaults:
    """Faults of one pair, drawn from `rng` for each message: probabilities 0 to 1, delays in seconds."""

    rng: random.Random
    delay_s: tuple[float, float] = (0.0, 0.0)
    break_link: float = 0.0
    lose: float = 0.0
    duplicate: float = 0.0


class MemoryPeerLink:
    """One end of a `memory_peer_pair`."""

    def __init__(self, faults: PeerFaults | None) -> None:
        self._faults = faults
        self._other: MemoryPeerLink | None = None
        self._way: DelayLine[bytes] = DelayLine(self._arrive)
        self._received: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost: LinkError | None = None
        self._closed = False

    @property
    def lost(self) -> LinkError | None:
        """Why the link ended; None while it is up, and after our own `close`."""
        return self._lost

    def send(self, message: bytes) -> bool:
        """Queue one message for the other end. False when the queue is full or the link is gone."""
        frame(message)  # refuses what the real link refuses
        other = self._other
        if other is None or len(other._way) + len(other._received) >= QUEUE_MESSAGES:
            return False
        faults = self._faults
        if faults is None:
            other._way.push(message)
            return True
        if faults.rng.random() < faults.break_link:
            self.cut()
            return True
        if faults.rng.random() < faults.lose:
            return True
        copies = 2 if faults.rng.random() < faults.duplicate else 1
        for _ in range(copies):
            other._way.push(message, faults.rng.uniform(*faults.delay_s))
        return True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._received:
            if self._other is None:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._received.popleft()

    def close(self) -> None:
        """Close at once; the other end finds the link lost, after what had arrived there."""
        if not self._closed:
            self._closed = True
            self._received.clear()
            other = self._other
            self._part()
            if other is not None:
                other._end(LinkError("The other side closed the link."))

    async def wait_closed(self) -> None:
        """Nothing is left of a closed link."""

    def cut(self) -> None:
        """Break the link for both ends; messages on their way are gone."""
        other = self._other
        self._end(LinkError("The link broke."))
        if other is not None:
            other._end(LinkError("The link broke."))

    def _arrive(self, message: bytes) -> None:
        self._received.append(message)
        self._wake()

    def _end(self, reason: LinkError) -> None:
        if self._other is not None:
            self._lost = reason
            self._part()

    def _part(self) -> None:
        self._other = None
        self._way.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def memory_peer_pair(faults: PeerFaults | None = None) -> tuple[MemoryPeerLink, MemoryPeerLink]:
    """Two ends of one link, on the running loop; `faults` apply both ways."""
    one, two = MemoryPeerLink(faults), MemoryPeerLink(faults)
    one._other, two._other = two, one
    return one, two
