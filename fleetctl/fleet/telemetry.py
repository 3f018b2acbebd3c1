"""The latest readings of each machine: not events, never stored, coalesced and serialised once for all pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from fleetctl.clock import Clock
from fleetctl.fleet.temperatures import Temperatures
from fleetctl.model.messages import TelemetryReport


class Telemetry:
    """Latest value per machine name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.temperatures = Temperatures()
        self._latest: dict[str, TelemetryReport] = {}
        self._encoded: dict[str, tuple[int, bytes]] = {}
        self._count = 0
        self._news = asyncio.Event()

    def update(self, machine: str, report: TelemetryReport) -> None:
        """Take a reading."""
        self._count += 1
        self.temperatures.heard(machine, report.at_s, report.temperatures_degc)
        self._latest[machine] = report
        self._encoded[machine] = (self._count, b"")
        self._news.set()

    def latest(self) -> dict[str, TelemetryReport]:
        """The newest reading of each machine that ever gave one."""
        return dict(self._latest)

    def forget(self, machine: str) -> None:
        """Drop what is known of a machine whose link is gone: a stale value is never shown as live."""
        self.temperatures.lost(machine)
        self._latest.pop(machine, None)
        self._encoded.pop(machine, None)

    async def watch(self, interval_s: float = 0.25) -> AsyncIterator[dict[str, bytes]]:
        """What changed, as JSON by machine name, at most every `interval_s`."""
        seen = 0
        while True:
            changed = {}
            for machine in list(self._encoded):
                if self._encoded[machine][0] > seen:
                    changed[machine] = self._json(machine)
            seen = self._count
            if changed:
                yield changed
            self._news.clear()
            if seen == self._count:
                await self._news.wait()
            await self._clock.sleep(interval_s)

    def _json(self, machine: str) -> bytes:
        number, data = self._encoded[machine]
        if not data:
            data = msgspec.json.encode(self._latest[machine])
            self._encoded[machine] = (number, data)
        return data
