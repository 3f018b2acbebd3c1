"""Keeps what a link says while it is still being opened, for who will listen to it afterwards.

A board that was reset by the opening says its banner while we still agree on speeds; nobody may miss it, for it tells
that the position is gone. It must not know what bytes mean.
"""

from __future__ import annotations

import asyncio
from collections import deque

from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.transport.base import Receiver

HELD_MOST_BYTES = 65536
"""A board says a few kilobytes when it boots; of one that never ends only the newest are kept."""

LOOKED_AT_BYTES = 4096
"""Longer than any answer by which a machine is known."""


class HeldReceiver:
    """A `Receiver` that passes nothing on until `release`. `changed` is set at each news."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.loss: LinkError | None = None
        self._held: deque[tuple[bytes, float]] = deque()
        self._held_bytes = 0
        self._receiver: Receiver | None = None

    @property
    def data(self) -> bytes:
        """What came since the last `forget`; the newest of it, if it was much."""
        size, pieces = 0, list[bytes]()
        for data, _ in reversed(self._held):
            if size >= LOOKED_AT_BYTES:
                break
            pieces.append(data)
            size += len(data)
        return b"".join(reversed(pieces))[-LOOKED_AT_BYTES:]

    def forget(self) -> None:
        """What came was no speech: nobody will hear it."""
        self._held.clear()
        self._held_bytes = 0

    def raise_loss(self) -> None:
        """Raise LinkUnavailable if the link was lost meanwhile."""
        if self.loss is not None:
            raise LinkUnavailable(self.loss.message, hint=self.loss.hint) from self.loss

    def release(self, receiver: Receiver) -> None:
        """Pass on what was kept, soon, and everything from then on at once. Raises LinkUnavailable if it was lost."""
        self.raise_loss()
        asyncio.get_running_loop().call_soon(self._begin, receiver)

    def _begin(self, receiver: Receiver) -> None:
        self._receiver = receiver
        held, self._held = self._held, deque()
        for data, now_s in held:
            receiver.data_received(data, now_s)
        # Not the method itself: the receiver may be listened to at any time (`tap`), and then has another one.
        if self.loss is not None:
            receiver.lost(self.loss)

    def data_received(self, data: bytes, now_s: float) -> None:
        """Keep or pass on."""
        if self._receiver is not None:
            self._receiver.data_received(data, now_s)
            return
        self._held.append((data, now_s))
        self._held_bytes += len(data)
        while self._held_bytes > HELD_MOST_BYTES and len(self._held) > 1:
            self._held_bytes -= len(self._held.popleft()[0])
        self.changed.set()

    def lost(self, reason: LinkError) -> None:
        """Keep or pass on."""
        if self._receiver is not None:
            self._receiver.lost(reason)
            return
        self.loss = reason
        self.changed.set()
