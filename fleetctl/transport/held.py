"""Keeps what a link says while it is still being opened, for who will listen to it afterwards.

A board that was reset by the opening says its banner while we still agree on speeds; nobody may miss it, for it tells
that the position is gone. It must not know what bytes mean.
"""

from __future__ import annotations

import asyncio

from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.transport.base import Receiver


class HeldReceiver:
    """A `Receiver` that passes nothing on until `release`. `changed` is set at each news."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.loss: LinkError | None = None
        self._held: list[tuple[bytes, float]] = []
        self._receiver: Receiver | None = None

    @property
    def data(self) -> bytes:
        """What came since the last `forget`."""
        return b"".join(data for data, _ in self._held)

    def forget(self) -> None:
        """What came was no speech: nobody will hear it."""
        self._held.clear()

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
        held, self._held = self._held, []
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
        self.changed.set()

    def lost(self, reason: LinkError) -> None:
        """Keep or pass on."""
        if self._receiver is not None:
            self._receiver.lost(reason)
            return
        self.loss = reason
        self.changed.set()
