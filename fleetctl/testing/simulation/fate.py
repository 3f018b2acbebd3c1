"""Everything bad that happens at a time of its own: deaths, power cuts, broken machines, cables and disks.

It decides when and to whom; how a death is carried out is the world's. It must not know what is checked.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from fleetctl.clock import Clock
from fleetctl.testing.simulation.hands import Hands
from fleetctl.testing.simulation.mischief import Mischief
from fleetctl.testing.simulation.process import begin_outside
from fleetctl.testing.simulation.record import Record
from fleetctl.testing.simulation.rig import Rig
from fleetctl.testing.simulation.scenario import Luck


class Victims(Protocol):
    """Who can be hurt."""

    def kill_controller(self, why: str) -> None:
        """kill -9."""
        ...

    def kill_agent(self, why: str) -> None:
        """kill -9."""
        ...

    def cut_power(self, *, machines: bool) -> None:
        """The computer goes dark, perhaps the machines too."""
        ...

    def fail_journal(self, failing: bool) -> None:
        """The disk under the agent's journal."""
        ...


class Fate:
    """The seeded misfortunes of one world, until `run` is cancelled."""

    def __init__(
        self,
        luck: Luck,
        victims: Victims,
        rigs: Mapping[str, Rig],
        mischief: Mischief,
        hands: Hands,
        rng: random.Random,
        clock: Clock,
        record: Record,
    ) -> None:
        self._luck = luck
        self._victims = victims
        self._rigs = rigs
        self._mischief = mischief
        self._hands_on = hands
        self._rng = rng
        self._clock = clock
        self._record = record
        self._hands: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Let everything happen that this seed has in store."""
        luck = self._luck
        async with asyncio.TaskGroup() as group:
            for between_s, strike in (
                (luck.between_kills_s, self._kill),
                (luck.between_power_cuts_s, self._power_cut),
                (luck.between_machine_faults_s, self._machine_fault),
                (luck.between_unplugged_s, self._unplug),
                (luck.between_disk_faults_s, self._disk),
                (luck.between_mischief_s, self._mischief.act),
                (luck.between_hands_s, self._hands_on.act),
            ):
                if between_s:
                    group.create_task(self._again_and_again(between_s, strike))

    def committed(self, kinds: frozenset[str]) -> None:
        """A COMMIT with events of these kinds: now and then somebody dies a few turns of the loop later,
        presses the stop while a start is on its way, or changes a machine that is about to be taken."""
        self._perhaps(self._luck.kill_at_commit, 30, "a few turns after a COMMIT")
        if self._luck.stop_at_claim and "run.claimed" in kinds and self._rng.random() < self._luck.stop_at_claim:
            self._hand(self._mischief.stop_everything)
        if (
            self._luck.meddle_at_clear
            and "machine.cleared" in kinds
            and self._rng.random() < self._luck.meddle_at_clear
        ):
            self._hand(self._mischief.meddle)

    def begun(self) -> None:
        """A machine executes the first line of a program: the worst moment to lose what was written before it."""
        self._perhaps(self._luck.kill_at_begin, 6, "at the first line of a program")

    def _perhaps(self, chance: float, most_turns: int, why: str) -> None:
        if not chance or self._rng.random() >= chance:
            return
        turns, victim = self._rng.randint(0, most_turns), self._rng.randrange(3)
        if victim == 0:
            _after_turns(turns, lambda: self._victims.kill_controller(why))
        elif victim == 1:
            _after_turns(turns, lambda: self._victims.kill_agent(why))
        else:
            _after_turns(turns, lambda: self._victims.cut_power(machines=False))

    def _hand(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Somebody does something a few turns from now; the hand belongs to no process, whatever led here."""
        _after_turns(self._rng.randint(0, 30), lambda: self._hands.append(begin_outside(act(), "hand")))

    async def _again_and_again(self, between_s: float, strike: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._clock.sleep(self._rng.expovariate(1 / between_s))
            await strike()

    async def _kill(self) -> None:
        kill = self._rng.choice((self._victims.kill_controller, self._victims.kill_agent))
        _after_turns(self._rng.randint(0, 20), lambda: kill("at random"))

    async def _power_cut(self) -> None:
        self._victims.cut_power(machines=self._rng.random() < 0.5)

    async def _machine_fault(self) -> None:
        rig = self._rng.choice(list(self._rigs.values()))
        fault = self._rng.choice(rig.kind.machine_faults)
        self._record.log(f"fate: {fault} on {rig.name}")
        self._record.count(f"machine faults: {fault}")
        rig.suffer(fault)

    async def _unplug(self) -> None:
        rig = self._rng.choice(list(self._rigs.values()))
        self._record.log(f"fate: the cable of {rig.name} is pulled")
        self._record.count("cables pulled")
        rig.memory.unplug()
        try:
            await self._clock.sleep(self._rng.uniform(0.01, 60.0))
        finally:
            rig.memory.plug_in()

    async def _disk(self) -> None:
        self._record.log("fate: the journal's disk fails")
        self._record.count("journal disk faults")
        self._victims.fail_journal(True)
        try:
            await self._clock.sleep(self._rng.uniform(0.1, 30.0))
        finally:
            self._victims.fail_journal(False)


def _after_turns(turns: int, act: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    if turns:
        loop.call_soon(_after_turns, turns - 1, act)
    else:
        loop.call_soon(act)
