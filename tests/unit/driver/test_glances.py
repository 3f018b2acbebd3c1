"""The one timer of all links whose lane acted."""

from __future__ import annotations

import asyncio

from fleetctl.driver.glances import SLOTS, TICK_S, glances
from fleetctl.testing.fixtures import under_virtual_clock


@under_virtual_clock()
async def test_each_is_looked_at_once_within_a_tenth_of_a_second() -> None:
    loop = asyncio.get_running_loop()
    seen: dict[int, list[float]] = {}
    asked: dict[int, float] = {}
    for number in range(40):
        asked[number] = loop.time()
        glances().ask(lambda number=number: seen.setdefault(number, []).append(loop.time()))  # type: ignore[misc]
        await asyncio.sleep(0.003)
    await asyncio.sleep(1.0)
    assert sorted(seen) == list(range(40))
    for number, times in seen.items():
        assert len(times) == 1
        assert (SLOTS - 2) * TICK_S - 1e-9 <= times[0] - asked[number] <= (SLOTS - 1) * TICK_S + 1e-9


@under_virtual_clock()
async def test_it_begins_anew_after_a_rest_and_may_be_asked_from_inside() -> None:
    loop = asyncio.get_running_loop()
    seen: list[float] = []

    def look() -> None:
        seen.append(loop.time())
        if len(seen) < 3:
            glances().ask(look)

    glances().ask(look)
    await asyncio.sleep(5.0)
    assert len(seen) == 3
    glances().ask(look)
    begun_s = loop.time()
    await asyncio.sleep(5.0)
    assert len(seen) == 4
    assert seen[3] - begun_s <= (SLOTS - 1) * TICK_S + 1e-9
