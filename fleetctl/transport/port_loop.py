"""The loop of a process that streams: it serves serial ports while it waits for everything else.

A selector is where a loop waits, and asyncio takes any; ours (`PortSelector`) lets ports take what there is inside
the wait (`ext/port_wait.pyx`). In any other loop, as where the system has no `epoll`, each port is a reader of the
loop, which is the same and dearer. It must not know what a port does when it is readable.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Callable
from weakref import WeakKeyDictionary

from fleetctl.protocol.lane import LanePort, PortWait

_selectors: WeakKeyDictionary[asyncio.AbstractEventLoop, PortSelector] = WeakKeyDictionary()


class PortSelector(selectors.DefaultSelector):
    """The usual selector of a loop, which is waited for together with ports."""

    def __init__(self) -> None:
        """Has no ports yet."""
        super().__init__()
        self.broke: Callable[[Exception], object] = lambda error: None
        self.ports = PortWait(self.fileno(), lambda error: self.broke(error))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready besides ports; nothing too if a port's owner wants the loop to look around."""
        return super().select(0) if self.ports.wait(-1.0 if timeout is None else max(timeout, 0.0)) else []

    def close(self) -> None:
        """Be done, and let go of the loop."""
        self.broke = lambda error: None
        self.ports.close()
        super().close()


def port_loop() -> asyncio.AbstractEventLoop:
    """A new loop of this kind, for `asyncio.Runner`; where the system has no `epoll`, the usual one."""
    if not hasattr(select, "epoll"):
        return asyncio.new_event_loop()
    selector = PortSelector()
    loop = asyncio.SelectorEventLoop(selector)

    def broke(error: Exception) -> None:
        loop.call_exception_handler({"message": "A port raised while it was read.", "exception": error})

    selector.broke = broke
    _selectors[loop] = selector
    return loop


def read(port: LanePort) -> None:
    """Call `port.readable` whenever it can be read or has hung up, from now on, in the running loop."""
    loop = asyncio.get_running_loop()
    selector = _selectors.get(loop)
    if selector is None:
        loop.add_reader(port.descriptor, port.readable)
    else:
        selector.ports.add(port)


def read_no_more(port: LanePort) -> None:
    """Be done with a port, before it is closed; nothing happens for one that is not read."""
    if port.descriptor < 0:
        return
    loop = asyncio.get_running_loop()
    selector = _selectors.get(loop)
    if selector is None:
        loop.remove_reader(port.descriptor)
    else:
        selector.ports.remove(port)
