"""Why a job, machine or run waits: the one source of the sentence for page, queue, phone, CLI and API (I10)."""

from __future__ import annotations

from fleetctl.model.job import Job, JobState
from fleetctl.model.machine import Activity, Link, Machine, Service
from fleetctl.model.run import Run, RunState
from fleetctl.scheduling.eligibility import misfit, taken, unready
from fleetctl.scheduling.reason import Action, Need, Reason
from fleetctl.scheduling.situation import OpenJob, Situation

HEALED_BY_WAITING = frozenset({"busy", "preflight-pending"})
SAYS_LITTLE = ("other-kind", "pinned", "group")
"""Misfits that tell a person less than any other about why nothing fits, the least telling last."""


def stopped(situation: Situation) -> Reason:
    """The reason of everything while the stop is pressed (I15)."""
    by = f" by {situation.stopped_by}" if situation.stopped_by else ""
    return Reason(
        code="stopped",
        sentence=f"Everything was stopped{by}; nothing starts until a person releases the stop.",
        need=Need.FAULT,
        action=Action(label="Release the stop", target="estop", verb="release"),
    )


def why_job(item: OpenJob, situation: Situation) -> Reason | None:
    """Why not all of a job's parts are good or being made; None when nothing of it waits."""
    if situation.stopped:
        return stopped(situation)
    if item.job.state is JobState.HELD:
        return _held(item.job)
    if not item.free_places:
        return _waits_for_parts(item)
    return _waits_for_machine(item, situation)


def why_job_itself(item: OpenJob, situation: Situation) -> Reason | None:
    """Why a job waits, where that is said of the job alone: it is held, or it fits no machine here. None when it
    waits for a machine, a part or the stop, which say it themselves."""
    if situation.stopped:
        return None
    if item.job.state is JobState.HELD:
        return _held(item.job)
    if not item.free_places or any(misfit(item.job, m, situation) is None for m in situation.machines):
        return None
    return _waits_for_machine(item, situation)


def _held(job: Job) -> Reason:
    return Reason(
        code="held",
        sentence=f"{job.code} is held: {job.held_reason or 'a person wants it so'}.",
        need=Need.WHEN_CONVENIENT,
        action=Action(label="Release", target=f"jobs/{job.code}", verb="release"),
    )


def _waits_for_parts(item: OpenJob) -> Reason | None:
    if item.tally.hold:
        return Reason(
            code="parts-on-hold",
            sentence=f"{_parts(item.tally.hold)} of {item.job.code} {_are(item.tally.hold)} on hold: "
            "a person must decide.",
            need=Need.PERSON,
        )
    if item.unassessed:
        return Reason(
            code="parts-unassessed",
            sentence=f"{_parts(item.unassessed)} of {item.job.code} {_are(item.unassessed)} made and no check has an "
            "opinion: a person must say what is good.",
            need=Need.PERSON,
        )
    if item.tally.running:
        last = "The last part" if item.tally.running == 1 else f"The last {item.tally.running} parts"
        return Reason(
            code="being-made",
            sentence=f"{last} of {item.job.code} {_are(item.tally.running)} being made or assessed.",
        )
    return None


def _parts(count: int) -> str:
    return "1 part" if count == 1 else f"{count} parts"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _waits_for_machine(item: OpenJob, situation: Situation) -> Reason:
    if not situation.machines:
        return Reason(code="no-machine", sentence="There is no machine yet: add one.", need=Need.PERSON)
    fitting = [m for m in situation.machines if misfit(item.job, m, situation) is None]
    if not fitting:
        return _no_machine_fits(item, situation)
    reasons = [reason for m in fitting if (reason := taken(m, situation)) is not None]
    if len(reasons) < len(fitting):
        return Reason(code="next", sentence=f"{item.job.code} starts as soon as its turn comes.")
    asked = [reason for reason in reasons if reason.action is not None or reason.code not in HEALED_BY_WAITING]
    busy = len(reasons) - len(asked)
    if not asked:
        whole = "The only machine that fits" if busy == 1 else f"All {busy} machines that fit"
        return Reason(code="busy", sentence=f"{whole} {item.job.code} {_are(busy)} busy.")
    first = min(asked, key=lambda reason: reason.need)
    others = ""
    if busy:
        others = " 1 other machine that fits is busy." if busy == 1 else f" {busy} other machines that fit are busy."
    return Reason(code=first.code, sentence=first.sentence + others, need=first.need, action=first.action)


def _no_machine_fits(item: OpenJob, situation: Situation) -> Reason:
    reasons = [reason for m in situation.machines if (reason := misfit(item.job, m, situation)) is not None]
    # What a person can lift says more than what never changes; that the job is for others says least.
    little = {code: rank for rank, code in enumerate(SAYS_LITTLE)}
    telling = min(reasons, key=lambda r: (r.action is None, r.need, little.get(r.code, -1)))
    return Reason(
        code="no-machine-fits",
        sentence=f"No machine here fits {item.job.code}. {telling.sentence}",
        need=Need.PERSON,
        action=telling.action,
    )


def why_run(run: Run, machine: Machine, situation: Situation) -> Reason | None:
    """Why a run does not move; None while it does."""
    target = f"runs/{run.code}"
    if run.state is RunState.INTERRUPTED and not run.settled:
        return Reason(
            code="interrupted",
            sentence=f"{run.code} was interrupted on {machine.name}{_because(run.reason)}; "
            "look at the parts, then continue it, or clear the machine and say which are good.",
            need=Need.FAULT,
            action=Action(label="Cleared", target=f"machines/{machine.name}", verb="clear"),
        )
    if not run.active:
        return None
    if machine.agent not in situation.agents and machine.agent in situation.leaving:
        return Reason(
            code="agent-leaving",
            sentence=f"{run.code} goes on under an agent of another version, which is understood again once all its "
            "runs are over and its successor tells what came of them.",
        )
    if machine.facts.link is not Link.ONLINE or machine.agent not in situation.agents:
        return Reason(
            code="run-at-risk",
            sentence=f"No answer from {machine.name}, {run.code} is at risk.",
            need=Need.RUN_AT_RISK,
        )
    if run.state is RunState.WAITING:
        resume = Action(label="Go on", target=target, verb="resume")
        start = Action(label="Cycle start", target=target, verb="start")
        return Reason(
            code="cycle-start" if not run.started else "person",
            sentence=f"{machine.name}: {run.reason or 'waits for a person'}.",
            need=Need.PERSON,
            action=resume if run.started else start,
        )
    if run.state is RunState.PAUSED:
        return Reason(
            code="paused",
            sentence=f"{run.code} is paused{_because('' if run.reason == 'paused' else run.reason)}.",
            need=Need.PAUSED,
            action=Action(label="Resume", target=target, verb="resume"),
        )
    if run.state is RunState.CLAIMED:
        return Reason(code="starting", sentence=f"{run.code} is on its way to {machine.name}.")
    return None


def why_machine(machine: Machine, situation: Situation) -> Reason | None:
    """Why a machine does not work, or what it needs; None when it works or is ready."""
    run = situation.active.get(machine.id)
    if run is not None:
        if machine.facts.activity is Activity.FAULT:
            return unready(machine, situation)
        return why_run(run, machine, situation)
    interrupted = situation.unsettled.get(machine.id)
    if interrupted is not None and machine.facts.link is Link.ONLINE and machine.facts.service is Service.IN_SERVICE:
        reason = unready(machine, situation)
        if reason is None or reason.code == "uncleared":
            return why_run(interrupted, machine, situation)
        return reason
    return unready(machine, situation)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
