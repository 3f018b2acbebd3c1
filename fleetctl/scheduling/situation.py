"""What a scheduling decision is made from: one moment of the whole site, as plain values."""

from __future__ import annotations

import msgspec

from fleetctl.model.job import Job, Tally
from fleetctl.model.machine import Machine
from fleetctl.model.run import Run


class OpenJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is not done, its tally, and the places that no live part holds, in order.

    `unassessed` counts its parts that were made a while ago and that no check has an opinion of.
    """

    job: Job
    tally: Tally
    free_places: tuple[int, ...]
    unassessed: int = 0


class Fit(msgspec.Struct, frozen=True):
    """What the preflight gate said of one program on one configuration; `obstacle` is its first error.

    `other_kind` says that the program is written for another kind of machine; then that is the obstacle.
    """

    passed: bool
    obstacle: str = ""
    other_kind: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of the site.

    `active` and `unsettled` are by machine id; `to_clear` counts the parts that lie on a machine; `fits` is by
    (program hash, configuration hash); `blocked` are (machine id, program hash) after repeated failures;
    `agents` are those that answer now. `version` is the number of the last event it includes.
    """

    version: int
    now_s: float
    stopped: bool
    stopped_by: str
    jobs: tuple[OpenJob, ...]
    machines: tuple[Machine, ...]
    active: dict[str, Run]
    unsettled: dict[str, Run]
    to_clear: dict[str, int]
    fits: dict[tuple[str, str], Fit]
    blocked: frozenset[tuple[str, str]]
    agents: frozenset[str]
    leaving: frozenset[str] = frozenset()
    """Agents that answer and are about to end: they finish what they have in hand and take nothing new."""

    def machine(self, machine_id: str) -> Machine | None:
        """The machine with this id, if it is on record."""
        return next((machine for machine in self.machines if machine.id == machine_id), None)
