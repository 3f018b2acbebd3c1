"""What a person does by hand at a machine that is fed line by line: the facets of `driver.api`, over an engine's.

A part of `StreamDriver`, for the engines that have these facets (`protocol.operating`); each is claimed in the
driver's `Capabilities`. It must not know any firmware's words, nor who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, MachineSpec, OverrideName
from fleetctl.driver.streamer import Streamer
from fleetctl.errors import MachineError
from fleetctl.model.profile import Envelope
from fleetctl.protocol.engine import CommandDone, Engine
from fleetctl.protocol.operating import Heated, Jogged, Offset, OffsetOrigins, Overridden, Probed

Facet = TypeVar("Facet")

TAKE_PATIENCE_S = 20.0
"""For what a firmware answers at once; it may be in the middle of something."""

PROBE_PATIENCE_S = 300.0
"""A slow probe over its longest way."""


class ByHand:
    """Jogs, TakesOverrides, Heats, SetsWorkOffsets, SetsOffsetOrigins, Probes."""

    capabilities: Capabilities
    _spec: MachineSpec
    _clock: Clock
    _engine: Engine
    _streamer: Streamer
    _measured: dict[int, dict[str, tuple[float, ...]]]

    def jog(self, velocity_mm_s: Mapping[str, float], valid_s: float, *, within: Envelope | None = None) -> None:
        """Move like this for `valid_s` from now; {} stops."""
        engine = self._by_hand(self.capabilities.jog, Jogged, "be jogged")  # type: ignore[type-abstract]
        now = self._clock.monotonic()
        engine.jog(velocity_mm_s, now + valid_s, within, now)
        self._streamer.pump()

    async def jog_step(
        self, distance_mm: Mapping[str, float], feed_mm_s: float, *, within: Envelope | None = None
    ) -> None:
        """One bounded move; returns when it is taken."""
        engine = self._by_hand(self.capabilities.jog, Jogged, "be jogged")  # type: ignore[type-abstract]
        ticket = engine.jog_step(distance_mm, feed_mm_s, within, self._clock.monotonic())
        await self._done(ticket, "the step", TAKE_PATIENCE_S)

    async def override(self, what: OverrideName, percent: float) -> None:
        """Set one override; returns when the firmware applies it."""
        engine = self._by_hand(self.capabilities.override, Overridden, "take overrides")  # type: ignore[type-abstract]
        ticket = engine.override(what, percent, self._clock.monotonic())
        await self._done(ticket, "the override", TAKE_PATIENCE_S)

    async def heat(self, heater: str, target_degc: float) -> None:
        """Set a heater's target, 0 for off."""
        engine = self._by_hand(self.capabilities.heat, Heated, "heat")  # type: ignore[type-abstract]
        ticket = engine.heat(heater, target_degc, self._clock.monotonic())
        await self._done(ticket, "the heater's target", TAKE_PATIENCE_S)

    async def work_offsets(self) -> dict[str, tuple[float, float, float]]:
        """The work offsets that the controller has stored, by frame, machine coordinates in mm."""
        engine = self._by_hand(self.capabilities.set_work_offsets, Offset, "keep work offsets")  # type: ignore[type-abstract]
        return _points(await self._done(engine.ask_work_offsets(self._clock.monotonic()), "$#", TAKE_PATIENCE_S))

    async def set_work_offset(
        self, frame: str, axes_mm: Mapping[str, float]
    ) -> dict[str, tuple[float, float, float]]:
        """Here := these coordinates in that frame; all offsets as they are afterwards."""
        engine = self._by_hand(self.capabilities.set_work_offsets, Offset, "keep work offsets")  # type: ignore[type-abstract]
        ticket = engine.set_work_offset(frame, axes_mm, self._clock.monotonic())
        return _points(await self._done(ticket, "the work offset", TAKE_PATIENCE_S))

    async def set_offset_origin(
        self, frame: str, origin_mm: Mapping[str, float]
    ) -> dict[str, tuple[float, float, float]]:
        """Zero of these axes in that frame lies at these machine coordinates; all offsets as they are afterwards."""
        engine = self._by_hand(self.capabilities.set_work_offsets, OffsetOrigins, "set an offset from a probe")  # type: ignore[type-abstract]
        ticket = engine.set_offset_origin(frame, origin_mm, self._clock.monotonic())
        return _points(await self._done(ticket, "the work offset", TAKE_PATIENCE_S))

    async def probe(
        self, axis: str, direction: int, distance_mm: float, feed_mm_s: float, *, within: Envelope | None = None
    ) -> dict[str, float]:
        """Move until contact; where that was, machine coordinates."""
        engine = self._by_hand(self.capabilities.probe, Probed, "probe")  # type: ignore[type-abstract]
        ticket = engine.probe(axis, direction, distance_mm, feed_mm_s, within, self._clock.monotonic())
        found = await self._done(ticket, "the probe", PROBE_PATIENCE_S)
        return {name: values[0] for name, values in found.items()}

    def _by_hand(self, claimed: bool, facet: type[Facet], what: str) -> Facet:
        """The engine, if it can. Raises LinkError, MachineError."""
        self._need_link()
        if not claimed or not isinstance(self._engine, facet):
            raise MachineError(f"This machine cannot {what}.", machine=self._spec.name)
        return self._engine

    async def _done(self, ticket: int, what: str, patience_s: float) -> dict[str, tuple[float, ...]]:
        """What was found out. Raises MachineError with the firmware's words."""
        try:
            done = await self._answer(ticket, what, patience_s)
            if not done.ok:
                raise MachineError(" ".join(done.lines), machine=self._spec.name)
            return self._measured.get(ticket, {})
        finally:
            self._measured.pop(ticket, None)

    def _need_link(self) -> None:
        raise NotImplementedError

    async def _answer(self, ticket: int, what: str, patience_s: float) -> CommandDone:
        raise NotImplementedError


def _points(found: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, float, float]]:
    return {frame: (values[0], values[1], values[2]) for frame, values in found.items()}
