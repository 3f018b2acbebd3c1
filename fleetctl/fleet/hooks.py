"""Calls hooks of plug-ins one by one: one that raises or hangs loses only itself.

An `async def` gets a deadline. A plain function runs in a thread; when it overruns it cannot be stopped, so it
is disabled until the next start and said so in the log. Only a process of its own gives a hard stop.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fleetctl.errors import FleetctlError

log = logging.getLogger(__name__)

CHECK_WITHIN_S = 30.0
"""A check that has not answered by then means hold (I7)."""


class HookFailed(FleetctlError):
    """A hook raised or did not answer in time."""

    code = "hook-failed"


class HookSource(Protocol):
    """Where implementations come from: the plug-in manager."""

    def implementations(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """Every implementation of a hook as (plug-in name, a callable that takes the hook's arguments by name)."""
        ...


RunInThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class Hooks:
    """The hooks as the fleet calls them. `run_in_thread` runs a plain function off the loop."""

    def __init__(self, source: HookSource, run_in_thread: RunInThread) -> None:
        self._source = source
        self._run_in_thread = run_in_thread
        self._disabled: set[tuple[str, str]] = set()

    def named(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """The implementations of a hook that are not disabled."""
        found = self._source.implementations(hook)
        return [(name, call) for name, call in found if (name, hook) not in self._disabled]

    async def call(self, hook: str, name: str, implementation: Callable[..., Any], **arguments: Any) -> Any:
        """The answer of one implementation. Raises HookFailed, whatever went wrong in it."""
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                return await self._answer(implementation, arguments)
        except TimeoutError as error:
            if not inspect.iscoroutinefunction(implementation):
                self._disabled.add((name, hook))
                log.error("%s of plug-in %s overran %g s and is disabled", hook, name, CHECK_WITHIN_S)
            raise HookFailed(f"{name} did not answer within {CHECK_WITHIN_S:g} s.") from error
        except Exception as error:
            log.exception("%s of plug-in %s failed", hook, name)
            raise HookFailed(f"{name} failed: {type(error).__name__}: {error}") from error

    async def _answer(self, implementation: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        names = inspect.signature(implementation).parameters
        wanted = {name: value for name, value in arguments.items() if name in names}
        if inspect.iscoroutinefunction(implementation):
            return await implementation(**wanted)
        answer = await self._run_in_thread(lambda: implementation(**wanted))
        return await answer if inspect.isawaitable(answer) else answer
