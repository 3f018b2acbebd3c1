"""How long to wait before the next attempt at a link."""

from __future__ import annotations

import random

FIRST_S = 1.0
LONGEST_S = 30.0


class BackOff:
    """Twice as long after each failure, up to 30 s; up to half is random, so that machines which lost power
    together do not come back together."""

    def __init__(self, rng: random.Random) -> None:
        """Begins with the shortest wait."""
        self._rng = rng
        self._wait_s = FIRST_S

    def reset(self) -> None:
        """It worked: begin again with the shortest wait."""
        self._wait_s = FIRST_S

    def next_s(self) -> float:
        """The wait before the next attempt, in seconds."""
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_S)
        return wait_s * self._rng.uniform(0.5, 1.0)
