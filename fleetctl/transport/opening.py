"""Opens things that may block for long, off the event loop and with a deadline.

A tty can hang in `open` for half a minute (a dying USB adapter, a Bluetooth port), and a thread cannot be
stopped; so each attempt has its own daemon thread, and what it opens too late is closed again.
"""

from __future__ import annotations

import asyncio
import termios
import threading
from collections.abc import Callable
from typing import TypeVar

from fleetctl.errors import LinkUnavailable

Opened = TypeVar("Opened")


async def open_in_thread(
    work: Callable[[], Opened], *, dispose: Callable[[Opened], None], deadline_s: float, what: str
) -> Opened:
    """Run `work` in a thread of its own and give its result, at the latest at `deadline_s` (loop time).

    `work` may raise LinkUnavailable, OSError, ValueError or termios.error. When it is late, or we are
    cancelled, its result goes to `dispose`. Raises LinkUnavailable naming `what` when the deadline passes.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Opened] = loop.create_future()

    def deliver(result: Opened) -> None:
        if answer.done():
            threading.Thread(target=dispose, args=(result,), daemon=True).start()
        else:
            answer.set_result(result)

    def fail(error: Exception) -> None:
        if not answer.done():
            answer.set_exception(error)

    def body() -> None:
        try:
            result = work()
        except (LinkUnavailable, OSError, ValueError, termios.error) as error:
            _call_back(loop, fail, error)
            return
        if not _call_back(loop, deliver, result):
            dispose(result)

    threading.Thread(target=body, name=f"open {what}", daemon=True).start()
    try:
        async with asyncio.timeout_at(deadline_s):
            return await answer
    except TimeoutError:
        raise LinkUnavailable(
            f"{what} did not open in time.", hint="Unplug the machine, plug it in again, and try once more."
        ) from None


def _call_back(loop: asyncio.AbstractEventLoop, function: Callable[..., None], argument: object) -> bool:
    """Calls on the loop's thread; False when the loop is closed already."""
    try:
        loop.call_soon_threadsafe(function, argument)
    except RuntimeError:
        return False
    return True
