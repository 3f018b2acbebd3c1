"""The line to the controller: one controller at a time, reports until acknowledged, telemetry when there is room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from fleetctl.transport.peer import PeerLink


class PeerServer(Protocol):
    """What listens for controllers."""

    def close(self) -> None:
        """Listen no more; links that are open stay open. Idempotent."""
        ...


Listen = Callable[[Callable[[PeerLink], Awaitable[None]]], Awaitable[PeerServer]]
"""Begins to listen: calls what it is given for each link, in a task of that link, and closes the link when it
returns. Raises LinkUnavailable."""
