"""A task that looks when something may have changed: at once, and not again and again."""

from __future__ import annotations

import asyncio

import msgspec

from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.shapes import EventShape
from fleetctl.fleet.woken import REST_S, RETRY_S, Woken
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock


def event(kind: str) -> EventShape:
    return EventShape(sequence=1, at_s=0.0, kind=kind, subject="", actor="", data=msgspec.Raw(b"{}"))


class Looks:
    """When it looked, s from the begin. `fails`: how many of the first looks find no store."""

    def __init__(self, fails: int = 0) -> None:
        self.at_s: list[float] = []
        self._fails = fails
        self.task = Woken(("run.",), self._look, VirtualClock())

    async def _look(self) -> None:
        self.at_s.append(round(asyncio.get_running_loop().time(), 6))
        if len(self.at_s) <= self._fails:
            raise StoreUnavailable()


@under_virtual_clock()
async def test_what_happens_within_a_moment_is_looked_at_together_and_none_is_forgotten() -> None:
    looks = Looks()
    running = asyncio.create_task(looks.task.run())
    await asyncio.sleep(1.0)
    begun_s = asyncio.get_running_loop().time()
    for _ in range(50):
        looks.task.heard([event("run.running"), event("machine.changed")])
        looks.task.heard([event("machine.changed")])
        await asyncio.sleep(REST_S / 50)
    last_s = asyncio.get_running_loop().time()
    await asyncio.sleep(1.0)
    running.cancel()
    since = [at_s - begun_s for at_s in looks.at_s[1:]]
    assert since[0] == 0.0  # the first is not kept waiting
    assert 2 <= len(since) <= 3
    assert looks.at_s[-1] >= last_s - REST_S / 50  # the last one is seen


@under_virtual_clock()
async def test_it_looks_again_when_the_store_failed() -> None:
    looks = Looks(fails=2)
    running = asyncio.create_task(looks.task.run())
    await asyncio.sleep(3 * RETRY_S)
    running.cancel()
    assert [at_s - looks.at_s[0] for at_s in looks.at_s] == [0.0, RETRY_S, 2 * RETRY_S]
