"""The computer's own clock."""

import asyncio
from datetime import UTC, datetime, timedelta

from fleetctl.clock import Clock, SystemClock


async def test_the_system_clock_goes_with_the_loop_and_gives_utc() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.monotonic() - asyncio.get_running_loop().time()) < 1
    assert clock.wall().tzinfo is UTC
    assert abs(clock.wall() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_it_sleeps_at_least_as_long_as_asked_and_never_backwards() -> None:
    clock = SystemClock()
    begin = clock.monotonic()
    await clock.sleep(0.01)
    await clock.sleep_until(begin + 0.02)
    assert clock.monotonic() >= begin + 0.02
    await clock.sleep_until(begin)
    await clock.sleep(-5)
