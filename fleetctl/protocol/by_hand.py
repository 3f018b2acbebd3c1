"""What may be asked of a mill by hand besides jogging, whatever its firmware: probes and work offsets.

Only checks. It must not know any firmware's words, nor how places are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fleetctl.errors import MachineError, UsageError
from fleetctl.model.profile import Envelope
from fleetctl.protocol.jogging import AXES, inside

PROBE_FEED_MOST_MM_S = 10.0
"""A probe that hits hard measures nothing and breaks."""

PROBE_WAY_MOST_MM = 100.0

OFFSET_MOST_MM = 10_000.0
"""Farther than any travel here; what is larger would not fit a line either."""


def check_probe(axis: str, direction: int, distance_mm: float, feed_mm_s: float) -> float:
    """The way of this probe, mm with its sign. Raises UsageError."""
    if axis not in AXES or direction not in (-1, 1):
        raise UsageError("A probe moves X, Y or Z, in direction -1 or 1.")
    if not (math.isfinite(distance_mm) and 0 < distance_mm <= PROBE_WAY_MOST_MM):
        raise UsageError(f"A probe moves at most {PROBE_WAY_MOST_MM:g} mm.")
    if not (math.isfinite(feed_mm_s) and 0 < feed_mm_s <= PROBE_FEED_MOST_MM_S):
        raise UsageError(f"A probe moves at {PROBE_FEED_MOST_MM_S:g} mm/s at most.")
    return direction * distance_mm


def check_probe_way(axis: str, way_mm: float, here_mm: Sequence[float] | None, within: Envelope | None) -> None:
    """Raises MachineError where a probe could leave the travel; nothing is said where place or travel are unknown."""
    if within is None or here_mm is None:
        return
    index = AXES.index(axis)
    here, least, greatest = here_mm[index], within.least_mm[index], within.greatest_mm[index]
    if inside(way_mm, here, least, greatest) != way_mm:
        raise MachineError(
            f"The probe could go to {axis} {here + way_mm:.3f} mm; it reaches {least:g} to {greatest:g}.",
            hint="Let it go less far.",
        )


def check_offset(frame: str, axes_mm: Mapping[str, float], frames: Sequence[str]) -> None:
    """Whether this may become the coordinates of a place in one of these frames. Raises UsageError."""
    if frame not in frames:
        raise UsageError(f"There is no work offset {frame!r}; there are {', '.join(frames)}.")
    if not axes_mm or any(axis not in AXES or not abs(mm) <= OFFSET_MOST_MM for axis, mm in axes_mm.items()):
        raise UsageError(f"Name one or more of X, Y and Z with their coordinate, up to {OFFSET_MOST_MM:g} mm.")
