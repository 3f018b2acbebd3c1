"""Where blocking work goes: threads of our own, or inline in the simulation.

Responsible for the one type through which the agent ever leaves the loop. Must not know what the work is. The
journal has a thread to itself, so that reading programs from a slow disk never delays a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs `work(*args)` where it may block and gives its result; whatever it raises comes out here."""

    async def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`."""
        ...


class Threads:
    """A `RunBlocking` over a pool of its own; threads start when first needed."""

    def __init__(self, name: str, workers: int) -> None:
        """`name` shows in thread listings; `workers` bounds how many calls run at a time."""
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix=f"fleetctl-{name}")

    async def __call__(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, run in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """Start nothing more; does not wait for a call that hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def inline(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """A `RunBlocking` without threads, for a virtual loop: `work` runs at once, after one turn of the loop."""
    await asyncio.sleep(0)
    return work(*args, **kwargs)
