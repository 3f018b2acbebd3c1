"""Finds the speed of a port: tries one after the other until the driver understands what comes.

The driver says which speeds its machines have, what to say, and what an understandable answer is. Speeds are changed
on the open port, so that a board that is reset by opening is reset once. It must not know firmware words.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from fleetctl.clock import Clock
from fleetctl.errors import LinkUnavailable
from fleetctl.protocol.lane import CompiledLane
from fleetctl.transport.base import CarriesLane, LaneOwner, Receiver, Transport
from fleetctl.transport.held import HeldReceiver

log = logging.getLogger(__name__)

SHARE = 0.7
"""Of the time until the deadline; the rest is for the driver's own greeting."""

HELLO_EVERY_S = 1.5
"""A board's boot loader eats what comes in its first one or two seconds."""

GARBAGE_LEAST_BYTES = 16
GARBAGE_LEAST_SHARE = 0.25
"""At a wrong speed about half of the bytes are no ASCII; a right one has none, save some while a board boots."""


class SpeedProbe(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver says about the speeds of its machines.

    `speeds_baud`: likely ones first. `hello` must do nothing at the right speed, and be harmless as noise at a wrong
    one. `understood`: whether these bytes, all that came at one speed, are the firmware's speech.
    """

    speeds_baud: tuple[int, ...]
    hello: bytes
    understood: Callable[[bytes], bool]


def _forget(_baud: int) -> None:
    pass


class KnownSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of the speed of a port that nobody gave.

    `baud`: where it was understood the last time. `sure`: nothing speaks against it, so the driver is let on the port
    at once: a machine that is still busy with what an agent before us sent may say nothing for minutes, and must hear
    that its heat is to go off. `found` is told each speed that was found.
    """

    baud: int | None = None
    sure: bool = False
    found: Callable[[int], None] = _forget


class ChangesSpeed(Transport, Protocol):
    """A transport whose speed can be changed while it is open."""

    def set_speed(self, baud: int) -> None:
        """Go on at another speed. Raises LinkUnavailable when the port does not have it."""
        ...


class ProbingTransport:
    """A `Transport` that finds the speed of `inner` while it opens. `found` is told which it was."""

    def __init__(
        self,
        inner: ChangesSpeed,
        speeds_baud: tuple[int, ...],
        probe: SpeedProbe,
        clock: Clock,
        found: Callable[[int], None],
    ) -> None:
        self.url = inner.url
        self._inner = inner
        self._speeds_baud = speeds_baud
        self._probe = probe
        self._clock = clock
        self._found = found
        self._refused: list[LinkUnavailable] = []

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open and try each speed. Raises LinkUnavailable when nothing is understood at any of them."""
        held = HeldReceiver()
        await self._inner.open(held, deadline_s)
        try:
            begun_s = self._clock.monotonic()
            patience_s = (deadline_s - begun_s) * SHARE / len(self._speeds_baud)
            for number, baud in enumerate(self._speeds_baud, 1):
                if await self._understood(held, baud, begun_s + number * patience_s):
                    log.info("%s: understood at %d baud", self.url, baud)
                    self._found(baud)
                    held.release(receiver)
                    return
        except BaseException:
            self._inner.close()
            raise
        self._inner.close()
        if len(self._refused) == len(self._speeds_baud):
            raise self._refused[-1]
        tried = ", ".join(str(baud) for baud in self._speeds_baud)
        raise LinkUnavailable(
            f"Nothing understandable came from {self.url} at {tried} baud.",
            hint="Give the speed with `?baud=`, or check the driver and that the machine is on.",
        )

    async def _understood(self, held: HeldReceiver, baud: int, until_s: float) -> bool:
        """Whether the firmware speaks at this speed; sees at once that it does not when noise comes."""
        try:
            self._inner.set_speed(baud)
        except LinkUnavailable as refused:  # the others may still do
            self._refused.append(refused)
            held.raise_loss()
            return False
        self._inner.discard_output()
        held.forget()
        hello_s = self._clock.monotonic()
        while (now_s := self._clock.monotonic()) < until_s:
            held.raise_loss()
            if self._probe.understood(held.data):
                return True
            if is_noise(held.data):
                return False
            if now_s >= hello_s:
                self._inner.write(self._probe.hello)
                hello_s = now_s + HELLO_EVERY_S
            held.changed.clear()
            try:
                async with asyncio.timeout_at(min(hello_s, until_s)):
                    await held.changed.wait()
            except TimeoutError:
                continue
        return False

    # Once it is open, it is the inner one

    def carry(self, lane: CompiledLane | None, owner: LaneOwner | None) -> None:
        """As the inner link, if it can."""
        if isinstance(self._inner, CarriesLane):
            self._inner.carry(lane, owner)

    def write(self, data: bytes) -> None:
        """As the inner link."""
        self._inner.write(data)

    @property
    def unsent_bytes(self) -> int:
        """As the inner link."""
        return self._inner.unsent_bytes

    def discard_output(self) -> int:
        """As the inner link."""
        return self._inner.discard_output()

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """As the inner link."""
        self._inner.urgent(data, at_line_start=at_line_start)

    def close(self) -> None:
        """As the inner link."""
        self._inner.close()


def is_noise(data: bytes) -> bool:
    """Whether so many bytes are none of text that the speed must be wrong."""
    strange = sum(byte >= 0x7F or (byte < 0x20 and byte not in b"\t\r\n") for byte in data)
    return len(data) >= GARBAGE_LEAST_BYTES and strange >= GARBAGE_LEAST_SHARE * len(data)
