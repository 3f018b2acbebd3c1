"""All open ports of a loop behind one descriptor of the loop's own, where the system has `epoll`.

A loop spends on every ready descriptor as much as reading and writing it costs; of hundreds of ports it sees one, and
we ask which. Elsewhere each port is a reader of the loop. It must not know what a port does when it is readable.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Callable
from weakref import WeakKeyDictionary

AT_ONCE = 64
"""Ports in one turn of the loop, so that everything else in it has its turn within a millisecond."""

_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, PortSet] = WeakKeyDictionary()


class PortSet:
    """Calls `readable` of each descriptor that was added whenever it can be read or has hung up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Opens nothing before the first descriptor is added."""
        self._loop = loop
        self._readable: dict[int, Callable[[], None]] = {}
        self._epoll: select.epoll | None = None

    def add(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Begin with an open descriptor. `readable` must not raise."""
        if not hasattr(select, "epoll"):
            self._loop.add_reader(descriptor, readable)
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._turn)
        self._epoll.register(descriptor, select.EPOLLIN)
        self._readable[descriptor] = readable

    def remove(self, descriptor: int) -> None:
        """Be done with a descriptor, before it is closed; nothing happens for one that was never added."""
        if not hasattr(select, "epoll"):
            self._loop.remove_reader(descriptor)
            return
        if self._epoll is None or self._readable.pop(descriptor, None) is None:
            return
        with contextlib.suppress(OSError):  # the system forgets by itself what was closed
            self._epoll.unregister(descriptor)
        if not self._readable:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _turn(self) -> None:
        if self._epoll is None:
            return
        readable = self._readable
        for descriptor, _ in self._epoll.poll(0, AT_ONCE):
            act = readable.get(descriptor)  # another one may have closed it in this very turn
            if act is not None:
                act()


def port_set() -> PortSet:
    """The one of the running loop."""
    loop = asyncio.get_running_loop()
    found = _of_loop.get(loop)
    if found is None:
        found = _of_loop[loop] = PortSet(loop)
    return found
