"""Small works that may wait a moment, done a few at a time, so that the lines of other machines pass between them.

Hundreds of machines that began together want the same things together. It must not know what the works are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

AT_ONCE = 4
"""Works in one turn of the loop; each takes some tens of microseconds."""

_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


class Turns:
    """Calls each work once, in the order in which they were asked for, in one of the next turns of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing to do yet."""
        self._loop = loop
        self._works: deque[Callable[[], None]] = deque()

    def ask(self, work: Callable[[], None]) -> None:
        """Call `work` soon. It must not raise."""
        if not self._works:
            self._loop.call_soon(self._work)
        self._works.append(work)

    def _work(self) -> None:
        for _ in range(min(AT_ONCE, len(self._works))):
            self._works[0]()  # it stays in the queue meanwhile: what it asks for itself comes in a later turn
            self._works.popleft()
        if self._works:
            self._loop.call_soon(self._work)


def turns() -> Turns:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _of_loop.get(loop)
    if found is None:
        found = _of_loop[loop] = Turns(loop)
    return found
