"""What the agent needs of the line to its controller: whole messages, in order, until the line breaks.

Responsible for the two shapes only; the Unix socket, the broker and the simulation's faulty link implement
them. A line delivers what was sent in order or is lost: one that drops a message and goes on is none.
"""

from __future__ import annotations

from typing import Protocol


class Peer(Protocol):
    """One line to one controller."""

    async def send(self, data: bytes) -> None:
        """Send one message; waits while the other side is slow. Raises LinkError when the line is lost."""
        ...

    async def receive(self) -> bytes:
        """The next message. Raises LinkError when the line is lost or closed."""
        ...

    def close(self) -> None:
        """Close the line; idempotent. `receive` and `send` that wait raise LinkError."""
        ...


class PeerListener(Protocol):
    """Where controllers come in."""

    async def open(self) -> None:
        """Begin to listen. Raises LinkUnavailable with what to do next."""
        ...

    async def accept(self) -> Peer:
        """The next line that a controller opened."""
        ...

    async def close(self) -> None:
        """Listen no more; lines that are open stay open. Idempotent."""
        ...
