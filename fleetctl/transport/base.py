"""The contract of a transport: it moves bytes both ways and gives them no meaning.

A transport must not know firmware words, lines or programs. It never retries and never reconnects by itself
(I12): when the link is gone it says so once, and whoever made it makes a new one.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from fleetctl.errors import LinkError
from fleetctl.protocol.lane import CompiledLane


class Receiver(Protocol):
    """What a transport calls, always from the loop's thread, never from inside one of its own methods."""

    def data_received(self, data: bytes, now_s: float) -> None:
        """Bytes came in at `now_s` (`Clock.monotonic`); never empty, split anywhere. Must not raise."""
        ...

    def lost(self, reason: LinkError) -> None:
        """The link is gone. Called at most once, and not after our own `close()`."""
        ...


class Transport(Protocol):
    """One link to one machine, used once: open, use, close.

    Bytes of `write` leave in order. `write`, `urgent` and `discard_output` on a link that is lost or closed
    do nothing: the receiver has been told, or is the one who closed it.
    """

    url: str

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open the link off the loop, at the latest at `deadline_s` (`Clock.monotonic`).

        Raises LinkUnavailable with what to do next; then the transport stays closed and may not be used
        again.
        """
        ...

    def write(self, data: bytes) -> None:
        """Queue `data` behind what was written before; never blocks. The caller's window bounds the queue."""
        ...

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the operating system (or the memory link) has not taken from us yet."""
        ...

    def discard_output(self) -> int:
        """Drop all output that has not left this computer, the kernel's queue included; gives the bytes
        dropped.

        Half a line may already be out: what follows should begin with a line end.
        """
        ...

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Send `data` ahead of all unsent output, dropping nothing.

        By default it goes out at the very next byte, which suits real-time bytes. With `at_line_start` the
        line that is partly out is finished first, which suits whole lines (an M108 inside a move would spoil
        both).
        """
        ...

    def close(self) -> None:
        """Close at once, dropping unsent output; idempotent. The receiver hears nothing more."""
        ...


class LaneOwner(Protocol):
    """Who keeps the engine of a lane that answers at the port. Called from the loop's thread; must not raise."""

    def lane_acted(self, now_s: float) -> None:
        """The lane wants its engine to step or the program to be read on."""
        ...

    def lane_broke(self, error: Exception) -> None:
        """The lane raised."""
        ...


@runtime_checkable
class CarriesLane(Protocol):
    """What a transport has besides when it can ask a lane itself, before the receiver hears of any bytes."""

    def carry(self, lane: CompiledLane | None, owner: LaneOwner | None) -> None:
        """Let `lane` take what it takes, from now on until the link is gone, or None is carried; its output is as
        that of `write`. What it does not take goes to the receiver. Time is the system's own. On an open link only.
        """
        ...
