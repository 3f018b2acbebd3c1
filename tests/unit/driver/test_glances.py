"""The one timer of all links that a lane feeds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from fleetctl.driver.glances import ROUND_S, SLOTS, glances
from fleetctl.testing.fixtures import under_virtual_clock


def looker(seen: list[float]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    return lambda: seen.append(loop.time())


@under_virtual_clock()
async def test_each_is_looked_at_ten_times_a_second_and_few_together() -> None:
    seen: list[list[float]] = [[] for _ in range(120)]
    looks = [looker(times) for times in seen]
    for look in looks:
        glances().watch(look)
        await asyncio.sleep(0.003)
    begun_s = asyncio.get_running_loop().time()
    await asyncio.sleep(2.0 + ROUND_S / SLOTS / 2)
    for look in looks:
        glances().leave(look)
    for times in seen:
        later = [time for time in times if time >= begun_s]
        assert 20 <= len(later) <= 21
        assert all(abs(after - before - ROUND_S) < 1e-6 for before, after in itertools.pairwise(later))
    together = [round(time, 6) for times in seen for time in times if time >= begun_s + 1.0]
    assert max(together.count(time) for time in set(together)) <= -(-len(looks) // SLOTS)


@under_virtual_clock()
async def test_the_first_look_comes_within_a_round_also_after_a_rest() -> None:
    loop = asyncio.get_running_loop()
    for _ in range(3):
        seen: list[float] = []
        look = looker(seen)
        glances().watch(look)
        glances().watch(look)  # once is enough
        begun_s = loop.time()
        await asyncio.sleep(0.25)
        assert seen[0] - begun_s <= ROUND_S + 1e-9
        assert len(seen) == 2
        glances().leave(look)
        await asyncio.sleep(7.7)
        assert len(seen) == 2


@under_virtual_clock()
async def test_no_timer_runs_while_there_is_nothing_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    real_call_at = loop.call_at

    def call_at(when: float, *what: Any, **how: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return real_call_at(when, *what, **how)

    monkeypatch.setattr(loop, "call_at", call_at)
    look = looker([])
    glances().watch(look)
    await asyncio.sleep(0.55)
    assert len(timers) == 7  # the sleep, six times until the next look
    glances().leave(look)
    await asyncio.sleep(ROUND_S)
    timers.clear()
    await asyncio.sleep(100.0)
    assert len(timers) == 1


@under_virtual_clock()
async def test_one_that_an_earlier_one_ended_is_not_looked_at() -> None:
    seen: list[str] = []
    looks: dict[str, Callable[[], None]] = {}

    def look(name: str) -> None:
        seen.append(name)
        for each in looks.values():
            glances().leave(each)

    for name in "abc":
        looks[name] = lambda name=name: look(name)  # type: ignore[misc]
        glances().watch(looks[name])
    await asyncio.sleep(1.0)
    assert len(seen) == 1
