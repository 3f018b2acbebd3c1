"""One read for everybody who asks meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.fleet.together import Together
from fleetctl.testing.fixtures import under_virtual_clock

LASTS_S = 1.0


class Counted:
    """A read that takes a second; each gives its number. `fails`: numbers of those that raise."""

    def __init__(self) -> None:
        self.begun = 0
        self.fails: set[int] = set()

    async def read(self) -> int:
        self.begun += 1
        number = self.begun
        await asyncio.sleep(LASTS_S)
        if number in self.fails:
            raise ValueError(number)
        return number


@under_virtual_clock()
async def test_those_who_ask_during_a_read_share_the_next_one() -> None:
    """What is under way may have begun before the change that they ask because of."""
    counted = Counted()
    together = Together(counted.read)
    first = asyncio.create_task(together.ask())
    await asyncio.sleep(LASTS_S / 2)
    others = [asyncio.create_task(together.ask()) for _ in range(20)]
    assert await first == 1
    assert await asyncio.gather(*others) == [2] * 20
    assert counted.begun == 2
    assert await together.ask() == 3


@under_virtual_clock()
async def test_who_leaves_takes_nobody_along() -> None:
    counted = Counted()
    together = Together(counted.read)
    first = asyncio.create_task(together.ask())
    await asyncio.sleep(LASTS_S / 2)
    leaders, others = asyncio.create_task(together.ask()), [asyncio.create_task(together.ask()) for _ in range(3)]
    await asyncio.sleep(LASTS_S / 4)
    others[1].cancel()
    leaders.cancel()
    assert await first == 1
    assert await asyncio.gather(others[0], others[2]) == [2, 2]
    with pytest.raises(asyncio.CancelledError):
        await leaders


@under_virtual_clock()
async def test_an_error_reaches_all_who_waited_and_nobody_after_them() -> None:
    counted = Counted()
    counted.fails = {2}
    together = Together(counted.read)
    first = asyncio.create_task(together.ask())
    await asyncio.sleep(LASTS_S / 2)
    found = await asyncio.gather(first, together.ask(), together.ask(), return_exceptions=True)
    assert found[0] == 1 and [repr(error) for error in found[1:]] == ["ValueError(2)"] * 2
    assert await together.ask() == 3
