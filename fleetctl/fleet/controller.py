"""The controller: a plain record of the parts that the outside calls, and the tasks that run while it lives."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.agent_desk import AgentDesk
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.bus import Bus
from fleetctl.fleet.changes import Stamp, facts_to, log_event
from fleetctl.fleet.checks import Checks
from fleetctl.fleet.continuing import Continuing
from fleetctl.fleet.discovery import Discovery
from fleetctl.fleet.dispatcher import Dispatcher
from fleetctl.fleet.intake import Intake
from fleetctl.fleet.jobs import Jobs
from fleetctl.fleet.jogging import Jogging
from fleetctl.fleet.machines import Machines
from fleetctl.fleet.operating import Operating
from fleetctl.fleet.panel import Panels
from fleetctl.fleet.parts import Parts
from fleetctl.fleet.paths import Paths
from fleetctl.fleet.record import Record
from fleetctl.fleet.renewal import Renewal
from fleetctl.fleet.runs import Runs
from fleetctl.fleet.stop import StopButton
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.tokens import Tokens
from fleetctl.fleet.transforming import Transforming
from fleetctl.fleet.views import Views
from fleetctl.fleet.woken import RETRY_S
from fleetctl.model.machine import Link
from fleetctl.store import machines

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Controller:
    """Everything the API, the pages and the simulation call; built by `fleetctl.app`."""

    record: Record
    agents: Agents
    bus: Bus
    telemetry: Telemetry
    intake: Intake
    transforming: Transforming
    continuing: Continuing
    paths: Paths
    machines: Machines
    panels: Panels
    agent_desk: AgentDesk
    operating: Operating
    jogging: Jogging
    discovery: Discovery
    runs: Runs
    jobs: Jobs
    parts: Parts
    stop: StopButton
    views: Views
    tokens: Tokens
    dispatcher: Dispatcher
    checks: Checks
    renewal: Renewal

    async def run(self) -> None:
        """Drive the site until cancelled: hold the agents, dispatch, assess."""
        self.bus.listen(self.dispatcher.task.heard)
        self.bus.listen(self.checks.task.heard)
        self.bus.listen(self.agents.heard)
        await self._begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.agents.run(), name="agents")
            group.create_task(self.stop.run(), name="stop button")
            group.create_task(self.dispatcher.task.run(), name="dispatcher")
            group.create_task(self.checks.task.run(), name="checks")
            group.create_task(self.renewal.run(), name="renewal of facts")

    async def _begin(self) -> None:
        """Wait for the store, if need be: without it nothing starts, and the web interface can say so."""
        while True:
            try:
                for agent in await self.record.change("site", _started):
                    self.agents.ensure(agent)
            except StoreUnavailable as error:
                log.error("the site waits for the store: %s", error)
                await asyncio.sleep(RETRY_S)
            else:
                return


def _started(conn: sa.Connection, stamp: Stamp) -> list[str]:
    """Nobody sees any machine until its agent has reported: what the last life recorded may be stale. Gives the
    agents that hold machines."""
    for machine in machines.every(conn):
        unseen = msgspec.structs.replace(machine.facts, link=Link.OFFLINE, reason="the agent has not answered yet")
        facts_to(conn, machine, unseen, stamp)
    log_event(conn, stamp, "site.started", "site")
    return sorted({machine.agent for machine in machines.every(conn)})
