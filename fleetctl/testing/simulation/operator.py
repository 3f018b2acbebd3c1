"""A person in the room, who does what the pages say: follows the action of every explanation, and looks before.

Truthful: takes parts off before saying that a machine is clear, and calls good only what lies there whole. Double
clicks, and acts on what was seen a moment ago. This module uses only what the API offers (`Controller`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from fleetctl.clock import Clock
from fleetctl.errors import FleetctlError
from fleetctl.fleet.continuation_shapes import ContinuationRequest
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.shapes import FloorShape, JobShape, MachineShape, PartShape, TodoItem
from fleetctl.testing.simulation.eyes import Eyes
from fleetctl.testing.simulation.record import Record, trace_of
from fleetctl.testing.simulation.rig import Attempt, Rig
from fleetctl.testing.simulation.site import ControllerLife

T = TypeVar("T")

WHO = "operator:simulated"
DOUBLE_CLICK = 0.15
CONTINUES = 0.4
"""How often an interrupted run is continued rather than cleared away."""

_NEEDS_SOMEBODY = """
SELECT EXISTS (SELECT 1 FROM machines WHERE activity IN ('fault', 'waiting', 'paused') OR link != 'online'
               OR clearance = 'uncleared' OR position = 'suspect' OR service != 'in-service')
    OR EXISTS (SELECT 1 FROM runs WHERE state = 'failed' AND NOT settled)
    OR EXISTS (SELECT 1 FROM parts WHERE state IN ('hold', 'rework', 'made'))
    OR EXISTS (SELECT 1 FROM jobs WHERE state = 'held')
    OR EXISTS (SELECT 1 FROM settings WHERE key = 'stop' AND json_extract(value, '$.stopped'))
"""


class Desk:
    """Asks the controller that lives now; answers are lost when it dies meanwhile. `refusal`: text of the last."""

    def __init__(self, life: Callable[[], ControllerLife | None], record: Record) -> None:
        self.refusal = ""
        self._life = life
        self._record = record

    async def ask(self, what: str, make: Callable[[Controller], Coroutine[Any, Any, T]]) -> T | None:
        """What `make` gives; None when it was refused or the controller is not there."""
        life = self._life()
        if life is None or not life.process.alive:
            return None
        task = life.process.spawn(make(life.controller), what)
        task.add_done_callback(_notice)  # also when whoever asks is gone by then
        await asyncio.wait([task])
        if task.cancelled():
            self._record.log(f"asked {what}: the connection was lost")
            return None
        error = task.exception()
        if error is None:
            result: T = task.result()
            return result
        if isinstance(error, FleetctlError):
            self.refusal = str(error)
            self._record.count(f"refused: {error.code}")
            self._record.log(f"asked {what}: {error}")
        else:
            self._record.violation("BUG", f"{what} raised {error!r}{trace_of(error)}")
        return None

    async def act(self, what: str, make: Callable[[Controller], Coroutine[Any, Any, object]]) -> None:
        """Ask for a change."""
        self._record.log(f"operator: {what}")
        self._record.count("operator acts")
        await self.ask(what, make)


class Operator:
    """One attentive or less attentive person."""

    def __init__(
        self,
        desk: Desk,
        eyes: Eyes,
        rigs: Mapping[str, Rig],
        rng: random.Random,
        clock: Clock,
        record: Record,
        delay_s: tuple[float, float],
    ) -> None:
        self.attentive = False
        self._seen_sequence = 0
        self._desk = desk
        self._eyes = eyes
        self._rigs = rigs
        self._rng = rng
        self._clock = clock
        self._record = record
        self._delay_s = delay_s

    async def run(self) -> None:
        """Walk round until cancelled."""
        while True:
            await self._clock.sleep(self._rng.uniform(*((0.5, 4.0) if self.attentive else self._delay_s)))
            if self._news() and self._eyes.rows(_NEEDS_SOMEBODY)[0][0]:
                await self.round()

    def _news(self) -> bool:
        """Whether something happened since the last look; without news a person looks again only now and then."""
        sequence, before = self._eyes.last_sequence(), self._seen_sequence
        self._seen_sequence = sequence
        return sequence != before or self._rng.random() < 0.2

    async def round(self) -> None:
        """Look at the floor once, and do what it asks for."""
        floor = await self._desk.ask("the floor", lambda controller: controller.views.floor())
        if floor is None:
            return
        if floor.stop.stopped:
            if self.attentive or self._rng.random() < 0.2:
                await self._desk.act("release the stop", lambda c: c.stop.release(WHO))
            return
        for machine in floor.machines:
            if self.attentive or self._rng.random() < 0.8:
                await self._machine(machine)
        for job in await self._desk.ask("the queue", lambda controller: controller.views.queue()) or []:
            await self._job(job)
        await self._parts(floor)

    async def _machine(self, machine: MachineShape) -> None:
        rig, name = self._rigs[machine.name], machine.name
        action = machine.why.action if machine.why is not None else None
        if machine.link != "online" and rig.is_dead():
            self._press_reset(rig)
        if action is None:
            return
        kind, _, code = action.target.partition("/")
        if action.verb == "clear" and self._rng.random() < CONTINUES and await self._continue(rig):
            return
        if action.verb == "clear":
            await self._clear(rig, machine)
        elif action.verb == "reset":
            await self._reset(rig)
        elif action.verb == "home":
            rig.permit("home")
            await self._twice(f"home {name}", lambda c: c.machines.home(name, WHO))
        elif action.verb == "service":
            await self._desk.act(f"{name} back in service", lambda c: c.machines.set_service(name, "in-service", WHO))
        elif kind == "runs" and action.verb == "start":
            await self._twice(f"cycle start of {code}", lambda c: c.runs.cycle_start(code, WHO))
        elif kind == "runs" and action.verb == "resume":
            await self._twice(f"resume {code}", lambda c: c.runs.resume(code, WHO))
        else:
            self._record.violation("I10", f"nobody knows how to do {action}")

    async def _continue(self, rig: Rig) -> bool:
        """Take an interrupted run up again, as the pages say: what is offered, a preview, and then the confirmation
        of just that. Whether it was tried."""
        code = self._eyes.interrupted_run(rig.name)
        if code is None or not rig.bed or rig.bed[-1].complete or not rig.at_rest():
            return False
        offer = await self._desk.ask(f"offer {code}", lambda c: c.continuing.offer(code))
        if offer is None or offer.refusal or offer.obstacles:
            return False
        asked = {each.name: each.value for each in offer.proposals if each.name != "layer"}
        preview = await self._desk.ask(f"preview {code}", lambda c: c.continuing.preview(code, asked))
        if preview is None or not preview.passed or preview.obstacles:
            return False
        await self._clock.sleep(self._rng.choice((0.0, 0.0, 2.0, 30.0)))
        confirmed = ContinuationRequest(
            parameters=asked, program_sha256=preview.program_sha256, version=preview.version
        )
        self._record.count("runs continued")
        await self._twice(f"continue {code}", lambda c: c.continuing.confirm(code, confirmed, WHO))
        return True

    async def _clear(self, rig: Rig, machine: MachineShape) -> None:
        if not rig.at_rest():
            return
        rig.empty_bed()
        lying = machine.parts_to_clear
        good = self._count_good(lying, machine.why is not None and machine.why.code == "interrupted")
        bad = tuple(part.code for part in lying if self._rng.random() < 0.05)
        what = f"clear {rig.name}, good {good}, bad {' '.join(bad)}"
        seen = machine.version
        await self._twice(what, lambda c: c.machines.clear(rig.name, good, bad, WHO, seen))

    def _count_good(self, lying: tuple[PartShape, ...], interrupted: bool) -> int | None:
        """What a truthful person says: only a whole plate can be good."""
        if any(attempt is None or not attempt.whole for attempt in map(self._attempt, lying)):
            return self._rng.choice((None, 0)) if interrupted else 0
        chance = self._rng.random()
        if chance < 0.5:
            return None
        scrapped = sum(part.state == "scrap" for part in lying)
        return max(0, len(lying) - scrapped - (self._rng.random() < 0.2))

    def _attempt(self, part: PartShape) -> Attempt | None:
        attempts = self._rigs[part.machine].attempts.values()
        return next((attempt for attempt in attempts if attempt.run_code == part.run), None)

    async def _reset(self, rig: Rig) -> None:
        if rig.sim.activity in rig.kind.halted:
            self._press_reset(rig)
        rig.permit("reset")
        self._desk.refusal = ""
        await self._twice(f"reset {rig.name}", lambda c: c.machines.reset(rig.name, WHO))
        if "reset button" in self._desk.refusal:
            self._press_reset(rig)  # as it says

    def _press_reset(self, rig: Rig) -> None:
        """What is to be done at a board that is halted, whatever the page says: nobody can reach it."""
        self._record.log(f"operator: presses the reset button of {rig.name}")
        rig.press_reset()

    async def _job(self, job: JobShape) -> None:
        action = job.why.action if job.why is not None else None
        if action is None or (not self.attentive and self._rng.random() < 0.7):
            return
        kind, _, name = action.target.partition("/")
        if kind == "jobs":
            await self._desk.act(f"release {job.code}", lambda c: c.jobs.release(job.code, WHO, job.version))
        elif action.verb == "service":
            await self._desk.act(f"look at {name}", lambda c: c.machines.set_service(name, "in-service", WHO))

    async def _parts(self, floor: FloorShape) -> None:
        for item in floor.todo:
            if item.kind == "part" and (self.attentive or self._rng.random() < 0.5):
                await self._part(item)

    async def _part(self, item: TodoItem) -> None:
        part = item.parts[0]
        attempt = self._attempt(part)
        whole = attempt is not None and attempt.whole
        chance = self._rng.random()
        if not whole or chance < 0.2:
            decision, result = "scrap", "fail"
        elif chance < 0.3 and part.state != "rework" and not self.attentive:
            decision, result = "rework", "not-assessed"
        else:
            decision, result = "use-as-is", "pass"
        seen = part.version
        if self._rng.random() < 0.5 or decision == "rework":
            what = f"dispose {part.code} {decision}"
            await self._twice(what, lambda c: c.parts.dispose(part.code, decision, "seen", WHO, seen))
        else:
            what = f"inspect {part.code} {result}"
            await self._twice(what, lambda c: c.parts.inspect(part.code, result, "seen", WHO, seen=seen))

    async def _twice(self, what: str, make: Callable[[Controller], Coroutine[Any, Any, object]]) -> None:
        """Click, sometimes twice."""
        if self._rng.random() >= DOUBLE_CLICK:
            await self._desk.act(what, make)
            return
        async with asyncio.TaskGroup() as clicks:
            clicks.create_task(self._desk.act(what, make))
            clicks.create_task(self._desk.act(f"{what} (again)", make))


def _notice(task: asyncio.Task[Any]) -> None:
    """Take the exception, so that nobody complains that it was never taken."""
    if not task.cancelled():
        task.exception()
