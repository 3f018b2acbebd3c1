"""What the outside sees: reads the record in one snapshot and shapes the answer. Changes nothing, decides nothing.

Every sentence that explains a wait comes from `scheduling.why`, so pages, CLI and API cannot disagree (I10).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from fleetctl.fleet import todo
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.bus import shape
from fleetctl.fleet.gate import Gate
from fleetctl.fleet.moment import Moment
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import (
    EventShape,
    ExplainShape,
    FindingShape,
    FloorShape,
    JobShape,
    MachineShape,
    MachineVerdict,
    PartShape,
    PreflightShape,
    ProgramShape,
    RunShape,
    StopShape,
    TransformationShape,
)
from fleetctl.fleet.situation import read_situation, read_situation_of
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.together import Together
from fleetctl.model.machine import Machine
from fleetctl.model.part import Part
from fleetctl.model.run import Run
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.eligibility import obstacle
from fleetctl.store import events, jobs, machines, parts, programs, runs, settings
from fleetctl.store.programs import Preflight, Program

T = TypeVar("T")
F = TypeVar("F")


class Views:
    """Reads for HTTP, pages and CLI. Every method may raise NotFound or StoreUnavailable."""

    def __init__(self, record: Record, agents: Agents, telemetry: Telemetry, gate: Gate) -> None:
        self._record = record
        self._agents = agents
        self._telemetry = telemetry
        self._gate = gate
        self._floor = Together(self._read_floor)
        self._machines = Together(self._read_machines)

    async def _at(self, read: Callable[[Moment], T]) -> T:
        """Read one moment of the site."""
        connected, leaving = self._agents.connected(), self._agents.leaving()
        now_s = self._record.now_s()
        latest = self._telemetry.latest()

        def in_snapshot(conn: sa.Connection) -> T:
            return read(Moment(conn, read_situation(conn, now_s, connected, leaving), latest))

        return await self._record.look(in_snapshot)

    async def _about(self, find: Callable[[sa.Connection], tuple[Machine, F]], read: Callable[[Moment, F], T]) -> T:
        """Read what is said of one machine, and of something that `find` finds beside it: all the rest of a large
        site would take a hundred times longer."""
        connected, leaving = self._agents.connected(), self._agents.leaving()
        now_s = self._record.now_s()
        latest = self._telemetry.latest()

        def in_snapshot(conn: sa.Connection) -> T:
            machine, found = find(conn)
            situation = read_situation_of(conn, machine, now_s, connected, leaving)
            return read(Moment(conn, situation, latest), found)

        return await self._record.look(in_snapshot)

    async def floor(self) -> FloorShape:
        """The whole room at one moment."""
        return await self._floor.ask()

    async def _read_floor(self) -> FloorShape:
        def read(moment: Moment) -> FloorShape:
            return FloorShape(
                sequence=moment.situation.version,
                now_s=moment.situation.now_s,
                stop=_stop(moment.conn),
                machines=tuple(moment.machines()),
                todo=todo.items(moment),
                agents={name: name in moment.situation.agents for name in self._agents.names},
            )

        return await self._at(read)

    async def machine(self, name: str) -> MachineShape:
        """One machine."""

        def find(conn: sa.Connection) -> tuple[Machine, Machine]:
            machine = machines.named(conn, name)
            return machine, machine

        return await self._about(find, Moment.machine)

    async def machines(self) -> list[MachineShape]:
        """All machines by name."""
        return await self._machines.ask()

    async def _read_machines(self) -> list[MachineShape]:
        return await self._at(Moment.machines)

    async def queue(self, limit: int = 200) -> list[JobShape]:
        """Unfinished jobs in the order in which they are served, then the newest finished ones."""

        def read(moment: Moment) -> list[JobShape]:
            waiting = [item.job for item in moment.situation.jobs]
            known = {job.id for job in waiting}
            ended = [job for job in jobs.newest(moment.conn, limit) if job.id not in known]
            return moment.jobs([*waiting, *ended][:limit])

        return await self._at(read)

    async def job(self, code: str) -> JobShape:
        """One job."""
        return await self._at(lambda moment: moment.job(jobs.coded(moment.conn, code)))

    async def explain(self, code: str) -> ExplainShape:
        """Why a job waits, and every machine's first refusing condition."""

        def read(moment: Moment) -> ExplainShape:
            job = jobs.coded(moment.conn, code)
            situation = moment.situation
            found = [(machine, obstacle(job, machine, situation)) for machine in situation.machines]
            verdicts = (MachineVerdict(machine=m.name, fits=reason is None, reason=reason) for m, reason in found)
            return ExplainShape(job=job.code, reason=moment.why_job(job), machines=tuple(verdicts))

        return await self._at(read)

    async def runs(
        self, job: str | None = None, machine: str | None = None, active: bool | None = None, limit: int = 100
    ) -> list[RunShape]:
        """The newest runs that fit, newest first."""

        def read(moment: Moment) -> list[RunShape]:
            found = runs.find(
                moment.conn,
                job_id=jobs.coded(moment.conn, job).id if job else None,
                machine_id=machines.named(moment.conn, machine).id if machine else None,
                active_only=bool(active),
                limit=limit,
            )
            return moment.runs([run for run in found if active is None or run.active == active])

        return await self._at(read)

    async def run(self, code: str) -> RunShape:
        """One run."""

        def find(conn: sa.Connection) -> tuple[Machine, Run]:
            run = runs.coded(conn, code)
            return machines.get(conn, run.machine_id), run

        return await self._about(find, Moment.run)

    async def parts(
        self, job: str | None = None, run: str | None = None, limit: int = 1000, after: str | None = None
    ) -> list[PartShape]:
        """Parts of a job, of a run, or all by code."""

        def read(moment: Moment) -> list[PartShape]:
            if run is not None:
                found = parts.of_run(moment.conn, runs.coded(moment.conn, run).id)
            elif job is not None:
                found = parts.of_job(moment.conn, jobs.coded(moment.conn, job).id, limit)
            else:
                found = parts.newest(moment.conn, limit, after)
            return moment.parts(found)

        return await self._at(read)

    async def belongings(self, codes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What runs and parts belong to, by their code: machine and job, and the run of a part. It never changes, and
        is read without the rest of the site. A code that is not on record is left out."""
        return await self._record.look(lambda conn: runs.belongings(conn, codes) | parts.belongings(conn, codes))

    async def part(self, code: str) -> PartShape:
        """One part with its results."""

        def find(conn: sa.Connection) -> tuple[Machine, Part]:
            part = parts.coded(conn, code)
            return machines.get(conn, runs.get(conn, part.run_id).machine_id), part

        return await self._about(find, lambda moment, part: moment.parts([part])[0])

    async def programs(self, limit: int = 100) -> list[ProgramShape]:
        """The newest programs."""
        found = await self._record.look(lambda conn: programs.newest(conn, limit))
        return [_program(program, ()) for program in found]

    async def program(self, sha256: str) -> ProgramShape:
        """One program with what the gate says of it on every machine."""
        program, every = await self._record.look(lambda conn: (programs.get(conn, sha256), machines.every(conn)))
        said = await self._gate.ask_all(program.sha256, every)
        sayings = [preflight_shape(machine, said[machine.configuration_hash]) for machine in every]
        return _program(program, tuple(sayings))

    async def preflight(self, sha256: str, machine: str) -> PreflightShape:
        """What the gate says of one program on one machine."""
        program, found = await self._record.look(
            lambda conn: (programs.get(conn, sha256), machines.named(conn, machine))
        )
        return preflight_shape(found, await self._gate.ask(program.sha256, found))

    async def events(self, after: int, limit: int = 500) -> list[EventShape]:
        """The log behind number `after`, in order."""
        return [shape(event) for event in await self._record.look(lambda conn: events.page(conn, after, limit))]

    async def last_sequence(self) -> int:
        """The number of the newest event."""
        return await self._record.look(events.last_sequence)

    async def stop(self) -> StopShape:
        """The latch."""
        return await self._record.look(_stop)


def _stop(conn: sa.Connection) -> StopShape:
    stop = settings.stop(conn)
    return StopShape(
        stopped=stop.stopped, by=stop.by, at_s=stop.at_s, outcomes=stop.outcomes, last_byte_s=stop.last_byte_s
    )


def _program(program: Program, sayings: tuple[PreflightShape, ...]) -> ProgramShape:
    return ProgramShape(
        sha256=program.sha256,
        name=program.name,
        size_bytes=program.size_bytes,
        dialect=program.dialect,
        created_s=program.created_s,
        analysis=msgspec.Raw(msgspec.json.encode(program.analysis)),
        machines=sayings,
        parent_sha256=program.parent_sha256,
        transformation=msgspec.json.decode(program.transformation, type=TransformationShape)
        if program.transformation
        else None,
    )


def preflight_shape(machine: Machine, preflight: Preflight) -> PreflightShape:
    """A gate's saying as the outside sees it."""
    return PreflightShape(
        machine=machine.name,
        passed=preflight.passed,
        rule_set=RULE_SET,
        configuration_hash=machine.configuration_hash,
        findings=tuple(
            FindingShape(
                code=finding.code,
                severity=finding.severity,
                line=finding.line,
                column=finding.column,
                message=finding.message,
                hint=finding.hint,
            )
            for finding in preflight.findings
        ),
    )
