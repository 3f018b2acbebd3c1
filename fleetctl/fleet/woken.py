"""A task that looks at the record whenever it may have changed, and again after the store failed.

It asks the record what is left to do instead of remembering, so nothing is forgotten by a crash, and a wake-up
too many costs one look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from fleetctl.clock import Clock
from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.shapes import EventShape

log = logging.getLogger(__name__)

REST_S = 0.1
"""Pause after each look: what happens meanwhile is looked at together. With hundreds of machines something happens
all the time, and each look reads the whole site."""

RETRY_S = 2.0
"""Pause after the store failed."""


class Woken:
    """Calls `look` at the start and after events whose kind begins with one of `kinds`: at once, but not more often
    than every `REST_S`."""

    def __init__(self, kinds: tuple[str, ...], look: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._kinds = kinds
        self._look = look
        self._clock = clock
        self._woken = asyncio.Event()

    def heard(self, events: Sequence[EventShape]) -> None:
        """Listener of the bus."""
        if any(event.kind.startswith(self._kinds) for event in events):
            self.wake()

    def wake(self) -> None:
        """Look again, once what is going on has ended."""
        self._woken.set()

    async def run(self) -> None:
        """Look whenever there may be something to do, until cancelled."""
        self.wake()
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._look()
            except StoreUnavailable as error:
                log.error("work waits for the store: %s", error)
                self.wake()
                await self._clock.sleep(RETRY_S)
            else:
                await self._clock.sleep(REST_S)
