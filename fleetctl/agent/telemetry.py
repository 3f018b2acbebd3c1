"""The newest readings of each machine until the link takes them: bounded by the number of machines (I9).

Must not know the link. What is not taken in time is overwritten by what comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleetctl.model.messages import TelemetryReport


class TelemetryBoard:
    """Which machines have something new to say; the words are put together only when they are taken."""

    def __init__(self) -> None:
        """Nothing new."""
        self.fresh = asyncio.Event()
        self._changed: dict[str, Callable[[], TelemetryReport]] = {}

    def changed(self, machine_id: str, read: Callable[[], TelemetryReport]) -> None:
        """The machine has new readings; `read` gives the newest."""
        self._changed[machine_id] = read
        self.fresh.set()

    def take(self) -> list[TelemetryReport]:
        """The newest of every machine that has something new, and forget it."""
        changed, self._changed = self._changed, {}
        self.fresh.clear()
        return [read() for read in changed.values()]
