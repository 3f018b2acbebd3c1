"""A process of the simulated world: tasks that begin together and can be killed at any await point.

A kill first cuts everything through which the process could reach the world (`on_death`), then lets its tasks
unwind with no effect on anything. Tasks belong to the process whose code made them, found by a context variable.
It must not know what the process does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

from fleetctl.testing.loop import VirtualClockLoop

UNWIND_TRIES = 50

_current: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


class Process:
    """One life of a process. `ended` is called when its main task ends by itself, with what it raised."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.on_death: list[Callable[[], None]] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """What is called here belongs to this process."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Begin `work` as a task of this process."""
        with self.inside():
            return asyncio.get_running_loop().create_task(work, name=name)

    def kill(self) -> None:
        """End it now; `reap` must follow."""
        if not self.alive:
            return
        self.alive = False
        for cut in self.on_death:
            cut()
        self._cancel()

    async def reap(self) -> list[str]:
        """Let the cancelled tasks unwind; gives the names of those that never end."""
        for _ in range(UNWIND_TRIES):
            if not self._tasks:
                return []
            await asyncio.sleep(0.5)
            self._cancel()
        return [task.get_name() for task in self._tasks]

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """A task that the process has made."""
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        if not self.alive:
            task.cancel()

    def _cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()


def begin_outside(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """A task that belongs to no process, even when a process's own code led here."""
    token = _current.set(None)
    try:
        return asyncio.get_running_loop().create_task(work, name=name)
    finally:
        _current.reset(token)


def track_tasks(loop: VirtualClockLoop) -> None:
    """Let every task of `loop` belong to the process that made it."""
    make = loop.get_task_factory()
    assert make is not None

    def make_tracked(loop: Any, work: Any, **options: Any) -> Any:
        task: Any = make(loop, work, **options)
        process = _current.get()
        if process is not None:
            process.adopt(task)
        return task

    loop.set_task_factory(make_tracked)
