"""What people see of agents and do with them: who holds which machine, what holds one up, another one for it.

It must not know how agents are started; `Agents` holds their links.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict, FleetctlError
from fleetctl.fleet.agent_shapes import AgentShape
from fleetctl.fleet.agents import Agents, agent_of
from fleetctl.fleet.changes import Stamp, check_seen, facts_to, log_event
from fleetctl.fleet.link import AgentLink
from fleetctl.fleet.record import Record
from fleetctl.model.machine import Link
from fleetctl.store import machines, runs

MAKE_SAFE = "make-safe"


class AgentDesk:
    """Reads of agents, and the giving of a machine to another one. `stuck(name)` is what the watchdog wrote."""

    def __init__(self, record: Record, agents: Agents, stuck: Callable[[str], str]) -> None:
        self._record = record
        self._agents = agents
        self._stuck = stuck

    async def agents(self) -> list[AgentShape]:
        """All agents, the first one first."""
        held: dict[str, list[str]] = {}
        for machine in await self._record.look(machines.every):
            held.setdefault(machine.agent, []).append(machine.name)
        return [self._shape(link, held.get(link.name, [])) for link in self._agents.links()]

    def _shape(self, link: AgentLink, held: list[str]) -> AgentShape:
        welcome = link.welcome
        return AgentShape(
            name=link.name,
            connected=link.connected,
            leaving=link.connected and link.leaving,
            version=welcome.version if welcome is not None else "",
            pid=welcome.pid if welcome is not None and link.connected else 0,
            machines=tuple(held),
            stuck=self._stuck(link.name),
            blocked=tuple(link.blocked),
        )

    async def give(self, name: str, choice: str, actor: str, seen: int | None = None) -> str:
        """Let another agent hold a machine; gives the agent's name. Heat and spindle go off first, for the new agent
        knows nothing of what the machine did before.

        Raises NotFound, UsageError, Conflict during a run, and what `make-safe` raises on a machine that is online.
        """
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        check_seen(machine.name, machine.version, seen)
        agent = agent_of(choice, name, self._agents.names[0])
        if agent == machine.agent:
            return agent
        await self._record.look(lambda conn: _refuse_during_a_run(conn, machine.id, name))
        if machine.facts.link is Link.ONLINE and machine.agent in self._agents.connected():
            await self._make_safe(name)
        self._agents.ensure(agent)

        def unit(conn: sa.Connection, stamp: Stamp) -> bool:
            now = machines.named(conn, name)
            _refuse_during_a_run(conn, now.id, name)
            machines.set_holder(conn, now, agent)
            facts = msgspec.structs.replace(
                now.facts, link=Link.OFFLINE, reason=f"agent {agent} has not answered yet"
            )
            facts_to(conn, machines.get(conn, now.id), facts, stamp)
            log_event(conn, stamp, "machine.given", name, agent=agent, before=now.agent)
            return any(other.agent == now.agent for other in machines.every(conn))

        try:
            needed = await self._record.change(actor, unit)
        except FleetctlError:
            await self._dismiss_if_idle(agent)
            raise
        # First the old agent lets go of the port, then the new one opens it.
        self._agents.assignments_changed(machine.agent)
        self._agents.assignments_changed(agent)
        if not needed:
            self._agents.dismiss(machine.agent)
        return agent

    async def _make_safe(self, name: str) -> None:
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        stamp = self._record.stamp("agents")
        await self._agents.verb(machine, MAKE_SAFE, stamp.new_id(), now_s=stamp.at_s)

    async def _dismiss_if_idle(self, agent: str) -> None:
        if not any(each.agent == agent for each in await self._record.look(machines.every)):
            self._agents.dismiss(agent)


def _refuse_during_a_run(conn: sa.Connection, machine_id: str, name: str) -> None:
    if runs.find(conn, machine_id=machine_id, active_only=True):
        raise Conflict(f"{name} has an active run; it can change its agent when the run has ended.", machine=name)
