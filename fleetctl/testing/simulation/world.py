"""One world from a seed: set up, troubled, then kind until every job is over; and what came of it.

The only module that knows all parts. Liveness is checked here: once nothing goes wrong any more and the operator
does what the explanations say, every job ends within bounded time; if not, the explanations are what is printed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from fleetctl.agent.files import MemoryJournalFile
from fleetctl.fleet.shapes import NewMachine, Submission
from fleetctl.store.blobs import BlobStore
from fleetctl.store.database import Database
from fleetctl.testing import loop as virtual
from fleetctl.testing.simulation.continuations import read_continuation
from fleetctl.testing.simulation.eyes import Eyes
from fleetctl.testing.simulation.fate import Fate
from fleetctl.testing.simulation.gauge import Gauge
from fleetctl.testing.simulation.hands import Hands
from fleetctl.testing.simulation.invariants import Invariants
from fleetctl.testing.simulation.kinds import MachineKind
from fleetctl.testing.simulation.line import Switchboard
from fleetctl.testing.simulation.mischief import Mischief
from fleetctl.testing.simulation.operator import WHO, Desk, Operator
from fleetctl.testing.simulation.outcome import Hours, Outcome, measure
from fleetctl.testing.simulation.process import Process, begin_outside, track_tasks
from fleetctl.testing.simulation.programs import Library, SimulatedProgram, make_program
from fleetctl.testing.simulation.record import Record, trace_of
from fleetctl.testing.simulation.rig import Attempt, Rig, Surroundings
from fleetctl.testing.simulation.scenario import JobPlan, Luck, Scenario
from fleetctl.testing.simulation.site import AgentLife, ControllerLife, Ground
from fleetctl.testing.simulation.storage import Disk, fresh_database

LOOK_EVERY_S = 5.0
DISK_ERROR = OSError(5, "simulated disk failure")


def run_world(
    scenario: Scenario,
    kinds: Mapping[str, MachineKind],
    *,
    say: Callable[[str], None] | None = None,
    prepare: Callable[[Database], None] | None = None,
) -> Outcome:
    """Live through one world. `prepare` may spoil the database before anything begins (a mutation)."""
    with tempfile.TemporaryDirectory(prefix="fleetctl-simulation-") as directory:
        return virtual.run(
            _live(scenario, kinds, Path(directory), say, prepare),
            seed=scenario.seed,
            noise_s=0.001,
            limit_s=scenario.trouble_s + 2 * scenario.limit_s,
        )


async def _live(
    scenario: Scenario,
    kinds: Mapping[str, MachineKind],
    directory: Path,
    say: Callable[[str], None] | None,
    prepare: Callable[[Database], None] | None,
) -> Outcome:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, virtual.VirtualClockLoop)
    track_tasks(loop)
    world = World(scenario, kinds, directory, say)
    if prepare is not None:
        prepare(world.database)
    try:
        await world.live()
    finally:
        await world.end(loop)
    return world.outcome()


class World:
    """The parts of one world and the deaths in it."""

    def __init__(
        self,
        scenario: Scenario,
        kinds: Mapping[str, MachineKind],
        directory: Path,
        say: Callable[[str], None] | None,
    ) -> None:
        self.scenario = scenario
        self.rng = random.Random(f"world/{scenario.seed}")
        self.clock = virtual.VirtualClock()
        self._began_s = self.clock.monotonic()
        self.record = Record(lambda: self.clock.monotonic() - self._began_s, say)
        self.database = fresh_database()
        self.eyes = Eyes(self.database)
        self.library = Library(find_made=self._find_made)
        self.switchboard = Switchboard(self.clock, self._luck_of("line"))
        self.rigs: dict[str, Rig] = {}
        self.invariants = Invariants(self.eyes, self.record, self.attempt)
        self.disk = Disk(self._luck_of("disk"), self._committed, lambda: self.kill_controller("in COMMIT"))
        self.gauge = Gauge(self.clock, self._luck_of("gauge"), Luck(), self.record, self.attempt)
        self.luck = Luck()
        self.controller: ControllerLife | None = None
        self.agent: AgentLife | None = None
        self._journal = MemoryJournalFile()
        self._blobs = BlobStore(directory)
        self._kinds = kinds
        self._fate: Fate | None = None
        self._helpers: list[asyncio.Task[None]] = []
        self._hours = Hours(0.0, 0.0)
        self._ground = Ground(
            clock=self.clock,
            rng=self._luck_of("processes"),
            database=self.database,
            blobs=self._blobs,
            drivers={kind.name: kind.driver for kind in kinds.values()},
            hooks=self.gauge,
            rigs=self.rigs,
            library=self.library,
            switchboard=self.switchboard,
            disk=self.disk,
            invariants=self.invariants,
            record=self.record,
            reader_turns=scenario.reader_turns,
            ended=self._ended,
        )
        self.desk = Desk(lambda: self.controller, self.record)
        self._make_rigs()

    def _luck_of(self, what: str) -> random.Random:
        """A stream of its own, so that one more draw in one place does not change all others."""
        return random.Random(f"{what}/{self.scenario.seed}")

    def _make_rigs(self) -> None:
        around = Surroundings(
            active_run=self.eyes.active_run,
            stop_known=self._stop_known,
            withdrawn=self.switchboard.heard.is_withdrawn,
        )
        for number, name in enumerate(self.scenario.machines, 1):
            rig = Rig(
                f"{name[0]}{number}",
                self._kinds[name],
                self.scenario.seed * 100 + number,
                self.scenario.lapse,
                self.clock,
                self.library,
                self.record,
                around,
            )
            rig.on_begin = self._begun
            self.rigs[rig.name] = rig

    def attempt(self, run_id: str) -> Attempt | None:
        """What a run did physically."""
        return next((rig.attempts[run_id] for rig in self.rigs.values() if run_id in rig.attempts), None)

    def _find_made(self, sha256: str) -> SimulatedProgram | None:
        """A program that a person had made of one of ours, read from its file."""
        parent_sha256 = self.eyes.parent(sha256)
        parent = self.library.named(parent_sha256) if parent_sha256 is not None else None
        if parent is None:
            return None
        harmless = self._kinds[parent.dialect].harmless
        made = read_continuation(self._blobs.path(sha256).read_bytes(), parent, harmless)
        if made is None or made.sha256 != sha256:
            self.record.violation("I4", f"what was made of {parent.name} does not end as it does")
        return made

    def _stop_known(self) -> str:
        """The stop that holds on record and that the agent was told of; empty when there is none."""
        row = self.eyes.rows(
            "SELECT json_extract(value, '$.stop_id') FROM settings"
            " WHERE key = 'stop' AND json_extract(value, '$.stopped')"
        )
        stop_id = str(row[0][0]) if row else ""
        return stop_id if stop_id == self.switchboard.heard.stop_id else ""

    # The story

    async def live(self) -> None:
        """Set up, let trouble come, let it go, and see that everything ends."""
        scenario = self.scenario
        operator = Operator(
            self.desk,
            self.eyes,
            self.rigs,
            self._luck_of("operator"),
            self.clock,
            self.record,
            scenario.operator_delay_s,
        )
        self._start_agent()
        self._start_controller()
        await self._set_up()
        self._help(operator.run(), "operator")
        self._let_trouble_in()
        await self._until_over(scenario.trouble_s)
        await self._calm_down()
        operator.attentive = True
        if not await self._until_over(scenario.limit_s):
            await self._explain_hang()
        self.invariants.accounts()

    async def _set_up(self) -> None:
        for rig in self.rigs.values():
            new = NewMachine(
                name=rig.name,
                driver=rig.kind.name,
                port=f"memory://{rig.name}",
                profile=rig.kind.profile,
                setup=rig.kind.setup,
            )
            await self.desk.ask(f"add {rig.name}", lambda c, new=new: c.machines.add(new, "admin"))  # type: ignore[misc]
        rng = self._luck_of("programs")
        for number, plan in enumerate(self.scenario.programs, 1):
            program = make_program(plan.kind, number, rng, lines=plan.lines, duration_s=plan.duration_s)
            self.library.add(program)
            await self.desk.ask(
                f"receive {program.name}",
                lambda c, program=program: c.intake.receive(program.name, _blocks(program.data), "admin"),  # type: ignore[misc]
            )
        for number, job in enumerate(self.scenario.jobs):
            if number < 2:
                await self._submit(job)
            else:
                self._help(self._submit_later(job), "customer")

    async def _submit_later(self, job: JobPlan) -> None:
        await self.clock.sleep(self._luck_of(f"customer/{job}").uniform(0.0, self.scenario.trouble_s / 2))
        await self._submit(job)

    async def _submit(self, job: JobPlan) -> None:
        submission = Submission(
            program_sha256=self.library.programs[job.program].sha256,
            quantity=job.quantity,
            yield_parts=job.yield_parts,
            remake_interrupted=job.remake,
        )
        await self.desk.act(f"submit {job}", lambda c: c.intake.submit(submission, WHO))

    def _let_trouble_in(self) -> None:
        self.luck = self.gauge.luck = self.disk.luck = self.scenario.luck
        self.switchboard.set_luck(self.luck)
        rng = self._luck_of("fate")
        mischief = Mischief(self.desk, self.eyes, self.rigs, rng)
        hands = Hands(self.desk, self.eyes, self.rigs, self._luck_of("hands"), self.clock, self.record)
        self._fate = Fate(self.luck, self, self.rigs, mischief, hands, rng, self.clock, self.record)
        self._help(self._fate.run(), "fate")

    async def _calm_down(self) -> None:
        """Faults end; links and processes that live with the old ones are made anew."""
        self.record.log("calm")
        for task in self._helpers:
            if task.get_name() == "fate":
                task.cancel()
                await asyncio.wait([task])
        self._fate = None
        self.luck = self.disk.luck = Luck()
        self.gauge.luck = Luck(check_fails=0.05)
        self.switchboard.set_luck(self.luck)
        if self.scenario.luck.wire_rate:
            self.kill_agent("its cables are exchanged")

    async def _until_over(self, within_s: float) -> bool:
        """Whether every job was over before the time was."""
        deadline_s = self.clock.monotonic() + within_s
        while self.clock.monotonic() < deadline_s:
            customers = any(task.get_name() == "customer" and not task.done() for task in self._helpers)
            if not customers and not self.eyes.open_jobs():
                return True
            await self.clock.sleep(LOOK_EVERY_S)
        return False

    async def _explain_hang(self) -> None:
        for code in self.eyes.open_jobs():
            said = await self.desk.ask(f"explain {code}", lambda c, code=code: c.views.explain(code))  # type: ignore[misc]
            self.record.violation("liveness", f"{code} never ends: {said}")
        for machine in await self.desk.ask("machines", lambda c: c.views.machines()) or []:
            self.record.log(f"{machine.name}: {machine.word}, {machine.why}, run {machine.run}")

    # Lives and deaths

    def _start_controller(self) -> None:
        self.record.log("the controller starts")
        self.controller = ControllerLife(self._ground)

    def _start_agent(self) -> None:
        self.record.log("the agent starts")
        loses = self.scenario.luck.peer_lose > 0  # also for one that begins before the trouble does
        self.agent = AgentLife(self._ground, self._journal, self.luck, loses=loses)

    def kill_controller(self, why: str) -> None:
        """kill -9."""
        life, self.controller = self.controller, None
        if life is None:
            return
        self.record.log(f"the controller is killed: {why}")
        self.record.count("controller kills")
        life.process.kill()
        self.invariants.crashed()
        self._bury(life.process, self._start_controller)

    def kill_agent(self, why: str) -> None:
        """kill -9."""
        life, self.agent = self.agent, None
        if life is None:
            return
        self.record.log(f"the agent is killed: {why}")
        self.record.count("agent kills")
        self._journal = life.after_kill()
        life.process.kill()
        self._bury(life.process, self._start_agent)

    def cut_power(self, *, machines: bool) -> None:
        """Both processes die; the journal loses what was not synced; perhaps the machines go dark too."""
        self.record.log(f"the power is cut{', at the machines too' if machines else ''}")
        self.record.count("power cuts")
        agent, self.agent = self.agent, None
        if agent is not None:
            self._journal = agent.after_power_cut()
            agent.process.kill()
            if self.rng.random() < self.luck.new_journal:
                self.record.log("and the agent's disk is exchanged")
                self._journal = MemoryJournalFile()
            self._bury(agent.process, self._start_agent)
        if machines:
            for rig in self.rigs.values():
                rig.press_reset()
        self.kill_controller("power cut")

    def fail_journal(self, failing: bool) -> None:
        """The disk under the agent's journal refuses, or works again."""
        if self.agent is not None:
            self.agent.journal.error = DISK_ERROR if failing else None

    def _bury(self, process: Process, start_again: Callable[[], None]) -> None:
        pause_s = self.rng.choice((0.1, 1.0, 10.0)) * self.rng.uniform(0.5, 3.0)

        async def bury() -> None:
            left = await process.reap()
            if left:
                self.record.violation("BUG", f"tasks of the {process.name} never end: {left}")

        async def restart() -> None:
            await self.clock.sleep(pause_s)
            start_again()

        self._help(bury(), "bury")
        self._help(restart(), "restart")

    def _ended(self, process: Process, error: BaseException | None) -> None:
        """A process ended by itself, which neither of them ever should here."""
        self.record.violation("BUG", f"the {process.name} ended by itself: {error!r}{trace_of(error)}")
        asyncio.get_running_loop().call_soon(
            functools.partial(self.kill_controller if process.name == "controller" else self.kill_agent, "it ended")
        )

    def _committed(self) -> None:
        self.record.count("commits")
        kinds = self.invariants.committed()
        if self._fate is not None:
            self._fate.committed(kinds)

    def _begun(self) -> None:
        if self._fate is not None:
            self._fate.begun()

    def _help(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._helpers = [task for task in self._helpers if not task.done()]
        self._helpers.append(begin_outside(work, name))

    # The end

    async def end(self, loop: virtual.VirtualClockLoop) -> None:
        """Measure, then take everything down."""
        self._hours = measure(self.eyes, self.record, self.scenario.lapse, self.clock)
        self.record.counts["plates"] = sum(a.plates for rig in self.rigs.values() for a in rig.attempts.values())
        for task in self._helpers:
            task.cancel()
        for life in (self.controller, self.agent):
            if life is not None:
                life.process.kill()
                await life.process.reap()
        for rig in self.rigs.values():
            rig.memory.power_off()
        self.eyes.close()
        self.database.close()
        for failure in loop.failures:
            error = failure.get("exception")
            self.record.violation("BUG", f"{failure.get('message')}: {error!r}{trace_of(error)}")

    def outcome(self) -> Outcome:
        """What came of it."""
        return Outcome(
            seed=self.scenario.seed,
            sha256=self.record.sha256,
            violations=tuple(self.record.violations),
            fleet_h=(self.clock.monotonic() - self._began_s) / 3600,
            run_h=self._hours.run_h,
            job_h=self._hours.job_h,
            counts=self.record.counts,
            tail=tuple(self.record.tail),
        )


async def _blocks(data: bytes) -> AsyncIterator[bytes]:
    yield data


def quiet_logs() -> None:
    """What the daemon logs in trouble is of no use by the thousand."""
    logging.getLogger("fleetctl").setLevel(logging.CRITICAL)
