"""The check hook of the simulated site: passes, fails, does not assess, is silent for too long, or has no opinion.

Registered in place of the plug-in manager, so the controller calls it as any other. It looks at the physical plate.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from fleetctl.clock import Clock
from fleetctl.model.part import Result
from fleetctl.plugin.hookspecs import CheckResult, PartToCheck
from fleetctl.testing.simulation.record import Record
from fleetctl.testing.simulation.rig import Attempt
from fleetctl.testing.simulation.scenario import Luck

LONGER_THAN_ANY_DEADLINE_S = 100.0


class Gauge:
    """A `HookSource` with one check."""

    def __init__(
        self, clock: Clock, rng: random.Random, luck: Luck, record: Record, attempt: Callable[[str], Attempt | None]
    ) -> None:
        self.luck = luck
        self._clock = clock
        self._rng = rng
        self._record = record
        self._attempt = attempt

    def implementations(self, hook: str) -> list[tuple[str, Callable[..., Any]]]:
        """One check for each part."""
        return [("gauge", self.check)] if hook == "fleetctl_check_part" else []

    async def check(self, part: PartToCheck) -> CheckResult | None:
        """Assess one part."""
        attempt = self._attempt(part.run_id)
        if attempt is None or not attempt.complete:
            self._record.violation("I4", f"a check is asked about {part.part_code}, which nobody made")
        luck, chance = self.luck, self._rng.random()
        await self._clock.sleep(self._rng.uniform(0.0, luck.check_delay_s))
        if chance < luck.check_no_opinion:
            return None
        if self._rng.random() < luck.check_silent:
            if self._rng.random() < 0.3:
                raise RuntimeError("the gauge broke")
            if self._rng.random() < 0.5:
                await self._clock.sleep(LONGER_THAN_ANY_DEADLINE_S)
            return CheckResult(check="gauge", result=Result.NOT_ASSESSED, reason="no light")
        passed = self._rng.random() >= luck.check_fails
        return CheckResult(check="gauge", result=Result.PASS if passed else Result.FAIL, reason="measured")
