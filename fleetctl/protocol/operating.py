"""What an engine has besides `Engine` for what a person does by hand: jog, overrides, heat, work offsets, probing.

Each is a facet of its own. A verb that gives a ticket ends with `CommandDone` of that ticket, and what it found out
is told before by `Measured`; one that is refused raises and has changed nothing. This module only states shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from fleetctl.model.profile import Envelope


@runtime_checkable
class Jogged(Protocol):
    """See `fleetctl.driver.api.Jogs`; `until_s` is a time as `now` is."""

    def jog(self, velocity_mm_s: Mapping[str, float], until_s: float, within: Envelope | None, now: float) -> None:
        """Move like this until `until_s`; without any speed: come to rest now."""
        ...

    def jog_step(
        self, distance_mm: Mapping[str, float], feed_mm_s: float, within: Envelope | None, now: float
    ) -> int:
        """One move; its ticket is answered when the firmware has taken it."""
        ...


@runtime_checkable
class Overridden(Protocol):
    """See `fleetctl.driver.api.TakesOverrides`."""

    def override(self, what: str, percent: float, now: float) -> int:
        """Set one override; answered when the firmware applies it."""
        ...


@runtime_checkable
class Heated(Protocol):
    """See `fleetctl.driver.api.Heats`."""

    def heat(self, heater: str, target_degc: float, now: float) -> int:
        """Set a target and do not wait for it."""
        ...


@runtime_checkable
class Offset(Protocol):
    """See `fleetctl.driver.api.SetsWorkOffsets`. Both answer with `Measured`: three values by frame."""

    def ask_work_offsets(self, now: float) -> int:
        """What the controller has stored."""
        ...

    def set_work_offset(self, frame: str, axes_mm: Mapping[str, float], now: float) -> int:
        """Here gets these coordinates in that frame; then what is stored."""
        ...


@runtime_checkable
class OffsetOrigins(Protocol):
    """See `fleetctl.driver.api.SetsOffsetOrigins`. Answers as `Offset` does."""

    def set_offset_origin(self, frame: str, origin_mm: Mapping[str, float], now: float) -> int:
        """Zero of these axes in that frame lies at these machine coordinates; then what is stored."""
        ...


@runtime_checkable
class Probed(Protocol):
    """See `fleetctl.driver.api.Probes`. Answers with `Measured`: one value by axis."""

    def probe(
        self, axis: str, direction: int, distance_mm: float, feed_mm_s: float, within: Envelope | None, now: float
    ) -> int:
        """Move until contact."""
        ...
