"""A line that delivers things later and in order: the latency of links that exist only in memory.

One timer serves the whole line, so that things with equal times keep their order on any event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class DelayLine(Generic[Item]):
    """Hands each item to `deliver` after its delay, never before an earlier item and never at once."""

    def __init__(self, deliver: Callable[[Item], None]) -> None:
        self._deliver = deliver
        self._waiting: deque[tuple[float, Item]] = deque()
        self._handle: asyncio.Handle | None = None

    def __len__(self) -> int:
        """Items on their way."""
        return len(self._waiting)

    def push(self, item: Item, delay_s: float = 0.0) -> None:
        """Deliver `item` in `delay_s` seconds, or right after the item before it if that is later."""
        due_s = asyncio.get_running_loop().time() + max(0.0, delay_s)
        self._waiting.append((due_s, item))
        if self._handle is None:
            self._arm()

    def clear(self) -> None:
        """Drop everything that is on its way."""
        self._waiting.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = self._waiting[0][0]
        self._handle = loop.call_soon(self._due) if due_s <= loop.time() else loop.call_at(due_s, self._due)

    def _due(self) -> None:
        self._handle = None
        now_s = asyncio.get_running_loop().time()
        ripe: list[Item] = []
        while self._waiting and self._waiting[0][0] <= now_s:
            ripe.append(self._waiting.popleft()[1])
        if self._waiting:
            self._arm()
        for item in ripe:
            self._deliver(item)
