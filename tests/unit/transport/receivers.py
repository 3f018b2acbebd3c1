"""What the transport tests listen with, and a machine that answers each line."""

from __future__ import annotations

import asyncio

from fleetctl.errors import LinkError


class Recorder:
    """A `Receiver` that keeps everything and lets a test wait for it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.chunks: list[tuple[float, bytes]] = []
        self.losses: list[LinkError] = []
        self._changed = asyncio.Event()

    def data_received(self, data: bytes, now_s: float) -> None:
        self.data += data
        self.chunks.append((now_s, data))
        self._changed.set()

    def lost(self, reason: LinkError) -> None:
        self.losses.append(reason)
        self._changed.set()

    async def until(self, ending: bytes, within_s: float = 10.0) -> bytes:
        """Everything received, once it ends so."""
        async with asyncio.timeout(within_s):
            while not self.data.endswith(ending):
                self._changed.clear()
                await self._changed.wait()
        return bytes(self.data)

    async def until_lost(self) -> LinkError:
        """The reason of the loss."""
        async with asyncio.timeout(10):
            while not self.losses:
                self._changed.clear()
                await self._changed.wait()
        return self.losses[0]


class Echo:
    """A sans-I/O machine that answers each line with `ok` and the line, `work_s` machine seconds later."""

    def __init__(self, work_s: float = 0.0) -> None:
        self.heard = bytearray()
        self._work_s = work_s
        self._now_s = 0.0
        self._line = b""
        self._due: list[tuple[float, bytes]] = []
        self._out = bytearray()

    def receive(self, data: bytes, now_s: float) -> None:
        self.elapse(now_s)
        self.heard += data
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            begin = max([now_s, *(due for due, _ in self._due)])
            self._due.append((begin + self._work_s, b"ok " + line + b"\n"))
        self.elapse(now_s)

    def take_output(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    def elapse(self, now_s: float) -> None:
        assert now_s >= self._now_s
        self._now_s = now_s
        while self._due and self._due[0][0] <= now_s:
            self._out += self._due.pop(0)[1]
