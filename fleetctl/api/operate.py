"""`/machines/{name}/operate`: the operator panel. Its forms go to the API's own routes."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from fleetctl.api import hand
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Routes
from fleetctl.api.security import check_permission
from fleetctl.errors import FleetctlError
from fleetctl.fleet.shapes import WorkOffsetsShape
from fleetctl.model.deeds import AxisName
from fleetctl.model.messages import CaptureState, ConsoleLines

routes = Routes("operate")


class OperateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`offsets=read`: ask the machine for its work offsets too."""

    offsets: str = ""


@routes.route("GET", "/machines/{name}/operate", permission=Permission.VIEW)
async def operate(call: Call[None]) -> web.Response:
    """Operate: move it, heat it, talk to it."""
    name = call.path["name"]
    panels = call.controller.panels
    stored = await _stored_offsets(call, name) if call.ask(OperateQuery).offsets == "read" else None
    columns = await panels.temperatures(name)
    lines, capture = await _of_the_agent(call, name)
    return await call.page(
        "operate.html",
        **await probe_context(call, name),
        heaters=list(columns.heaters),
        rows=hand.rows(columns),
        console=lines.entries,
        capture=capture,
        stored=stored,
    )


class ProbeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The probe that a person thinks of."""

    axis: AxisName = "Z"
    direction: int = -1
    distance_mm: float
    feed_mm_s: float


@routes.route("GET", "/machines/{name}/operate/probe", permission=Permission.OPERATE)
async def confirm_probe(call: Call[None]) -> web.Response:
    """Say what a probe would do, and what can go wrong, before a person starts it."""
    asked = call.ask(ProbeQuery)
    hand.check_probe(asked.axis, asked.direction, asked.distance_mm, asked.feed_mm_s)
    return await call.page("probe.html", asked=asked, **await operate_context(call, call.path["name"]))


async def operate_context(call: Call[None], name: str) -> dict[str, Any]:
    """What each part of the panel shows."""
    return {"m": await call.controller.views.machine(name), "panel": await call.controller.panels.panel(name)}


async def probe_context(call: Call[None], name: str) -> dict[str, Any]:
    """The same, and what probes found, for the parts that show it."""
    shown = await operate_context(call, name)
    probes = await call.controller.operating.measurements(name) if "probe" in shown["m"].can else ()
    return {**shown, "probes": probes}


async def _stored_offsets(call: Call[None], name: str) -> WorkOffsetsShape | str:
    """What the machine has stored, or the sentence why it does not say."""
    check_permission(call.visitor, Permission.OPERATE)
    try:
        return await call.controller.operating.work_offsets(name)
    except FleetctlError as error:
        return str(error)


async def _of_the_agent(call: Call[None], name: str) -> tuple[ConsoleLines, CaptureState]:
    """Console and capture; nothing of them while the agent does not answer, which the page says anyway."""
    if not call.visitor.may(Permission.OPERATE):
        return ConsoleLines(), CaptureState()
    panels = call.controller.panels
    try:
        return await panels.console(name), await panels.capture(name)
    except FleetctlError:
        return ConsoleLines(), CaptureState()
