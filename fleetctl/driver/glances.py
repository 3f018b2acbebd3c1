"""One timer for all links of a loop whose program a compiled lane feeds: each is looked at ten times a second.

The lane says nothing by itself, so that a line costs nothing here. Hundreds of machines would else keep as many
timers, and would be looked at together. It must not know what is looked at.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from weakref import WeakKeyDictionary

ROUND_S = 0.1
"""More often nobody could use it; the agent journals the acknowledged line so often."""

SLOTS = 25
"""Into which the round is divided: of 300 machines a dozen are looked at together, for a quarter of a millisecond.
Each alone would find the caches cold, and take half as long again."""

STEP_S = ROUND_S / SLOTS
HAIR = 1e-6
"""Of a step: what adding up steps may be off by."""

Look = Callable[[], None]

_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Glances] = WeakKeyDictionary()


class Glances:
    """Calls each look once in a round. A look must not raise."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """No timer runs while there is nothing to look at."""
        self._loop = loop
        self._slots: list[dict[Look, None]] = [{} for _ in range(SLOTS)]
        self._at = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, look: Look) -> None:
        """Call `look` in every round, from now on; for the first time before one is over."""
        if any(look in slot for slot in self._slots):
            return
        from_s = self._loop.time()
        if self._timer is not None:
            # It waits for the next slot that is not empty; we begin at the one that it is now.
            steps = max(1, math.ceil((self._timer.when() - from_s) / STEP_S - HAIR))
            from_s = self._timer.when() - steps * STEP_S
            self._at = (self._at - steps) % SLOTS
            self._timer.cancel()
        behind = (*range(self._at + 1, SLOTS), *range(self._at + 1))  # of the emptiest, what comes last
        self._slots[min(reversed(behind), key=lambda slot: len(self._slots[slot]))][look] = None
        self._wait(from_s)

    def leave(self, look: Look) -> None:
        """Call it no more; nothing happens for one that is not called."""
        for slot in self._slots:
            slot.pop(look, None)

    def _wait(self, from_s: float) -> None:
        """Set the timer to the next slot with anything in it, none if all are empty."""
        steps = next((step for step in range(1, SLOTS + 1) if self._slots[(self._at + step) % SLOTS]), 0)
        self._timer = None
        if steps:
            self._at = (self._at + steps) % SLOTS
            self._timer = self._loop.call_at(from_s + steps * STEP_S, self._tick)

    def _tick(self) -> None:
        assert self._timer is not None
        slot, due_s = self._slots[self._at], self._timer.when()
        self._timer = None
        try:
            for look in tuple(slot):
                if look in slot:  # an earlier one may have ended it
                    look()
        finally:  # whatever one raises, nobody else is left unwatched
            if self._timer is None:  # else one of them began another
                self._wait(max(due_s, self._loop.time() - STEP_S))  # a loop that was late makes up for one slot


def glances() -> Glances:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _of_loop.get(loop)
    if found is None:
        found = _of_loop[loop] = Glances(loop)
    return found
