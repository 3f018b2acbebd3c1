"""A site on record, without tasks: units of work are called directly on one in-memory database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.claims import claim
from fleetctl.fleet.intake import _place_order
from fleetctl.fleet.reports import apply_report
from fleetctl.fleet.shapes import Submission
from fleetctl.fleet.situation import read_situation
from fleetctl.gcode import analyze
from fleetctl.model.job import Job, Tally
from fleetctl.model.machine import Activity, Clearance, Link, Machine, MachineFacts, Position
from fleetctl.model.messages import MachineReport, RunReport
from fleetctl.model.part import Part
from fleetctl.model.profile import PROFILES, Setup, configuration_hash
from fleetctl.model.run import Run, RunState
from fleetctl.preflight.gate import check
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.assign import Assignment, assign
from fleetctl.scheduling.situation import Situation
from fleetctl.store import events, jobs, machines, migrate, parts, programs, runs
from fleetctl.store.database import Database

T = TypeVar("T")

AGENT = "local"
NOTHING_LOADED = Setup()
PRINT = b"M104 S200\nG28\nM109 S200\nG1 X10 Y10 Z0.2 F3000\nG1 X60 E5 F1500\nM104 S0\nM84\n"


class Book:
    """The record of one site and what a test does to it. Time goes on one second with every change."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._ids = (f"id-{number:05d}" for number in itertools.count(1))
        self._now_s = itertools.count(1_800_000_000)
        self._sequences = itertools.count(1)

    def change(self, unit: Callable[..., T], *args: Any, actor: str = "tester") -> T:
        """Run a unit of work `unit(conn, *args, stamp)` and commit it."""
        stamp = Stamp(float(next(self._now_s)), actor, lambda: next(self._ids))
        with self.database.write() as conn:
            return unit(conn, *args, stamp)

    def look(self, read: Callable[..., T], *args: Any, **options: Any) -> T:
        with self.database.read() as conn:
            return read(conn, *args, **options)

    def program(self, text: bytes = PRINT) -> str:
        analysis = analyze(text)
        program = programs.Program(
            sha256=analysis.sha256,
            name="bracket.gcode",
            size_bytes=len(text),
            dialect=analysis.dialect,
            analysis=analysis,
            created_s=0.0,
        )
        self.change(lambda conn, stamp: programs.add(conn, program))
        return analysis.sha256

    def job(self, **wishes: Any) -> Job:
        submission = Submission(**{"program_sha256": self.program(), "quantity": 3, **wishes})
        code = self.change(_place_order, submission)
        return self.look(jobs.coded, code)

    def machine(self, name: str = "K1", *, setup: Setup = NOTHING_LOADED, ready: bool = True) -> Machine:
        profile = PROFILES["generic-220"]
        facts = MachineFacts(link=Link.ONLINE, clearance=Clearance.CLEAR) if ready else MachineFacts()
        machine = Machine(
            id=f"machine-{name}",
            name=name,
            driver="marlin",
            port=f"memory://{name}",
            group="",
            agent=AGENT,
            profile=profile,
            setup=setup,
            options={},
            configuration_hash=configuration_hash(profile, setup),
            unattended_by=None,
            facts=facts,
            firmware="",
            since_s=0.0,
            version=1,
        )
        self.change(lambda conn, stamp: machines.add(conn, machine))
        self.pass_gate(machine)
        return machine

    def pass_gate(self, machine: Machine) -> None:
        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            for program in programs.newest(conn, 100):
                verdict = check(program.analysis, machine.profile, machine.setup)
                preflight = programs.Preflight(
                    program_sha256=program.sha256,
                    configuration_hash=machine.configuration_hash,
                    rule_set=RULE_SET,
                    passed=verdict.passed,
                    findings=verdict.findings,
                    at_s=stamp.at_s,
                )
                programs.put_preflight(conn, preflight)

        self.change(unit)

    def situation(self) -> Situation:
        return self.look(read_situation, 1_800_000_000.0, frozenset({AGENT}))

    def plan(self) -> list[Assignment]:
        for machine in self.look(machines.every):
            self.pass_gate(machine)
        return assign(self.situation())

    def claim(self, plan: Assignment) -> Run:
        return self.change(claim, plan, RULE_SET, actor="dispatcher")

    def dispatch(self) -> list[Run]:
        return [self.claim(plan) for plan in self.plan()]

    def report(self, run: Run, state: RunState, *, started: bool = True, reason: str = "", line: int = 0) -> Run:
        report = RunReport(
            sequence=next(self._sequences),
            run_id=run.id,
            machine_id=run.machine_id,
            state=state.value,
            reason=reason,
            started=started,
            acknowledged_line=line,
            at_s=0.0,
        )
        self.agent_says(report)
        return self.look(runs.get, run.id)

    def agent_says(self, report: RunReport | MachineReport) -> None:
        self.change(lambda conn, stamp: apply_report(conn, AGENT, report, stamp), actor="agent")

    def machine_says(self, machine: Machine, **values: Any) -> Machine:
        report = MachineReport(
            **{
                "sequence": next(self._sequences),
                "machine_id": machine.id,
                "link": Link.ONLINE,
                "activity": Activity.IDLE,
                "position": Position.KNOWN,
                "at_s": 0.0,
                **values,
            }
        )
        self.agent_says(report)
        return self.look(machines.get, machine.id)

    def finish(self, run: Run) -> Run:
        for state in (RunState.PREPARING, RunState.RUNNING, RunState.FINISHED):
            run = self.report(run, state, started=state is not RunState.PREPARING)
        return run

    def parts(self, job: Job) -> list[Part]:
        return self.look(parts.of_job, job.id)

    def tally(self, job: Job) -> Tally:
        return self.look(jobs.tally, job.id)

    def again(self, thing: Any) -> Any:
        """The same job, run or machine as it is on record now."""
        found = {Job: jobs.get, Run: runs.get, Machine: machines.get}[type(thing)]
        return self.look(found, thing.id)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.look(events.page, 0, 10_000)]


@pytest.fixture
def book() -> Iterator[Book]:
    database = Database.open("sqlite://")
    migrate.upgrade(database)
    made = Book(database)
    made.change(lambda conn, stamp: machines.set_agent(conn, AGENT, "journal-1", "0"))
    yield made
    database.close()
