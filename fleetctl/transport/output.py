"""Bytes on their way out: two lanes, one ordinary and one urgent, and a watch on whether they leave.

Shared by the transports. It must not know descriptors or sockets, and of the bytes only where a line ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from fleetctl.protocol.lane import Unsent

LINE_FEED = b"\n"


class OutputBuffer(Unsent):
    """Unsent output. `next_piece` offers what to send now, `consume` says how much of it was taken.

    Ordinary bytes leave in order. Urgent bytes leave before them, in order among themselves: at once, or,
    when pushed with `at_line_start`, as soon as the last byte taken was a line end.

    While `unsent_bytes` is 0, ordinary bytes may leave without being pushed; whoever sends them so sets
    `inside_line`: whether the last of them was no line end.
    """

    def __init__(self) -> None:
        self._ordinary = bytearray()
        self._urgent: deque[tuple[bytes, bool]] = deque()
        super().__init__()
        self._offered_urgent = False
        self._urgent_begun = False

    def __len__(self) -> int:
        """Unsent bytes in both lanes."""
        return self.unsent_bytes

    def push(self, data: bytes) -> None:
        """Put ordinary bytes behind all others."""
        self._ordinary += data
        self.unsent_bytes += len(data)

    def push_urgent(self, data: bytes, *, at_line_start: bool) -> None:
        """Put urgent bytes ahead of all ordinary ones."""
        if data:
            self._urgent.append((data, at_line_start))
            self.unsent_bytes += len(data)

    def next_piece(self, limit_bytes: int = 4096) -> bytes:
        """The bytes to send now, at most `limit_bytes`; empty when there are none. Changes nothing."""
        self._offered_urgent = False
        if self._urgent:
            data, at_line_start = self._urgent[0]
            if not at_line_start or self._urgent_begun or not self.inside_line or not self._ordinary:
                self._offered_urgent = True
                return data[:limit_bytes]
            line_end = self._ordinary.find(LINE_FEED)
            if line_end >= 0:
                limit_bytes = min(limit_bytes, line_end + 1)
        return bytes(self._ordinary[:limit_bytes])

    def consume(self, count: int) -> None:
        """The first `count` bytes of the piece offered last are gone."""
        if count == 0:
            return
        self.unsent_bytes -= count
        if not self._offered_urgent:
            self.inside_line = self._ordinary[count - 1] != LINE_FEED[0]
            del self._ordinary[:count]
            return
        data, at_line_start = self._urgent.popleft()
        self._urgent_begun = count < len(data)
        if self._urgent_begun:
            self._urgent.appendleft((data[count:], at_line_start))
        elif at_line_start:
            self.inside_line = not data.endswith(LINE_FEED)

    def clear(self) -> int:
        """Drop everything; gives how many bytes."""
        dropped, self.unsent_bytes = self.unsent_bytes, 0
        self._ordinary.clear()
        self._urgent.clear()
        self._urgent_begun = False
        return dropped


class StallWatch:
    """Calls back once when output made no progress for `limit_s` seconds while there was some to send."""

    def __init__(self, limit_s: float, stalled: Callable[[], None]) -> None:
        self._limit_s = limit_s
        self._stalled = stalled
        self._timer: asyncio.TimerHandle | None = None

    def waiting(self) -> None:
        """There is output that could not be sent; starts the watch unless it runs."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._stalled)

    def progressed(self) -> None:
        """Some bytes left, or there is nothing to send: stop the watch."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
