"""A person confirms that bed or vise is clear, and says what became of the parts that lay there (I3).

- after a finished run: `good` counts the good ones when the person assessed them; without a count the parts
  are left to the checks. Part codes in `bad` are scrap in any case.
- after an interrupted run: clearing settles it. `good` of its parts are good, the rest is scrap and is made
  again; without a count all of it is scrap.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict, UsageError
from fleetctl.fleet.changes import Stamp, facts_to, log_event
from fleetctl.fleet.parts import judge
from fleetctl.fleet.situation import last_run
from fleetctl.model.machine import Clearance, Machine
from fleetctl.model.part import Part, PartState, Result
from fleetctl.model.run import Run, RunState
from fleetctl.plugin.hookspecs import CheckResult
from fleetctl.store import parts, runs


def clear_machine(conn: sa.Connection, machine: Machine, good: int | None, bad: frozenset[str], stamp: Stamp) -> None:
    """Make a machine clear. Raises Conflict while a run is active, UsageError when the count cannot be."""
    if runs.find(conn, machine_id=machine.id, active_only=True):
        raise Conflict(f"{machine.name} has an active run; it cannot be clear.", machine=machine.name)
    settling = _runs_to_settle(conn, machine)
    _refuse_strangers(conn, machine, settling, bad)
    for run in settling:
        _settle(conn, run, good, bad, stamp)
    if machine.facts.clearance is not Clearance.CLEAR:
        facts_to(conn, machine, msgspec.structs.replace(machine.facts, clearance=Clearance.CLEAR), stamp)
        log_event(conn, stamp, "machine.cleared", machine.name, good=good)


def _refuse_strangers(conn: sa.Connection, machine: Machine, settling: list[Run], bad: frozenset[str]) -> None:
    """A mistyped code must not leave the bad part among the good ones."""
    lying = sorted(part.code for run in settling for part in parts.of_run(conn, run.id))
    strangers = sorted(bad - set(lying))
    if strangers:
        there = f"on it: {', '.join(lying)}" if lying else "no part of a run is on it"
        raise Conflict(f"{', '.join(strangers)} does not lie on {machine.name}; {there}.", machine=machine.name)


def _runs_to_settle(conn: sa.Connection, machine: Machine) -> list[Run]:
    """Interrupted runs nobody has dealt with, and the last run while its parts still lie there."""
    found = [run for run in runs.unsettled(conn) if run.machine_id == machine.id]
    newest = last_run(conn, machine.id)
    on_the_bed = machine.facts.clearance is Clearance.UNCLEARED
    if newest is not None and on_the_bed and newest.state is RunState.FINISHED and newest not in found:
        found.append(newest)
    return found


def _settle(conn: sa.Connection, run: Run, good: int | None, bad: frozenset[str], stamp: Stamp) -> None:
    lying = parts.of_run(conn, run.id)
    interrupted = run.state is RunState.INTERRUPTED
    undecided = [part for part in lying if part.code not in bad and part.state in (PartState.MADE, PartState.HOLD)]
    wanted = 0 if good is None and interrupted else good
    passing = _passing(lying, undecided, wanted)
    for part in lying:
        if part.code in bad and part.state not in (PartState.SCRAP, PartState.UNMADE):
            _say(conn, part, Result.FAIL, stamp)
    for part in undecided:
        if wanted is not None:
            _say(conn, part, Result.PASS if part in passing else Result.FAIL, stamp)
    if interrupted:
        runs.change(conn, run, settled=True)
        log_event(conn, stamp, "run.settled", run.code, good=len(passing))


def _passing(lying: list[Part], undecided: list[Part], wanted: int | None) -> list[Part]:
    """The parts that the person's count makes good: those already good count, the rest in the plate's order."""
    if wanted is None:
        return []
    already = sum(part.state in (PartState.GOOD, PartState.DELIVERED) for part in lying)
    if not 0 <= wanted <= len(lying):
        there = "There is 1 part" if len(lying) == 1 else f"There are {len(lying)} parts"
        raise UsageError(f"{there}; {wanted} cannot be good.")
    return undecided[: max(0, wanted - already)]


def _say(conn: sa.Connection, part: Part, result: Result, stamp: Stamp) -> None:
    judge(
        conn, part, CheckResult(check="person", result=result, reason="counted when the machine was cleared"), stamp
    )
