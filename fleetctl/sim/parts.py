"""The parts that a simulated machine makes: a true dimension each, and seeded defects.

It must not know protocols or files. Parts are the physical world: no machine tells them over its link.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from fleetctl.errors import UsageError

DEFECT_KINDS = ("oversize", "undersize", "warped")
DEFECT_SHIFT_SIGMAS = (10.0, 25.0)
"""A defect moves the dimension by this many standard deviations, so that any sensible tolerance catches it."""


@dataclass(frozen=True, slots=True)
class PartSpec:
    """How a machine makes parts.

    `defect_rate` is a probability, 0 to 1, per part; `defect_seed` defaults to the machine's seed; `defect_at`
    names parts (counted from 1 over the machine's life) that are certainly defective.
    """

    parts_per_program: int = 1
    nominal_mm: float = 20.0
    sigma_mm: float = 0.02
    defect_rate: float = 0.0
    defect_seed: int | None = None
    defect_at: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.parts_per_program < 0:
            raise UsageError(f"parts_per_program is {self.parts_per_program}; a program makes 0 parts or more")
        if not 0.0 <= self.defect_rate <= 1.0:
            raise UsageError(f"defect_rate is {self.defect_rate}; it is a probability between 0 and 1")


@dataclass(frozen=True, slots=True)
class Part:
    """One physical piece: `run` and `part` count from 1 over the machine's life, `index` from 0 on its plate."""

    run: int
    index: int
    part: int
    true_mm: float
    defect: str | None
    made_at_s: float


class PartMaker:
    """Makes the parts of one machine. Part n is the same for the same seeds whatever was made before it."""

    def __init__(self, spec: PartSpec, seed: int, *, runs_made: int = 0, parts_made: int = 0) -> None:
        self.spec = spec
        self.runs_made = runs_made
        self.parts_made = parts_made
        self._seed = seed
        self._defect_seed = seed if spec.defect_seed is None else spec.defect_seed

    def make(self, at_s: float) -> list[Part]:
        """The parts of one finished program."""
        self.runs_made += 1
        return [self._one(index, at_s) for index in range(self.spec.parts_per_program)]

    def _one(self, index: int, at_s: float) -> Part:
        self.parts_made += 1
        ordinal = self.parts_made
        spec = self.spec
        true_mm = random.Random(f"part/{self._seed}/{ordinal}").gauss(spec.nominal_mm, spec.sigma_mm)
        luck = random.Random(f"defect/{self._defect_seed}/{ordinal}")
        defect: str | None = None
        if luck.random() < spec.defect_rate or ordinal in spec.defect_at:
            defect = luck.choice(DEFECT_KINDS)
            shift_mm = luck.uniform(*DEFECT_SHIFT_SIGMAS) * spec.sigma_mm
            true_mm += -shift_mm if defect == "undersize" else shift_mm
        return Part(self.runs_made, index, ordinal, round(true_mm, 6), defect, at_s)
