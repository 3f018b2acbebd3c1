"""`/api/v1/agents` and the page of agents: which process holds which machine, and what held one up (I9)."""

from __future__ import annotations

import msgspec
from aiohttp import web

from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes
from fleetctl.fleet.agent_shapes import AgentChoice, AgentShape
from fleetctl.fleet.shapes import MachineShape

routes = Routes("agents")


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that may get another agent."""

    machine: str = ""


@routes.route("GET", f"{API}/agents", permission=Permission.VIEW, answer=list[AgentShape])
async def agents(call: Call[None]) -> list[AgentShape]:
    """All agents: whether they answer, what they hold, and which driver held one up."""
    return await call.controller.agent_desk.agents()


@routes.route(
    "POST",
    f"{API}/machines/{{name}}/agent",
    permission=Permission.ADMIN,
    body=AgentChoice,
    answer=MachineShape,
)
async def give(call: Call[AgentChoice]) -> MachineShape:
    """Let another agent hold a machine: one of its own, or one by name; not during a run."""
    name = call.path["name"]
    await call.controller.agent_desk.give(name, call.body.agent, call.actor, call.body.version)
    return await call.controller.views.machine(name)


@routes.route("GET", "/agents", permission=Permission.VIEW)
async def page(call: Call[None]) -> web.Response:
    """Agents: which process holds which machine, is it well?"""
    agents = await call.controller.agent_desk.agents()
    name = call.ask(PageQuery).machine
    machine = (await call.controller.views.machine(name)).name if name else ""
    return await call.page("agents.html", agents=agents, machine=machine)
