"""Has every part that was just made assessed, and lets the rule decide what follows (I7).

Crash-safe because it asks the record what is left to do: parts that are made and have no result. One that no
check has an opinion of stays made until a person assesses it.
"""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.clock import Clock
from fleetctl.fleet.changes import Stamp, log_event, part_to, settle_places
from fleetctl.fleet.hooks import HookFailed, Hooks
from fleetctl.fleet.record import Record
from fleetctl.fleet.woken import Woken
from fleetctl.model.part import Part, PartState, Result
from fleetctl.plugin.hookspecs import CheckResult, PartToCheck
from fleetctl.quality.verdict import state_after_checks
from fleetctl.store import machines, parts, programs, runs

HOOK = "fleetctl_check_part"
ACTOR = "checks"


class Checks:
    """The controller's one assessor of parts; `task` runs it."""

    def __init__(self, record: Record, hooks: Hooks, clock: Clock) -> None:
        self._record = record
        self._hooks = hooks
        self._asked: set[str] = set()
        self.task = Woken(("part.made",), self.assess_all, clock)

    async def assess_all(self) -> None:
        """Assess every part that is made and that no check has been asked about since the start."""
        for question in await self._record.look(self._unassessed):
            self._asked.add(question.part_id)
            results = await self._ask(question)
            if results:
                await self._record.change(
                    ACTOR,
                    lambda conn, stamp, about=question, given=results: record_results(conn, about, given, stamp),  # type: ignore[misc]
                )

    def _unassessed(self, conn: sa.Connection) -> list[PartToCheck]:
        made = [part for part in parts.in_states(conn, [PartState.MADE]) if part.id not in self._asked]
        given = parts.results_of(conn, [part.id for part in made])
        return [_question(conn, part) for part in made if not given[part.id]]

    async def _ask(self, question: PartToCheck) -> list[CheckResult]:
        results: list[CheckResult] = []
        for name, implementation in self._hooks.named(HOOK):
            try:
                answer = await self._hooks.call(HOOK, name, implementation, part=question)
            except HookFailed as error:
                answer = CheckResult(check=name, result=Result.NOT_ASSESSED, reason=error.message)
            if isinstance(answer, CheckResult):
                results.append(answer)
        return results


def _question(conn: sa.Connection, part: Part) -> PartToCheck:
    run = runs.get(conn, part.run_id)
    machine = machines.get(conn, run.machine_id)
    return PartToCheck(
        part_id=part.id,
        part_code=part.code,
        run_id=run.id,
        machine=machine.name,
        ordinal=part.ordinal,
        program_sha256=run.program_sha256,
        program_name=programs.get(conn, run.program_sha256).name,
        machine_options=machine.options,
    )


def record_results(conn: sa.Connection, question: PartToCheck, given: list[CheckResult], stamp: Stamp) -> None:
    """Put results on record and move the part by the rule; nothing if a person was faster."""
    part = parts.coded(conn, question.part_code)
    if part.state is not PartState.MADE or parts.results_of(conn, [part.id])[part.id]:
        return
    for result in given:
        add_result(conn, part, result, stamp)
    following = state_after_checks([result.result for result in given])
    if following is not part.state:
        reasons = "; ".join(result.reason for result in given if result.reason)
        part_to(conn, part, following, stamp, reasons)
    settle_places(conn, part.job_id, stamp)


def add_result(conn: sa.Connection, part: Part, result: CheckResult, stamp: Stamp) -> None:
    """Put one result on record, with its event."""
    parts.add_result(
        conn,
        parts.GivenResult(
            id=stamp.new_id(),
            part_id=part.id,
            check_name=result.check,
            result=result.result,
            reason=result.reason,
            characteristic=result.characteristic,
            value=result.value,
            least=result.least,
            greatest=result.greatest,
            unit=result.unit,
            given_by=stamp.actor,
            at_s=stamp.at_s,
        ),
    )
    log_event(
        conn,
        stamp,
        "part.result",
        part.code,
        check=result.check,
        result=result.result.value,
        reason=result.reason,
        value=result.value,
    )
