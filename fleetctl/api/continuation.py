"""`/api/v1/runs/{code}/continuation` and its page: an interrupted run is continued by a person, after a preview.

The page is one form in two steps that works without scripts: what is chosen is shown first, with the gate's word, and
only what was shown can be confirmed.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes
from fleetctl.errors import FleetctlError, NotFound, StoreError
from fleetctl.fleet.continuation_shapes import ContinuationOffer, ContinuationPreview, ContinuationRequest
from fleetctl.fleet.shapes import RunShape

routes = Routes("runs")

ONE = f"{API}/runs/{{code}}/continuation"

FIELDS = (
    *("line", "layer", "z_strategy", "z_mm", "z_homes_clear", "lift_mm", "prime_mm", "nozzle_degc", "bed_degc"),
    *("homed", "retract_z_mm", "plunge_feed_mm_min", "spindle_up_s"),
)
"""Parameters of *restart* that the page asks for, as its address carries them."""


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen; nothing yet: the form alone. `where` says which of `line` and `layer` counts."""

    where: str = ""
    line: str = ""
    layer: str = ""
    z_strategy: str = ""
    z_mm: str = ""
    z_homes_clear: str = ""
    lift_mm: str = ""
    prime_mm: str = ""
    nozzle_degc: str = ""
    bed_degc: str = ""
    homed: str = ""
    retract_z_mm: str = ""
    plunge_feed_mm_min: str = ""
    spindle_up_s: str = ""


def page_of(_call: Call[Any], run: RunShape) -> str:
    """The page of the new run."""
    return f"/runs/{run.code}"


@routes.route("GET", ONE, permission=Permission.VIEW, answer=ContinuationOffer)
async def offer(call: Call[None]) -> ContinuationOffer:
    """Where an interrupted run stopped, what is proposed for continuing it, and what stands in the way."""
    return await call.controller.continuing.offer(call.path["code"])


@routes.route(
    "POST", f"{ONE}/preview", permission=Permission.OPERATE, body=ContinuationRequest, answer=ContinuationPreview
)
async def preview(call: Call[ContinuationRequest]) -> ContinuationPreview:
    """What continuing would send, line by line with reasons, and the gate's word on it; nothing is stored."""
    return await call.controller.continuing.preview(call.path["code"], call.body.parameters)


@routes.route(
    "POST",
    ONE,
    permission=Permission.OPERATE,
    body=ContinuationRequest,
    answer=RunShape,
    status=HTTPStatus.CREATED,
    page=page_of,
)
async def confirm(call: Call[ContinuationRequest]) -> RunShape:
    """Continue an interrupted run by a new run, with what the preview named; a person stands at the machine."""
    return await call.controller.continuing.confirm(call.path["code"], call.body, call.actor)


@routes.route("GET", "/runs/{code}/continue", permission=Permission.VIEW)
async def page(call: Call[None]) -> web.Response:
    """Continue: where did it stop, where does it go on, and what is sent first?"""
    asked = call.ask(PageQuery)
    code = call.path["code"]
    offered = await call.controller.continuing.offer(code)
    chosen = parameters(asked)
    shown, problem = None, None
    if asked.where and not offered.refusal and call.visitor.may(Permission.OPERATE):
        try:
            shown = await call.controller.continuing.preview(code, chosen)
        except (NotFound, StoreError):
            raise
        except FleetctlError as error:
            problem = error
    hints = {each.name: each for each in offered.proposals}
    return await call.page(
        "continue.html", o=offered, hints=hints, asked=asked, chosen=chosen, shown=shown, problem=problem
    )


def parameters(asked: PageQuery) -> dict[str, str]:
    """The parameters of *restart* that the form carries; of line and layer only the one that was chosen."""
    left_out = {"line": "layer", "layer": "line"}.get(asked.where, "")
    given = {name: getattr(asked, name) for name in FIELDS if name != left_out}
    return {name: text for name, text in given.items() if text}
