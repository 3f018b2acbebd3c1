"""One read for everybody who asks at about the same time: twenty pages that draw the same floor anew read it once.

Nobody gets anything older than the moment of asking: whoever asks while a read is under way gets the following one.
Must not know what is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Left(Exception):
    """Who was to read for the others was cancelled."""


class Together(Generic[T]):
    """Calls `read`, one at a time; its value must not be changed by anybody."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._one_at_a_time = asyncio.Lock()
        self._following: asyncio.Future[T] | None = None
        """The read that has not begun yet."""

    async def ask(self) -> T:
        """What a read gives that begins from now on. Raises what the read raises."""
        while (following := self._following) is not None:
            try:
                return await asyncio.shield(following)
            except _Left:
                continue
        return await self._read_for_all()

    async def _read_for_all(self) -> T:
        ours: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._following = ours
        try:
            async with self._one_at_a_time:
                self._following = None
                value = await self._read()
        except asyncio.CancelledError:
            self._fail(ours, _Left())
            raise
        except Exception as error:
            self._fail(ours, error)
            raise
        ours.set_result(value)
        return value

    def _fail(self, ours: asyncio.Future[T], error: Exception) -> None:
        if self._following is ours:
            self._following = None
        ours.set_exception(error)
        ours.exception()  # nobody may have waited for it
