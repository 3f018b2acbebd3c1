"""`/api/v1/machines`: the machines, and what a person may ask of one."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from fleetctl.api.permission import Permission
from fleetctl.api.reported import reported
from fleetctl.api.routing import API, Call, Empty, Routes, Seen
from fleetctl.errors import Conflict
from fleetctl.fleet.shapes import MachineShape, NewMachine, StopShape
from fleetctl.model.machine import Activity, Position, Service
from fleetctl.model.profile import Setup
from fleetctl.plugin.hookspecs import FoundPort

routes = Routes("machines")

MACHINES = f"{API}/machines"
ONE = f"{MACHINES}/{{name}}"


class ClearRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The bed or vise is clear. `bad`: codes of parts that are scrap. `good`: how many are good, if counted.

    Without `good` the other parts are left to their checks. `version` is the machine's version that was seen.
    """

    good: int | None = None
    bad: tuple[str, ...] = ()
    version: int | None = None


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One line for the machine, in its own language."""

    text: str


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine said."""

    lines: tuple[str, ...]


class ServiceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Whether people let the machine work."""

    service: Service = Service.IN_SERVICE
    version: int | None = None


class UnattendedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Whether runs start without cycle start by a person (I14); the name of who says so goes on record."""

    on: bool
    version: int | None = None


class PortRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Where the machine is plugged in now. `options` are changed one by one; an empty text takes one away."""

    port: str = ""
    options: dict[str, str] = {}
    version: int | None = None


class SetupRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is on the machine now; replaces what was there."""

    setup: Setup
    version: int | None = None


def page_of(_call: Call[Any], machine: MachineShape) -> str:
    """The page of a machine."""
    return f"/machines/{machine.name}"


async def seen(call: Call[Any]) -> str:
    """The name of the machine. Raises Conflict when it changed since the caller looked: a late tap does nothing."""
    name, version = call.path["name"], call.body.version
    if version is not None and version != (await call.controller.views.machine(name)).version:
        raise Conflict("The machine changed meanwhile; look again before acting.", machine=name)
    return name


async def shows(call: Call[Any], what: Callable[[MachineShape], bool]) -> bool:
    """Whether the machine is now as `what` says."""
    return what(await call.controller.views.machine(call.path["name"]))


@routes.route("GET", MACHINES, permission=Permission.VIEW, answer=list[MachineShape])
async def machines(call: Call[None]) -> list[MachineShape]:
    """Every machine as it is now."""
    return await call.controller.views.machines()


@routes.route(
    "POST",
    MACHINES,
    permission=Permission.ADMIN,
    body=NewMachine,
    answer=MachineShape,
    status=HTTPStatus.CREATED,
    page=page_of,
)
async def add(call: Call[NewMachine]) -> MachineShape:
    """Add a machine."""
    return await call.controller.machines.add(call.body, call.actor)


@routes.route("GET", f"{MACHINES}/discover", permission=Permission.OPERATE, answer=list[FoundPort])
async def discover(call: Call[None]) -> list[FoundPort]:
    """Ports where a machine may answer; opens nothing, moves nothing."""
    return await call.controller.discovery.ports()


@routes.route("GET", ONE, permission=Permission.VIEW, answer=MachineShape)
async def machine(call: Call[None]) -> MachineShape:
    """One machine as it is now."""
    return await call.controller.views.machine(call.path["name"])


@routes.route("DELETE", ONE, permission=Permission.ADMIN, answer=Empty)
async def remove(call: Call[None]) -> None:
    """Remove a machine that never ran; one that runs on record name can only be locked out."""
    await call.controller.machines.remove(call.path["name"], call.actor)


@routes.route(
    "POST",
    f"{ONE}/remove",
    permission=Permission.ADMIN,
    body=Seen,
    answer=Empty,
    page=lambda _call, _answer: "/",
)
async def remove_by_form(call: Call[Seen]) -> None:
    """Remove a machine; the same as DELETE, for forms."""
    await call.controller.machines.remove(await seen(call), call.actor)


@routes.route("POST", f"{ONE}/clear", permission=Permission.OPERATE, body=ClearRequest, answer=MachineShape)
async def clear(call: Call[ClearRequest]) -> MachineShape:
    """Confirm that bed or vise is clear, and say what became of the parts."""
    asked, name = call.body, call.path["name"]
    await call.controller.machines.clear(name, asked.good, asked.bad, call.actor, asked.version)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/reset", permission=Permission.OPERATE, body=Seen, answer=MachineShape)
async def reset(call: Call[Seen]) -> MachineShape:
    """Clear a fault; the machine may lose its position by it."""
    name = await seen(call)
    async with reported(call, name, lambda: shows(call, lambda machine: machine.activity != Activity.FAULT)):
        await call.controller.machines.reset(name, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/home", permission=Permission.OPERATE, body=Seen, answer=MachineShape)
async def home(call: Call[Seen]) -> MachineShape:
    """Home all axes; the machine moves."""
    name = await seen(call)
    async with reported(call, name, lambda: shows(call, lambda machine: machine.position == Position.KNOWN)):
        await call.controller.machines.home(name, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/trust-position", permission=Permission.OPERATE, body=Seen, answer=MachineShape)
async def trust_position(call: Call[Seen]) -> MachineShape:
    """Vouch for where the tool is, in place of homing, for a machine that cannot home; nothing moves."""
    name = await seen(call)
    async with reported(call, name, lambda: shows(call, lambda machine: machine.position == Position.KNOWN)):
        await call.controller.machines.trust_position(name, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/confirm-board", permission=Permission.OPERATE, body=Seen, answer=MachineShape)
async def confirm_board(call: Call[Seen]) -> MachineShape:
    """Say that the board which answered belongs to this machine; it connects, and nothing moves."""
    name = await seen(call)
    await call.controller.machines.confirm_board(name, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/reconnect", permission=Permission.OPERATE, body=Seen, answer=MachineShape)
async def reconnect(call: Call[Seen]) -> MachineShape:
    """Open the link again; nothing moves."""
    name = await seen(call)
    await call.controller.machines.reconnect(name, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/command", permission=Permission.OPERATE, body=CommandRequest, answer=CommandAnswer)
async def command(call: Call[CommandRequest]) -> CommandAnswer | web.Response:
    """Send one line to the machine, outside a run, and give what it said."""
    name = call.path["name"]
    lines = await call.controller.machines.command(name, call.body.text, call.actor)
    if call.wants_page:
        return await call.page("console.html", machine=name, text=call.body.text, lines=lines)
    return CommandAnswer(lines=tuple(lines))


@routes.route("POST", f"{ONE}/service", permission=Permission.OPERATE, body=ServiceRequest, answer=MachineShape)
async def service(call: Call[ServiceRequest]) -> MachineShape:
    """Put a machine in service, in maintenance, or lock it out."""
    name = await seen(call)
    await call.controller.machines.set_service(name, call.body.service, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/unattended", permission=Permission.ADMIN, body=UnattendedRequest, answer=MachineShape)
async def unattended(call: Call[UnattendedRequest]) -> MachineShape:
    """Let runs start without cycle start, or end that."""
    name = await seen(call)
    await call.controller.machines.set_unattended(name, call.body.on, call.actor)
    return await call.controller.views.machine(name)


@routes.route("POST", f"{ONE}/port", permission=Permission.ADMIN, body=PortRequest, answer=MachineShape)
async def port(call: Call[PortRequest]) -> MachineShape:
    """Say where a machine is plugged in now, or set its port up in another way; it connects there, nothing moves."""
    name = await seen(call)
    return await call.controller.machines.set_port(name, call.body.port, call.body.options, call.actor)


@routes.route("POST", f"{ONE}/setup", permission=Permission.OPERATE, body=SetupRequest, answer=MachineShape)
async def setup(call: Call[SetupRequest]) -> MachineShape:
    """Say what is on the machine now; passes of the preflight gate for the old set-up become void."""
    name = await seen(call)
    await call.controller.machines.set_setup(name, call.body.setup, call.actor)
    return await call.controller.views.machine(name)


@routes.route(
    "POST",
    f"{ONE}/stop",
    permission=Permission.SUBMIT,
    body=Seen,
    answer=StopShape,
    page=lambda call, _answer: f"/machines/{call.path['name']}",
)
async def stop(call: Call[Seen]) -> StopShape:
    """Stop one machine now. A software stop, not a safety-rated emergency stop."""
    return await call.controller.stop.machine(call.path["name"], call.actor)
