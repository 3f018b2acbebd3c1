"""A simulated gauge: measures the parts on a machine's tray, with noise of its own.

It sees dimensions only: a defect shows by its size or not at all. It must not know protocols or the fleet; it stands
for a person with a calliper.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from fleetctl.sim.parts import Part
from fleetctl.sim.tray import look


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement of one part: `run`, `index` and `part` as on the tray."""

    run: int
    index: int
    part: int
    value_mm: float


class Gauge:
    """Readings are the true dimension plus normal noise; the same part read the same time over reads the same."""

    def __init__(self, *, seed: int = 0, noise_sigma_mm: float = 0.002, resolution_mm: float = 0.001) -> None:
        self.seed = seed
        self.noise_sigma_mm = noise_sigma_mm
        self.resolution_mm = resolution_mm

    def measure(self, part: Part, repeat: int = 0) -> Reading:
        """Measure one part; another `repeat` gives other noise."""
        noise = random.Random(f"gauge/{self.seed}/{part.part}/{repeat}").gauss(0.0, self.noise_sigma_mm)
        steps = round((part.true_mm + noise) / self.resolution_mm)
        return Reading(part.run, part.index, part.part, round(steps * self.resolution_mm, 6))

    def newest(self, tray: Path, count: int | None = None) -> list[Reading]:
        """The newest `count` parts in the order they were made; None means the whole newest plate.

        Shorter than asked when fewer were made.
        """
        parts = look(tray)
        if count is not None:
            return [self.measure(part) for part in parts[max(0, len(parts) - count) :]]
        return [self.measure(part) for part in parts if part.run == parts[-1].run]
