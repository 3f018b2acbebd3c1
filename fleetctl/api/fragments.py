"""`/live` and `/fragments`: what changed, and the parts of pages that show it, drawn again by the same templates.

A fragment is named by its kind and what it shows, such as `card/K3` or `todo`; a page asks for several at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from fleetctl.api.grouping import groups
from fleetctl.api.operate import operate_context, probe_context
from fleetctl.api.pages import ended, job_context, machine_context, part_context, run_context
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Routes
from fleetctl.api.templating import html_response
from fleetctl.errors import NotFound
from fleetctl.fleet.shapes import FloorShape

routes = Routes("fragments")

LIMIT = 200

Context = dict[str, Any]
Loader = Callable[[Call[None], str, FloorShape], Awaitable[Context]]


async def _nothing(_call: Call[None], _subject: str, _floor: FloorShape) -> Context:
    return {}


async def _machine_on_floor(_call: Call[None], subject: str, floor: FloorShape) -> Context:
    machine = next((machine for machine in floor.machines if machine.name == subject), None)
    if machine is None:
        raise NotFound(f"There is no machine {subject!r}.")
    return {"m": machine}


async def _group(_call: Call[None], subject: str, floor: FloorShape) -> Context:
    group = next((group for group in groups(floor.machines) if group.name == subject), None)
    if group is None:
        raise NotFound(f"There is no group {subject!r}.")
    return {"group": group}


async def _queue(call: Call[None], _subject: str, _floor: FloorShape) -> Context:
    jobs = await call.controller.views.queue()
    return {"waiting": [job for job in jobs if not ended(job)], "done": [job for job in jobs if ended(job)]}


async def _machine(call: Call[None], subject: str, _floor: FloorShape) -> Context:
    return await machine_context(call, subject)


async def _operate(call: Call[None], subject: str, _floor: FloorShape) -> Context:
    return await operate_context(call, subject)


async def _operate_probe(call: Call[None], subject: str, _floor: FloorShape) -> Context:
    return await probe_context(call, subject)


async def _job(call: Call[None], subject: str, _floor: FloorShape) -> Context:
    return await job_context(call, subject)


async def _run(call: Call[None], subject: str, _floor: FloorShape) -> Context:
    return await run_context(call, subject)


async def _part(call: Call[None], subject: str, _floor: FloorShape) -> Context:
    return await part_context(call, subject)


KINDS: dict[str, tuple[str, Loader]] = {
    "stop": ("_stop.html", _nothing),
    "stopped": ("_stopped.html", _nothing),
    "nav": ("_nav.html", _nothing),
    "tabs": ("_tabs.html", _nothing),
    "status": ("_status.html", _nothing),
    "needs": ("_needs.html", _nothing),
    "todo": ("_todo.html", _nothing),
    "outcomes": ("_outcomes.html", _nothing),
    "group": ("_group.html", _group),
    "card": ("_card.html", _machine_on_floor),
    "row": ("_row.html", _machine_on_floor),
    "tile": ("_tile.html", _machine_on_floor),
    "queue": ("_queue.html", _queue),
    "machine": ("_machine.html", _machine),
    "operate-head": ("_operate_head.html", _operate),
    "operate-move": ("_operate_move.html", _operate),
    "operate-heat": ("_operate_heat.html", _operate),
    "operate-speed": ("_operate_speed.html", _operate),
    "operate-offsets": ("_operate_offsets.html", _operate),
    "operate-probe": ("_operate_probe.html", _operate_probe),
    "operate-macros": ("_operate_macros.html", _operate),
    "job": ("_job.html", _job),
    "run": ("_run.html", _run),
    "part": ("_part.html", _part),
}
"""By kind: the template, and what fetches the rest of its context."""


@routes.route("GET", "/fragments", permission=Permission.VIEW)
async def fragments(call: Call[None]) -> web.Response:
    """The fragments named by `f` (up to 200), one after the other; those that are gone are left out."""
    floor = await call.controller.views.floor()
    drawn = []
    for name in call.request.query.getall("f", [])[:LIMIT]:
        kind, _, subject = name.partition("/")
        if kind not in KINDS:
            raise NotFound(f"There is no fragment {kind!r}.")
        template, load = KINDS[kind]
        try:
            context = await load(call, subject, floor)
        except NotFound:
            continue
        frame = {"floor": floor, "visitor": call.visitor, "here": call.request.query.get("here", "/")}
        drawn.append(call.site.templates.render(template, **frame, **context))
    return html_response("\n".join(drawn))


@routes.route("GET", "/live", permission=Permission.VIEW)
async def feed(call: Call[None]) -> web.StreamResponse:
    """What changed, for open pages."""
    return await call.site.streams.answer(call.request, call.site.hub.frames())
