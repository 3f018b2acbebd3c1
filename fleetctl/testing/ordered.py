"""Tasks and futures that hash by the order of their creation, for the virtual clock.

asyncio keeps tasks and futures in sets (task groups, `asyncio.wait`) and walks them when it cancels; with the
default hash, an address, that order differs from one process to the next. This module must not know the loop
beyond its counter.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol


class Counting(Protocol):
    """A loop that counts what is made in it."""

    def next_number(self) -> int:
        """1, then 2, and so on."""
        ...


class OrderedTask(asyncio.Task[Any]):
    """A task that hashes by its number."""

    number: int

    def __new__(cls, *args: Any, loop: Counting, **options: Any) -> OrderedTask:
        """Numbers the task before `__init__`, in which asyncio hashes it already."""
        task = super().__new__(cls)
        task.number = loop.next_number()
        return task

    def __hash__(self) -> int:
        return self.number


class OrderedFuture(asyncio.Future[Any]):
    """A future that hashes by its number."""

    number: int

    def __new__(cls, *, loop: Counting) -> OrderedFuture:
        """Numbers the future."""
        future = super().__new__(cls)
        future.number = loop.next_number()
        return future

    def __hash__(self) -> int:
        return self.number
