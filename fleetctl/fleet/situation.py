"""Reads one moment of the site from the store, for scheduling and for every explanation."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from fleetctl.model.job import FAILED_RUNS_THAT_BLOCK_A_MACHINE, Job
from fleetctl.model.machine import Clearance, Machine
from fleetctl.model.part import LIVE, Part, PartState
from fleetctl.model.run import Run
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.situation import Fit, OpenJob, Situation
from fleetctl.store import events, jobs, machines, parts, programs, runs, settings
from fleetctl.store.programs import Preflight

OTHER_KIND = "FQ004"
"""The finding that says that a program is for another kind of machine."""

NOBODY_ASSESSES_AFTER_S = 60.0
"""A check answers within 30 s (`hooks.CHECK_WITHIN_S`): a part without a word for longer waits for a person."""


def read_situation(
    conn: sa.Connection, now_s: float, agents: frozenset[str], leaving: frozenset[str] = frozenset()
) -> Situation:
    """The situation in this snapshot; `agents` are those that answer now, `leaving` those that take no runs."""
    stop = settings.stop(conn)
    every_machine = machines.every(conn)
    open_jobs = jobs.unfinished(conn)
    return Situation(
        version=events.last_sequence(conn),
        now_s=now_s,
        stopped=stop.stopped,
        stopped_by=stop.by,
        jobs=_open_jobs(conn, open_jobs, now_s),
        machines=tuple(every_machine),
        active={run.machine_id: run for run in runs.active(conn)},
        unsettled={run.machine_id: run for run in runs.unsettled(conn)},
        to_clear={machine_id: len(lying) for machine_id, lying in parts.to_clear(conn).items()},
        fits=_fits(conn, open_jobs, every_machine),
        blocked=_blocked(conn, open_jobs),
        agents=agents,
        leaving=leaving,
    )


def read_situation_of(
    conn: sa.Connection, machine: Machine, now_s: float, agents: frozenset[str], leaving: frozenset[str] = frozenset()
) -> Situation:
    """As much of the situation as is said of one machine, of its runs and of their parts; nothing of other machines,
    and jobs only where it matters that some wait for it. Not for saying anything of a job."""
    stop = settings.stop(conn)
    lying = parts_on(conn, machine)
    open_jobs = jobs.unfinished(conn) if machine.facts.clearance is Clearance.UNCLEARED else []
    return Situation(
        version=events.last_sequence(conn),
        now_s=now_s,
        stopped=stop.stopped,
        stopped_by=stop.by,
        jobs=_open_jobs(conn, open_jobs, now_s),
        machines=(machine,),
        active={run.machine_id: run for run in runs.find(conn, machine_id=machine.id, active_only=True)},
        unsettled={run.machine_id: run for run in runs.unsettled(conn) if run.machine_id == machine.id},
        to_clear={machine.id: len(lying)} if lying else {},
        fits=_fits(conn, open_jobs, [machine]),
        blocked=_blocked(conn, open_jobs),
        agents=agents,
        leaving=leaving,
    )


def _open_jobs(conn: sa.Connection, open_jobs: list[Job], now_s: float) -> tuple[OpenJob, ...]:
    if not open_jobs:
        return ()
    tallies = jobs.open_tallies(conn)
    taken = parts.taken_places_of_open(conn)
    unassessed = Counter(part.job_id for part in parts.unassessed(conn, now_s - NOBODY_ASSESSES_AFTER_S))
    return tuple(
        OpenJob(
            job=job,
            tally=tallies.get(job.id, jobs.NOTHING_MADE),
            free_places=_free_places(job, taken.get(job.id)),
            unassessed=unassessed[job.id],
        )
        for job in open_jobs
    )


def _blocked(conn: sa.Connection, open_jobs: list[Job]) -> frozenset[tuple[str, str]]:
    wanted = sorted({job.program_sha256 for job in open_jobs})
    return runs.failing(conn, wanted, FAILED_RUNS_THAT_BLOCK_A_MACHINE) if wanted else frozenset()


def _free_places(job: Job, taken: set[int] | None) -> tuple[int, ...]:
    places = range(1, job.quantity + 1)
    return tuple(place for place in places if place not in taken) if taken else tuple(places)


def last_run(conn: sa.Connection, machine_id: str) -> Run | None:
    """The newest run that put bytes into a machine."""
    return runs.last_started(conn, machine_id)


def parts_on(conn: sa.Connection, machine: Machine) -> list[Part]:
    """The parts that lie on an uncleared machine: those of its last run that are still wanted or in doubt."""
    if machine.facts.clearance is Clearance.CLEAR or (run := last_run(conn, machine.id)) is None:
        return []
    return [part for part in parts.of_run(conn, run.id) if part.state in LIVE or part.state is PartState.SCRAP]


def fit(preflight: Preflight) -> Fit:
    """A gate's saying in the words of scheduling."""
    errors = [finding for finding in preflight.findings if finding.severity == "error"]
    if not errors:
        return Fit(passed=preflight.passed)
    other_kind = next((finding for finding in errors if finding.code == OTHER_KIND), None)
    telling = other_kind or errors[0]
    where = f"line {telling.line}: " if telling.line else ""
    return Fit(passed=preflight.passed, obstacle=f"{where}{telling.message}", other_kind=other_kind is not None)


def _fits(conn: sa.Connection, open_jobs: list[Job], every_machine: list[Machine]) -> dict[tuple[str, str], Fit]:
    """What the gate has said so far of the programs and configurations that matter now."""
    if not open_jobs:
        return {}
    wanted = sorted({job.program_sha256 for job in open_jobs})
    configurations = sorted({machine.configuration_hash for machine in every_machine})
    said = programs.preflights_of(conn, wanted, configurations, RULE_SET)
    return {(preflight.program_sha256, preflight.configuration_hash): fit(preflight) for preflight in said}
