"""Chooses machines for jobs: deterministic, the same situation gives the same assignments."""

from __future__ import annotations

import msgspec

from fleetctl.model.job import Job, JobState
from fleetctl.model.machine import Machine
from fleetctl.scheduling.eligibility import is_free, misfit
from fleetctl.scheduling.situation import OpenJob, Situation


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """One run to claim. `places` has one entry per part of the plate; None is surplus (I3)."""

    job: Job
    machine: Machine
    places: tuple[int | None, ...]


def assign(situation: Situation) -> list[Assignment]:
    """The runs to claim now, in the order of the queue; none while everything is stopped (I15).

    Among machines that can take a job the one that has rested longest is taken, so that no machine wears out
    before the others.
    """
    if situation.stopped:
        return []
    free = [machine for machine in situation.machines if is_free(machine, situation)]
    rested = sorted(free, key=lambda machine: (machine.since_s, machine.name))
    chosen: list[Assignment] = []
    for item in situation.jobs:
        if not rested:
            break
        if item.job.state is JobState.HELD:
            continue
        able = (machine for machine in rested if misfit(item.job, machine, situation) is None)
        found = [
            Assignment(job=item.job, machine=machine, places=places)
            for places, machine in zip(_plates(item), able, strict=False)
        ]
        taken = {plan.machine.id for plan in found}
        rested = [machine for machine in rested if machine.id not in taken] if taken else rested
        chosen += found
    return chosen


def _plates(item: OpenJob) -> list[tuple[int | None, ...]]:
    """The free places in portions of the job's yield; the last portion is filled up with surplus."""
    size = item.job.yield_parts
    portions: list[tuple[int | None, ...]] = []
    for start in range(0, len(item.free_places), size):
        places = item.free_places[start : start + size]
        portions.append((*places, *(None for _ in range(size - len(places)))))
    return portions
