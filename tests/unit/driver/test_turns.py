"""Small works, a few in each turn of the loop."""

from __future__ import annotations

import asyncio

from fleetctl.driver.turns import AT_ONCE, turns
from fleetctl.testing.fixtures import under_virtual_clock


@under_virtual_clock()
async def test_each_work_is_done_once_in_order_and_others_have_their_turn_between() -> None:
    did: list[int] = []
    for number in range(3 * AT_ONCE + 1):
        turns().ask(lambda number=number: did.append(number))  # type: ignore[misc]
    assert did == []
    for passed in range(1, 5):
        await asyncio.sleep(0)
        assert did == list(range(min(passed * AT_ONCE, 3 * AT_ONCE + 1)))
    await asyncio.sleep(1.0)
    assert did == list(range(3 * AT_ONCE + 1))


@under_virtual_clock()
async def test_what_a_work_asks_for_comes_behind_what_waits() -> None:
    did: list[str] = []

    def first() -> None:
        did.append("first")
        turns().ask(lambda: did.append("asked inside"))

    turns().ask(first)
    turns().ask(lambda: did.append("second"))
    await asyncio.sleep(0.1)
    assert did == ["first", "second", "asked inside"]
    turns().ask(lambda: did.append("later"))
    await asyncio.sleep(0.1)
    assert did[-1] == "later"
