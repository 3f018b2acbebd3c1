"""A heater as a first-order system: full power towards a ceiling until its target, then held; cooling by itself.

Closed formulas in time, no ticking. It must not know who asks or why.
"""

from __future__ import annotations

import math

AMBIENT_DEGC = 25.0


class Heater:
    """One heater. `ceiling_degc` is where full power would end, `rise_s` and `fall_s` the time constants (1/e)."""

    def __init__(
        self, *, ceiling_degc: float, rise_s: float, fall_s: float, ambient_degc: float = AMBIENT_DEGC
    ) -> None:
        self.ceiling_degc = ceiling_degc
        self.rise_s = rise_s
        self.fall_s = fall_s
        self.ambient_degc = ambient_degc
        self.target_degc = 0.0
        self._from_degc = ambient_degc
        self._since_s = 0.0

    def set_target(self, target_degc: float, now_s: float) -> None:
        """0 or less is off. A target over the ceiling is approached and never reached."""
        self._from_degc = self.temperature(now_s)
        self._since_s = now_s
        self.target_degc = max(0.0, target_degc)

    def temperature(self, now_s: float) -> float:
        start = self._from_degc
        passed_s = max(0.0, now_s - self._since_s)
        if self.target_degc > start:
            reached = self.ceiling_degc + (start - self.ceiling_degc) * math.exp(-passed_s / self.rise_s)
            return min(reached, self.target_degc)
        floor = max(self.ambient_degc, self.target_degc)
        cooled = self.ambient_degc + (start - self.ambient_degc) * math.exp(-passed_s / self.fall_s)
        return max(cooled, min(floor, start))

    def power(self, now_s: float) -> float:
        """Duty, 0 to 1: all while heating up, enough to hold at the target, none while cooling."""
        if self.target_degc <= 0.0:
            return 0.0
        now_degc = self.temperature(now_s)
        if now_degc < self.target_degc - 0.05:
            return 1.0
        if now_degc > self.target_degc + 0.05:
            return 0.0
        return max(0.0, (self.target_degc - self.ambient_degc) / (self.ceiling_degc - self.ambient_degc))

    def reaches_at_s(self, low_degc: float, high_degc: float) -> float | None:
        """When the temperature is first within `low_degc` to `high_degc`, from now on; None if never."""
        start = self._from_degc
        if low_degc <= start <= high_degc:
            return self._since_s
        if start < low_degc:
            if self.target_degc < low_degc or self.ceiling_degc <= low_degc:
                return None
            return self._since_s + self.rise_s * math.log(
                (self.ceiling_degc - start) / (self.ceiling_degc - low_degc)
            )
        if self.target_degc > start or max(self.target_degc, self.ambient_degc) > high_degc:
            return None
        if high_degc <= self.ambient_degc:
            return None
        return self._since_s + self.fall_s * math.log((start - self.ambient_degc) / (high_degc - self.ambient_degc))
