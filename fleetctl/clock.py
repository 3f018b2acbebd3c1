"""The only reader of time: monotonic seconds for deadlines, wall UTC for records.

Everything that waits or stamps takes a `Clock`, so that the virtual clock of `fleetctl.testing` can stand in.
This module must not know what the time is used for.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time that goes with the running event loop.

    `monotonic()` uses the time base of `loop.time()`, so a deadline from one may be given to the other
    (`loop.call_at`, `asyncio.timeout_at`).
    """

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything. For deadlines and engines."""
        ...

    def wall(self) -> datetime:
        """Now, as an aware UTC time; may jump when the computer's clock is set. For records only."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait at least `duration_s` seconds; 0 or less gives other tasks one turn."""
        ...

    async def sleep_until(self, deadline_s: float) -> None:
        """Wait until `monotonic()` is at least `deadline_s`; a deadline in the past gives one turn."""
        ...


class SystemClock:
    """The computer's own time."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC, which is also the time base of asyncio's own loops."""
        return time.monotonic()

    def wall(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, duration_s: float) -> None:
        """Wait at least `duration_s` seconds."""
        await asyncio.sleep(max(0.0, duration_s))

    async def sleep_until(self, deadline_s: float) -> None:
        """Wait until `monotonic()` is at least `deadline_s`."""
        await asyncio.sleep(max(0.0, deadline_s - self.monotonic()))
