"""What a person should do now, most urgent first: machines that need somebody and parts that wait for a word."""

from __future__ import annotations

from fleetctl.fleet.moment import Moment
from fleetctl.fleet.shapes import PartShape, TodoItem
from fleetctl.fleet.situation import NOBODY_ASSESSES_AFTER_S
from fleetctl.model.job import JobState
from fleetctl.model.part import PartState
from fleetctl.scheduling.reason import Action, Need, Reason
from fleetctl.scheduling.why import stopped, why_job_itself, why_machine
from fleetctl.store import parts, settings


def items(moment: Moment) -> tuple[TodoItem, ...]:
    """Everything that needs a person, by urgency, then by how long it has waited."""
    found = [*_stop(moment), *_machines(moment), *_jobs(moment), *_parts(moment)]
    return tuple(sorted(found, key=lambda item: (item.reason.need, item.since_s, item.subject)))


def _stop(moment: Moment) -> list[TodoItem]:
    latch = settings.stop(moment.conn)
    if not latch.stopped:
        return []
    reason = stopped(moment.situation)
    return [TodoItem(kind="stop", subject="everything", reason=reason, since_s=latch.at_s or 0.0, version=0)]


def _machines(moment: Moment) -> list[TodoItem]:
    found = []
    for machine in moment.situation.machines:
        reason = why_machine(machine, moment.situation)
        if reason is None or reason.need is Need.NOBODY:
            continue
        run = moment.situation.active.get(machine.id) or moment.situation.unsettled.get(machine.id)
        shaped = moment.machine(machine)
        found.append(
            TodoItem(
                kind="machine",
                subject=machine.name,
                reason=reason,
                since_s=machine.since_s,
                version=machine.version,
                job=moment.run(run).job if run is not None else None,
                parts=shaped.parts_to_clear,
            )
        )
    return found


def _jobs(moment: Moment) -> list[TodoItem]:
    found = []
    for item in moment.situation.jobs:
        reason = why_job_itself(item, moment.situation)
        if reason is not None and reason.need is not Need.NOBODY:
            job = item.job
            found.append(
                TodoItem(
                    kind="job",
                    subject=job.code,
                    reason=reason,
                    since_s=job.created_s,
                    version=job.version,
                    job=job.code,
                )
            )
    return found


def _parts(moment: Moment) -> list[TodoItem]:
    """Parts that only a person can decide about and that no machine shows any more: on hold, or never assessed."""
    interrupted = {run.id for run in moment.situation.unsettled.values()}
    open_jobs = {item.job.id for item in moment.situation.jobs if item.job.state is not JobState.CANCELLED}
    waiting = parts.in_states(moment.conn, [PartState.HOLD, PartState.REWORK])
    wanted = [part for part in waiting if part.run_id not in interrupted and part.job_id in open_jobs]
    silent = parts.unassessed(moment.conn, moment.situation.now_s - NOBODY_ASSESSES_AFTER_S)
    wanted += [part for part in silent if part.job_id in open_jobs]
    return [
        TodoItem(
            kind="part",
            subject=shape.code,
            reason=_why_part(shape),
            since_s=part.created_s,
            version=part.version,
            job=shape.job,
            parts=(shape,),
        )
        for part, shape in zip(wanted, moment.parts(wanted), strict=True)
    ]


def _why_part(part: PartShape) -> Reason:
    if part.state == PartState.MADE:
        return Reason(
            code="part-unassessed",
            sentence=f"No check has assessed {part.code} of {part.job}: say whether it is good.",
            need=Need.PERSON,
            action=Action(label="Assess", target=f"parts/{part.code}", verb="inspections"),
        )
    return Reason(
        code="part-on-hold",
        sentence=f"{part.code} of {part.job} is on {part.state}: decide about it.",
        need=Need.PERSON,
        action=Action(label="Decide", target=f"parts/{part.code}", verb="disposition"),
    )
