"""A transport that misbehaves on purpose and on a seed: any suite can be run under it.

It must not know what the bytes mean; it spoils chunks, as a bad cable, a noisy supply or a Wi-Fi bridge does.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

from fleetctl.errors import LinkError
from fleetctl.transport.base import Receiver, Transport
from fleetctl.transport.delay import DelayLine


@dataclass(frozen=True, slots=True)
class ChunkFaults:
    """Probabilities (0 to 1) for each chunk of one direction, and the longest delay in seconds.

    `drop` loses the chunk, `garble` changes one bit or loses one byte of it, `duplicate` brings it twice,
    `reset` breaks the link instead of passing it on. `spares` are bytes that garbling leaves alone.
    """

    drop: float = 0.0
    garble: float = 0.0
    duplicate: float = 0.0
    reset: float = 0.0
    delay_s: float = 0.0
    spares: bytes = b""


@dataclass(frozen=True, slots=True)
class LinkFaults:
    """What goes wrong on the way out to the machine, and on the way in."""

    out: ChunkFaults = field(default_factory=ChunkFaults)
    into: ChunkFaults = field(default_factory=ChunkFaults)


class FaultyTransport:
    """A `Transport` that passes everything to `inner`, with faults drawn from `rng`.

    `counts` says how often each fault happened, by names like `out drop`. Order is kept within each
    direction. Urgent bytes are never delayed, but may be spoiled. `rest()` ends the faults: from then on the
    link is good.
    """

    def __init__(self, inner: Transport, faults: LinkFaults, rng: random.Random) -> None:
        self.url = inner.url
        self.counts: Counter[str] = Counter()
        self._inner = inner
        self._faults = faults
        self._rng = rng
        self._out: DelayLine[bytes] = DelayLine(inner.write)
        self._into: DelayLine[tuple[bytes, float]] = DelayLine(self._deliver)
        self._receiver: Receiver | None = None

    def begin(self, faults: LinkFaults) -> None:
        """From now on these faults; the greeting before was good."""
        self._faults = faults

    def rest(self) -> None:
        """No more faults."""
        self._faults = LinkFaults()

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open the inner link; opening itself is not spoiled."""
        self._receiver = receiver
        await self._inner.open(self, deadline_s)

    def write(self, data: bytes) -> None:
        """Pass `data` on, perhaps spoiled or late."""
        if not data or self._receiver is None:
            return
        chunks = self._spoil("out", data, self._faults.out)
        for chunk in chunks:
            if self._faults.out.delay_s > 0 or len(self._out):
                self._out.push(chunk, self._rng.random() * self._faults.out.delay_s)
            else:
                self._inner.write(chunk)

    @property
    def unsent_bytes(self) -> int:
        """As the inner link says; what is only late counts as sent."""
        return self._inner.unsent_bytes

    def discard_output(self) -> int:
        """Drop the inner link's unsent output; what is only late has left and arrives."""
        return self._inner.discard_output()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Pass urgent bytes on at once, perhaps spoiled."""
        if not data or self._receiver is None:
            return
        for chunk in self._spoil("out", data, self._faults.out):
            self._inner.urgent(chunk, at_line_start=at_line_start)

    def close(self) -> None:
        """Close the inner link."""
        self._receiver = None
        self._out.clear()
        self._into.clear()
        self._inner.close()

    # What the inner link calls

    def data_received(self, data: bytes, now_s: float) -> None:
        """Pass bytes up, perhaps spoiled or late."""
        if self._receiver is None:
            return
        for chunk in self._spoil("in", data, self._faults.into):
            if self._faults.into.delay_s > 0 or len(self._into):
                self._into.push((chunk, now_s), self._rng.random() * self._faults.into.delay_s)
            elif self._receiver is not None:
                self._receiver.data_received(chunk, now_s)

    def lost(self, reason: LinkError) -> None:
        """Pass the loss up; what was late is gone."""
        receiver, self._receiver = self._receiver, None
        self._out.clear()
        self._into.clear()
        if receiver is not None:
            receiver.lost(reason)

    def _deliver(self, item: tuple[bytes, float]) -> None:
        if self._receiver is not None:
            self._receiver.data_received(item[0], asyncio.get_running_loop().time())

    def _spoil(self, way: str, data: bytes, faults: ChunkFaults) -> list[bytes]:
        """The chunks that arrive for this one."""
        if self._rng.random() < faults.reset:
            self.counts[f"{way} reset"] += 1
            self._reset()
            return []
        if self._rng.random() < faults.drop:
            self.counts[f"{way} drop"] += 1
            return []
        if self._rng.random() < faults.garble:
            self.counts[f"{way} garble"] += 1
            data = self._garble(data, faults.spares)
        chunks = [data] if data else []
        if self._rng.random() < faults.duplicate:
            self.counts[f"{way} duplicate"] += 1
            chunks *= 2
        return chunks

    def _garble(self, data: bytes, spares: bytes) -> bytes:
        place = self._rng.randrange(len(data))
        if data[place] in spares:
            return data
        if self._rng.random() < 0.5:
            return data[:place] + data[place + 1 :]
        return data[:place] + bytes([data[place] ^ (1 << self._rng.randrange(8))]) + data[place + 1 :]

    def _reset(self) -> None:
        receiver = self._receiver
        self.close()
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.lost, LinkError("The link was reset by a planned fault."))
