"""Whether one machine can take one job now, and if not, the first condition that stands in the way.

Conditions stand in the order in which a person would lift them: first what never changes by waiting (wrong
machine), then what a person must do, then what passes by itself.
"""

from __future__ import annotations

from fleetctl.model.job import Job
from fleetctl.model.machine import Activity, Clearance, Link, Machine, Position, Service, is_ready, unready_reasons
from fleetctl.scheduling.reason import Action, Need, Reason
from fleetctl.scheduling.situation import Situation


def obstacle(job: Job, machine: Machine, situation: Situation) -> Reason | None:
    """Why this machine cannot take this job now; None when it can."""
    return misfit(job, machine, situation) or taken(machine, situation)


def taken(machine: Machine, situation: Situation) -> Reason | None:
    """Why this machine can take no job now, whichever; None when it can."""
    return _occupied(machine, situation) or unready(machine, situation)


def misfit(job: Job, machine: Machine, situation: Situation) -> Reason | None:
    """Why this machine is not one for this job at all, however long it waits; None when it is one."""
    if job.machine_id is not None and job.machine_id != machine.id:
        pinned = situation.machine(job.machine_id)
        return Reason(code="pinned", sentence=f"The job is for {pinned.name if pinned else 'another machine'} only.")
    if job.group and job.group != machine.group:
        return Reason(code="group", sentence=f"The job is for machines of the group {job.group}.")
    fit = situation.fits.get((job.program_sha256, machine.configuration_hash))
    if fit is None:
        return Reason(
            code="preflight-pending", sentence=f"The program has not been checked against {machine.name} yet."
        )
    if not fit.passed:
        code = "other-kind" if fit.other_kind else "preflight"
        return Reason(code=code, sentence=f"The program does not fit {machine.name}: {fit.obstacle}")
    if job.material and not _is_loaded(job.material, machine):
        loaded = machine.setup.material or "nothing on record"
        return Reason(
            code="material",
            sentence=f"{machine.name} has {loaded} loaded, the job needs {job.material}.",
            need=Need.WHEN_CONVENIENT,
        )
    if (machine.id, job.program_sha256) in situation.blocked:
        return Reason(
            code="failed-here",
            sentence=f"Two runs of this program failed in a row on {machine.name}; look at it, then say so.",
            need=Need.PERSON,
            action=Action(label="I looked at it", target=f"machines/{machine.name}", verb="service"),
        )
    return None


def _is_loaded(material: str, machine: Machine) -> bool:
    return machine.setup.material == material or machine.setup.material.casefold() == material.casefold()


def _occupied(machine: Machine, situation: Situation) -> Reason | None:
    run = situation.active.get(machine.id)
    if run is None:
        return None
    return Reason(code="busy", sentence=f"{machine.name} is busy with {run.code}.")


def is_free(machine: Machine, situation: Situation) -> bool:
    """Whether nothing but a job is lacking: no run holds the machine, it is READY and its agent takes runs."""
    answers = machine.agent in situation.agents and machine.agent not in situation.leaving
    return answers and machine.id not in situation.active and is_ready(machine.facts)


def unready(machine: Machine, situation: Situation) -> Reason | None:
    """Why the machine is not READY, though no run holds it; None when it is."""
    facts = machine.facts
    target = f"machines/{machine.name}"
    name = machine.name
    if machine.agent in situation.leaving:
        return Reason(
            code="agent-leaving",
            sentence=f"The agent that holds {name} ends after its last run; its successor takes {name} over.",
        )
    if machine.agent not in situation.agents:
        return Reason(code="agent", sentence=f"The agent that holds {name} does not answer.", need=Need.RUN_AT_RISK)
    if facts.service is not Service.IN_SERVICE:
        phrase = "locked out" if facts.service is Service.LOCKED_OUT else "in maintenance"
        back = Action(label="Back in service", target=target, verb="service")
        return Reason(
            code="service", sentence=f"{name} is {phrase}; a person must put it back in service.", action=back
        )
    if facts.link is not Link.ONLINE:
        return Reason(
            code="offline",
            sentence=f"{name} is {facts.link.value}{_because(facts.reason)}; switch it on and check its cable.",
        )
    if facts.activity is Activity.FAULT:
        return Reason(
            code="fault",
            sentence=f"{name} has a fault{_because(facts.reason)}; look at it, then reset it.",
            need=Need.FAULT,
            action=Action(label="Reset", target=target, verb="reset"),
        )
    if facts.position is Position.SUSPECT:
        return Reason(
            code="suspect",
            sentence=f"Nobody knows for sure where the tool of {name} is; clear the way, then home it "
            "(or confirm its place, if it cannot home).",
            need=Need.FAULT,
            action=Action(label="Home", target=target, verb="home"),
        )
    if facts.clearance is Clearance.UNCLEARED:
        return clearing(machine, situation)
    if facts.activity is not Activity.IDLE:
        return Reason(code="busy", sentence=f"{name}: {unready_reasons(facts)[0]}.")
    return None


def clearing(machine: Machine, situation: Situation) -> Reason:
    """The reason of an uncleared machine; urgent when work waits for it."""
    count = situation.to_clear.get(machine.id, 0)
    what = f": {count} part{'s' if count != 1 else ''}" if count else ""
    place = "bed" if machine.starts_by_itself else "vise"
    urgent = any(misfit(item.job, machine, situation) is None for item in situation.jobs if item.free_places)
    return Reason(
        code="uncleared",
        sentence=f"Clear the {place} of {machine.name}{what}, then confirm that it is clear.",
        need=Need.CLEAR_FOR_WORK if urgent else Need.WHEN_CONVENIENT,
        action=Action(label="Cleared", target=f"machines/{machine.name}", verb="clear"),
    )


def _because(reason: str) -> str:
    return f" ({reason.rstrip('.')})" if reason else ""
