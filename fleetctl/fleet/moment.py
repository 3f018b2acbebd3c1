"""Shapes the things of one snapshot: the same machine, run, job or part looks the same in every answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from fleetctl.fleet.continuation import continued_by, refusal, stopped_between
from fleetctl.fleet.shapes import JobShape, MachineShape, PartShape, ProgressShape, ResultShape, RunShape
from fleetctl.fleet.situation import parts_on
from fleetctl.model.job import Job, JobState, Tally
from fleetctl.model.machine import PHRASE, Machine, Word, word
from fleetctl.model.messages import TelemetryReport
from fleetctl.model.part import Part
from fleetctl.model.run import Run, RunState
from fleetctl.scheduling.eligibility import is_free
from fleetctl.scheduling.reason import Need, Reason
from fleetctl.scheduling.situation import OpenJob, Situation
from fleetctl.scheduling.why import why_job, why_machine, why_run
from fleetctl.store import jobs, parts, programs, runs

END_KNOWN_FROM = 0.02
"""Fraction of a run below which nobody guesses when it ends."""


STALE_AFTER_S = 15.0
"""Readings older than this are shown as old: a firmware that does not report by itself is asked every 5 s, and after
M112 or during one long command it tells nothing."""


class Moment:
    """One snapshot of the record, with what is read again and again kept at hand."""

    def __init__(self, conn: sa.Connection, situation: Situation, telemetry: dict[str, TelemetryReport]) -> None:
        self.conn = conn
        self.situation = situation
        self._telemetry = telemetry
        self._line_counts: dict[str, int] = {}

        self._jobs = {item.job.id: item.job for item in situation.jobs}
        self._order_codes: dict[str, str] = {}
        self._tallies: dict[str, Tally] = {}
        self._part_codes: dict[str, tuple[str, ...]] = {}
        self._shaped: dict[str, MachineShape] = {}
        self._lying: dict[str, list[PartShape]] | None = None

    @cached_property
    def _machines(self) -> dict[str, Machine]:
        return {machine.id: machine for machine in self.situation.machines}

    @cached_property
    def _program_names(self) -> dict[str, str]:
        return programs.names(self.conn)

    @cached_property
    def _open(self) -> dict[str, OpenJob]:
        return {item.job.id: item for item in self.situation.jobs}

    def _line_count(self, sha256: str) -> int:
        if sha256 not in self._line_counts:
            self._line_counts[sha256] = programs.line_count(self.conn, sha256)
        return self._line_counts[sha256]

    def _job(self, job_id: str) -> Job:
        if job_id not in self._jobs:
            self._jobs[job_id] = jobs.get(self.conn, job_id)
        return self._jobs[job_id]

    def _codes_of_parts(self, run: Run) -> tuple[str, ...]:
        if run.id not in self._part_codes:
            self._part_codes |= {run.id: (), **parts.codes_of_runs(self.conn, [run.id])}
        return self._part_codes[run.id]

    def _read_ahead(self, found: Sequence[Run]) -> None:
        """Have at hand what many runs need, so that none asks for its own."""
        wanted = [run.id for run in found if run.id not in self._part_codes]
        self._part_codes |= dict.fromkeys(wanted, ()) | parts.codes_of_runs(self.conn, wanted)
        self._jobs |= jobs.several(self.conn, {run.job_id for run in found} - self._jobs.keys())

    def machines(self) -> list[MachineShape]:
        """All machines, by name."""
        self._read_ahead(list(self.situation.active.values()))
        if self._lying is None:
            self._lying = self._all_that_lies()
        return [self.machine(machine) for machine in self.situation.machines]

    def _all_that_lies(self) -> dict[str, list[PartShape]]:
        """The parts on every machine, by its id."""
        found = parts.to_clear(self.conn)
        shaped = iter(self.parts([part for lying in found.values() for part in lying]))
        return {machine_id: [next(shaped) for _ in lying] for machine_id, lying in found.items()}

    def _lying_on(self, machine: Machine) -> tuple[PartShape, ...]:
        if self._lying is None:
            return tuple(self.parts(parts_on(self.conn, machine)))
        return tuple(self._lying.get(machine.id, ()))

    def machine(self, machine: Machine) -> MachineShape:
        """One machine with its run, its parts and what it needs."""
        if machine.id not in self._shaped:
            self._shaped[machine.id] = self._shape(machine)
        return self._shaped[machine.id]

    def _shape(self, machine: Machine) -> MachineShape:
        run = self.situation.active.get(machine.id)
        shown = word(machine.facts, has_run=run is not None)
        reason = why_machine(machine, self.situation)
        shaped_run = self.run(run) if run is not None else None
        reading = self._telemetry.get(machine.name)
        return MachineShape(
            name=machine.name,
            driver=machine.driver,
            port=machine.port,
            group=machine.group,
            profile=machine.profile,
            setup=machine.setup,
            configuration_hash=machine.configuration_hash,
            process=machine.profile.process.value,
            link=machine.facts.link.value,
            activity=machine.facts.activity.value,
            clearance=machine.facts.clearance.value,
            service=machine.facts.service.value,
            position=machine.facts.position.value,
            reason=machine.facts.reason,
            firmware=machine.firmware,
            ready=is_free(machine, self.situation),
            unattended_by=machine.unattended_by,
            word=shown.value,
            sentence=_sentence(shown, reason, shaped_run),
            since_s=machine.since_s,
            version=machine.version,
            board=machine.board,
            board_refused=machine.board_answered if machine.board.contradiction(machine.board_answered) else None,
            why=reason,
            run=shaped_run,
            parts_to_clear=self._lying_on(machine) if run is None else (),
            temperatures_degc=reading.temperatures_degc if reading else {},
            position_mm=reading.position_mm if reading else None,
            spindle_rpm=reading.spindle_rpm if reading else None,
            overrides_percent=reading.overrides_percent if reading else {},
            message=reading.message if reading else "",
            switches_closed=reading.switches_closed if reading else None,
            accessories_on=reading.accessories_on if reading else None,
            telemetry_at_s=reading.at_s if reading else None,
            can=reading.can if reading else (),
            prompt=reading.prompt if reading else None,
            agent=machine.agent,
            readings_at_s=(reading.read_at_s or None) if reading else None,
            readings_stale=reading is not None and self.situation.now_s - reading.read_at_s > STALE_AFTER_S,
        )

    def runs(self, found: Sequence[Run]) -> list[RunShape]:
        """Many runs."""
        self._read_ahead(found)
        return [self.run(run) for run in found]

    def run(self, run: Run) -> RunShape:
        """One run with its progress."""
        machine = self._machines[run.machine_id]
        return RunShape(
            code=run.code,
            job=self._job(run.job_id).code,
            machine=machine.name,
            program=self._program_names.get(run.program_sha256, ""),
            program_sha256=run.program_sha256,
            state=run.state.value,
            active=run.active,
            reason=run.reason,
            started=run.started,
            settled=run.settled,
            created_s=run.created_s,
            started_s=run.started_s,
            ended_s=run.ended_s,
            progress=self._progress(run, machine),
            parts=self._codes_of_parts(run),
            version=run.version,
            why=why_run(run, machine, self.situation),
            stopped_between=stopped_between(run),
            resumes=runs.get(self.conn, run.resumes_run_id).code if run.resumes_run_id else None,
            **self._continuing(run),
        )

    def _continuing(self, run: Run) -> dict[str, Any]:
        if run.state is not RunState.INTERRUPTED or not run.started:
            return {}
        later = continued_by(self.conn, run)
        continuable = not run.settled and not refusal(self.conn, run)
        return {"continued_by": later.code if later is not None else None, "continuable": continuable}

    def _progress(self, run: Run, machine: Machine) -> ProgressShape:
        lines = self._line_count(run.program_sha256)
        reading = self._telemetry.get(machine.name)
        live = reading if reading is not None and reading.run_id == run.id and run.active else None
        acknowledged = max(run.acknowledged_line, live.acknowledged_line if live else 0)
        fraction = 1.0 if run.state is RunState.FINISHED else min(1.0, acknowledged / lines if lines else 0.0)
        end_s = None
        if run.state is RunState.RUNNING and run.started_s is not None and fraction > END_KNOWN_FROM:
            end_s = run.started_s + (self.situation.now_s - run.started_s) / fraction
        return ProgressShape(
            fraction=fraction,
            acknowledged_line=acknowledged,
            sent_line=live.sent_line if live else acknowledged,
            lines=lines,
            planner_depth=acknowledged - run.surely_executed_line,
            end_s=end_s,
        )

    def jobs(self, found: Sequence[Job]) -> list[JobShape]:
        """Many jobs."""
        self._order_codes |= jobs.order_codes(self.conn, {job.order_id for job in found} - self._order_codes.keys())
        ended = [job.id for job in found if job.id not in self._open and job.id not in self._tallies]
        self._tallies |= jobs.tallies(self.conn, ended)
        return [self.job(job) for job in found]

    def _order_code(self, job: Job) -> str:
        if job.order_id not in self._order_codes:
            self._order_codes |= jobs.order_codes(self.conn, [job.order_id])
        return self._order_codes[job.order_id]

    def _tally(self, job: Job) -> Tally:
        if (item := self._open.get(job.id)) is not None:
            return item.tally
        if job.id not in self._tallies:
            self._tallies[job.id] = jobs.tally(self.conn, job.id)
        return self._tallies[job.id]

    def job(self, job: Job) -> JobShape:
        """One job with its counts and what it waits for."""
        tally = self._tally(job)
        pinned = self._machines.get(job.machine_id) if job.machine_id else None
        return JobShape(
            code=job.code,
            order=self._order_code(job),
            title=job.title,
            program=self._program_names.get(job.program_sha256, ""),
            program_sha256=job.program_sha256,
            quantity=job.quantity,
            yield_parts=job.yield_parts,
            state=job.state.value,
            priority=job.priority,
            due_s=job.due_s,
            material=job.material,
            machine=pinned.name if pinned else None,
            group=job.group,
            good=tally.good,
            hold=tally.hold,
            running=tally.running,
            to_make=tally.to_make(job.quantity),
            scrap=tally.scrap,
            surplus=tally.surplus,
            created_s=job.created_s,
            done_s=job.done_s,
            version=job.version,
            why=self.why_job(job),
        )

    def why_job(self, job: Job) -> Reason | None:
        """Why a job waits; None when it is over or being made."""
        item = self._open.get(job.id)
        if item is not None:
            return why_job(item, self.situation)
        if job.state is JobState.CANCELLED:
            return Reason(code="cancelled", sentence=f"{job.code} was cancelled.")
        return None

    def parts(self, found: Sequence[Part]) -> list[PartShape]:
        """Parts with their results."""
        given = parts.results_of(self.conn, [part.id for part in found])
        by_run = runs.several(self.conn, {part.run_id for part in found})
        self._jobs |= jobs.several(self.conn, {part.job_id for part in found} - self._jobs.keys())
        return [
            PartShape(
                code=part.code,
                job=self._job(part.job_id).code,
                run=by_run[part.run_id].code,
                machine=self._machines[by_run[part.run_id].machine_id].name,
                place=part.place,
                state=part.state.value,
                live=part.live,
                version=part.version,
                results=tuple(_result(result) for result in given[part.id]),
            )
            for part in found
        ]


def _result(result: parts.GivenResult) -> ResultShape:
    return ResultShape(
        check=result.check_name,
        result=result.result.value,
        reason=result.reason,
        characteristic=result.characteristic,
        value=result.value,
        least=result.least,
        greatest=result.greatest,
        unit=result.unit,
        given_by=result.given_by,
        at_s=result.at_s,
    )


def _sentence(shown: Word, reason: Reason | None, run: RunShape | None) -> str:
    """The state line: what the machine does, or what it needs."""
    if shown is Word.RUNNING and run is not None:
        return f"{run.job} · {run.progress.fraction:.0%}"
    if reason is not None and reason.need is not Need.NOBODY:
        return reason.sentence
    return PHRASE[shown]
