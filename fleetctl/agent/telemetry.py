"""The newest readings of each machine until the link takes them: bounded by the number of machines (I9).

Must not know the link. What is not taken in time is overwritten by what comes next.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, Progress, Telemetry
from fleetctl.model.messages import PromptShown, TelemetryReport


class TelemetryBoard:
    """Which machines have something new to say; the words are put together only when they are taken."""

    def __init__(self) -> None:
        """Nothing new."""
        self.fresh = asyncio.Event()
        self._changed: dict[str, Callable[[], TelemetryReport]] = {}

    def changed(self, machine_id: str, read: Callable[[], TelemetryReport]) -> None:
        """The machine has new readings; `read` gives the newest."""
        self._changed[machine_id] = read
        self.fresh.set()

    def take(self) -> list[Callable[[], TelemetryReport]]:
        """For every machine that has something new what gives its newest readings; they count as told."""
        changed, self._changed = self._changed, {}
        self.fresh.clear()
        return list(changed.values())


@functools.lru_cache
def claims(capabilities: Capabilities) -> tuple[str, ...]:
    """The names of what is claimed; the same object each time."""
    return tuple(name for name in capabilities.__struct_fields__ if getattr(capabilities, name) is True)


class Readings:
    """The newest readings of one machine, and of the run in hand."""

    def __init__(self, machine_id: str, clock: Clock, board: TelemetryBoard) -> None:
        """Nothing read yet."""
        self.telemetry = Telemetry()
        self.progress = Progress(0, 0, 0)
        self.run_id: str | None = None
        self.driver: Driver | None = None
        self.prompt: PromptShown | None = None
        self._read_at_s = 0.0
        self._machine_id = machine_id
        self._clock = clock
        self._board = board

    def read(self, telemetry: Telemetry) -> None:
        """The firmware told them now."""
        self.telemetry = telemetry
        self._read_at_s = self._clock.wall().timestamp()
        self.post()

    def post(self) -> None:
        """They are new."""
        self._board.changed(self._machine_id, self._report)

    def _report(self) -> TelemetryReport:
        return TelemetryReport(
            machine_id=self._machine_id,
            at_s=self._clock.wall().timestamp(),
            run_id=self.run_id,
            acknowledged_line=self.progress.acknowledged_line,
            sent_line=self.progress.sent_line,
            temperatures_degc=self.telemetry.temperatures_degc,
            position_mm=self.telemetry.position_mm,
            spindle_rpm=self.telemetry.spindle_rpm,
            prompt=self.prompt,
            can=claims(self.driver.capabilities) if self.driver is not None else (),
            read_at_s=self._read_at_s,
            overrides_percent=self.telemetry.overrides_percent,
            message=self.telemetry.message,
            switches_closed=self.telemetry.switches_closed,
            accessories_on=self.telemetry.accessories_on,
        )
