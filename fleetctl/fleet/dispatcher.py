"""Turns a situation into claims: plan, claim in one transaction, let the agent link carry the start.

It decides nothing itself: `scheduling` chooses, the claim's transaction verifies, the database has the last
word. One task; it wakes on committed events and when something it waits for may have changed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from fleetctl.clock import Clock
from fleetctl.errors import Conflict
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.claims import claim
from fleetctl.fleet.gate import Gate
from fleetctl.fleet.record import Record
from fleetctl.fleet.situation import read_situation
from fleetctl.fleet.woken import Woken
from fleetctl.model.run import Run
from fleetctl.preflight.rules import RULE_SET
from fleetctl.scheduling.assign import Assignment, assign
from fleetctl.scheduling.situation import Situation
from fleetctl.store import jobs

log = logging.getLogger(__name__)

PORTION = 4
"""Claims asked for at a time: two milliseconds each, so that whoever stands behind them waits no longer than ten."""

WAKES = ("job.", "machine.", "run.", "part.", "stop.", "agent.")
"""Kinds of events after which work may be able to start."""


class Dispatcher:
    """The controller's one dispatcher; `task` runs it. `stop_owed()`: a stop was pressed that is not stored yet."""

    def __init__(
        self, record: Record, agents: Agents, gate: Gate, clock: Clock, stop_owed: Callable[[], bool]
    ) -> None:
        self._record = record
        self._agents = agents
        self._gate = gate
        self._stop_owed = stop_owed
        self.task = Woken(WAKES, self.dispatch_once, clock)

    async def dispatch_once(self) -> list[Run]:
        """Look at the site once and claim what can start."""
        situation = await self._record.look(self._situation)
        if situation is None:
            return []
        if await self._gate.fill(situation):
            self.task.wake()
            return []
        claimed: list[Run] = []
        plans = assign(situation)
        for start in range(0, len(plans), PORTION):
            if self._stop_owed():
                break  # the event of its being stored wakes us again
            claimed += await self._claim_all(plans[start : start + PORTION])
        return claimed

    def _situation(self, conn: sa.Connection) -> Situation | None:
        """The site now; None when there is nothing to be made, so that nothing has to be decided."""
        if not jobs.any_unfinished(conn):
            return None
        return read_situation(conn, self._record.now_s(), self._agents.connected(), self._agents.leaving())

    async def _claim_all(self, plans: Sequence[Assignment]) -> list[Run]:
        """Each claim is a unit of its own, and they share one COMMIT. Raises what one raised, when all are done."""
        found = await asyncio.gather(*(self._claim(plan) for plan in plans), return_exceptions=True)
        for outcome in found:
            if isinstance(outcome, BaseException):
                raise outcome
        return [run for run in found if isinstance(run, Run)]

    async def _claim(self, plan: Assignment) -> Run | None:
        def unit(conn: sa.Connection, stamp: Stamp) -> Run:
            return claim(conn, plan, RULE_SET, stamp)

        try:
            run = await self._record.change("dispatcher", unit)
        except Conflict as error:
            log.info("claim of %s for %s lost: %s", plan.machine.name, plan.job.code, error)
            self.task.wake()
            return None
        self._agents.commands_waiting(plan.machine.agent)
        return run
