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
async def test_the_first_look_comes_within_a_round_whenever_others_are_looked_at() -> None:
    """However few they are, and wherever in their round one more comes."""
    loop = asyncio.get_running_loop()
    seen: list[list[float]] = []
    begun_s: list[float] = []
    looks: list[Callable[[], None]] = []
    for _ in range(60):
        seen.append([])
        looks.append(looker(seen[-1]))
        begun_s.append(loop.time())
        glances().watch(looks[-1])
        await asyncio.sleep(0.0137)
    await asyncio.sleep(1.0)
    for look in looks:
        glances().leave(look)
    for start_s, times in zip(begun_s, seen, strict=True):
        assert 0.0 < times[0] - start_s <= ROUND_S + 1e-9
        assert all(abs(after - before - ROUND_S) < 1e-6 for before, after in itertools.pairwise(times))


@under_virtual_clock()
async def test_a_look_that_is_due_is_not_put_off_by_another_one_that_begins() -> None:
    """As when the loop was late, and hears of a new run before it comes to its timers."""
    loop = asyncio.get_running_loop()
    seen: list[float] = []
    glances().watch(looker(seen))
    begun_s = loop.time()
    others = [looker([]) for _ in range(5)]
    for number, other in enumerate(others):
        loop.call_at(begun_s + ROUND_S - 1e-9 * number, glances().watch, other)
    await asyncio.sleep(1.5 * ROUND_S)
    assert [round(time - begun_s, 6) for time in seen] == [ROUND_S]
    for other in others:
        glances().leave(other)


@under_virtual_clock()
async def test_a_look_may_begin_another_one() -> None:
    seen: list[float] = []
    later: list[float] = []
    look, other = looker(seen), looker(later)

    def first() -> None:
        look()
        glances().watch(other)

    glances().watch(first)
    await asyncio.sleep(1.05)
    assert len(seen) == 10
    assert len(later) == 9
    for times in (seen, later):
        assert all(abs(after - before - ROUND_S) < 1e-6 for before, after in itertools.pairwise(times))
    for each in (first, other):
        glances().leave(each)


@under_virtual_clock()
async def test_one_that_raises_leaves_all_others_looked_at() -> None:
    loop = asyncio.get_running_loop()
    told: list[Any] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    seen: list[float] = []

    def broken() -> None:
        raise ValueError("a bug")

    look = looker(seen)
    glances().watch(broken)
    glances().watch(look)
    await asyncio.sleep(1.05)
    assert len(seen) == 10
    assert [str(error) for error in told] == ["a bug"] * 10
    for each in (broken, look):
        glances().leave(each)


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
