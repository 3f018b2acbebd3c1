"""People who move machines by hand at any moment: hold a key, take a step, turn an override.

Everything here is allowed by the API or refused by it. What is checked is that whoever lets go or vanishes leaves the
tool at rest, and (in `rig`) that no program goes on over it. It must not know drivers.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from fleetctl.clock import Clock
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.jogging import JogChannel
from fleetctl.model.deeds import AxisName, JogStep, Override, OverrideName
from fleetctl.testing.simulation.eyes import Eyes
from fleetctl.testing.simulation.operator import WHO, Desk
from fleetctl.testing.simulation.record import Record
from fleetctl.testing.simulation.rig import Rig

BEAT_S = 0.08
RESTS_S = 0.25
"""The 200 ms that are promised, and what messages take here."""

AXES: tuple[AxisName, ...] = ("X", "Y", "Z")
OVERRIDES: tuple[OverrideName, ...] = ("feed", "rapid", "spindle", "flow")


class Hands:
    """One act at a time, drawn from the seed."""

    def __init__(
        self, desk: Desk, eyes: Eyes, rigs: Mapping[str, Rig], rng: random.Random, clock: Clock, record: Record
    ) -> None:
        self._desk = desk
        self._eyes = eyes
        self._rigs = rigs
        self._rng = rng
        self._clock = clock
        self._record = record

    async def act(self) -> None:
        """Do one thing."""
        name = self._rng.choice(list(self._rigs))
        self._rigs[name].permit("jog")
        await self._rng.choice((self._hold, self._hold, self._step, self._override))(name)

    async def _step(self, name: str) -> None:
        step = JogStep(distance_mm={self._axis(): self._rng.uniform(-5.0, 5.0)}, feed_mm_s=self._rng.uniform(1, 20))
        await self._desk.act(f"step {name}", lambda c: c.operating.jog_step(name, step, WHO))

    async def _override(self, name: str) -> None:
        override = Override(what=self._rng.choice(OVERRIDES), percent=float(self._rng.randint(50, 150)))
        await self._desk.act(f"override {name}", lambda c: c.operating.override(name, override, WHO))

    async def _hold(self, name: str) -> None:
        """Hold a key for a while, then let go, or vanish without a word."""
        channel = await self._desk.ask(f"jog {name}", lambda c: c.jogging.open(name, WHO))
        if channel is None:
            return
        velocity_mm_s = {str(self._axis()): self._rng.choice((-1.0, 1.0)) * self._rng.uniform(0.5, 20.0)}
        for _ in range(self._rng.randint(1, 15)):
            await self._desk.ask(f"beat {name}", lambda c: self._beat(c, channel, velocity_mm_s))
            await self._clock.sleep(BEAT_S)
        self._record.count("jogs refused" if channel.refused else "jogs")
        if self._rng.random() < 0.5:
            await self._desk.ask(f"let go of {name}", lambda _c: channel.close())
        await self._clock.sleep(RESTS_S - BEAT_S)
        self._look(name)

    async def _beat(self, _controller: Controller, channel: JogChannel, velocity_mm_s: Mapping[str, float]) -> None:
        channel.beat(velocity_mm_s, self._clock.monotonic())

    def _look(self, name: str) -> None:
        """At rest, unless a run or another person's verb moves it."""
        rig = self._rigs[name]
        if rig.moving() and rig.moved_by_hand and self._eyes.active_run(name) is None:
            self._record.violation("jog", f"{name} moves on though nobody holds a key any more")

    def _axis(self) -> AxisName:
        return self._rng.choice(AXES)
