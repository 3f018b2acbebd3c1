"""One timer for all links of a loop whose compiled lane acted: each is looked at once, a tenth of a second later.

Hundreds of machines would else keep as many timers, made anew ten times a second. It must not know what is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from fleetctl.driver.turns import turns

SLOTS = 9
TICK_S = 0.0125
"""(SLOTS - 1) * TICK_S is the tenth of a second after which progress is told; more often nobody could use it."""

_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Glances] = WeakKeyDictionary()


class Glances:
    """Calls each thing once, soon after between `(SLOTS - 2) * TICK_S` and `(SLOTS - 1) * TICK_S` have passed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """No timer runs before something is asked for."""
        self._loop = loop
        self._slots: list[list[Callable[[], None]]] = [[] for _ in range(SLOTS)]
        self._now = 0
        self._waiting = 0
        self._next_tick_s = 0.0

    def ask(self, look: Callable[[], None]) -> None:
        """Call `look` once, in time. It must not raise."""
        self._slots[self._now - 1].append(look)
        self._waiting += 1
        if self._waiting == 1:
            self._next_tick_s = self._loop.time() + TICK_S
            self._loop.call_at(self._next_tick_s, self._tick)

    def _tick(self) -> None:
        self._now = (self._now + 1) % SLOTS
        due, self._slots[self._now] = self._slots[self._now], []
        self._waiting -= len(due)
        if self._waiting:
            self._next_tick_s = max(self._next_tick_s, self._loop.time()) + TICK_S
            self._loop.call_at(self._next_tick_s, self._tick)
        for look in due:  # of machines that began together there may be hundreds
            turns().ask(look)


def glances() -> Glances:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _of_loop.get(loop)
    if found is None:
        found = _of_loop[loop] = Glances(loop)
    return found
