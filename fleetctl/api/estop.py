"""`/api/v1/estop`: stop everything, see how each machine took it, and release the stop (I15)."""

from __future__ import annotations

from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes, Seen
from fleetctl.fleet.shapes import StopShape

routes = Routes("estop")

ESTOP = f"{API}/estop"


@routes.route("GET", ESTOP, permission=Permission.VIEW, answer=StopShape)
async def state(call: Call[None]) -> StopShape:
    """Whether everything is stopped, and how each machine took it."""
    return await call.controller.views.stop()


@routes.route("POST", ESTOP, permission=Permission.SUBMIT, answer=StopShape, page=lambda _call, _answer: "/stop")
async def press(call: Call[None]) -> StopShape:
    """Stop every machine and keep all stopped until released. Not a safety-rated emergency stop."""
    return await call.controller.stop.everything(call.actor)


@routes.route("DELETE", ESTOP, permission=Permission.OPERATE, answer=StopShape)
async def release(call: Call[None]) -> StopShape:
    """Release the stop: runs may start again where a machine is ready."""
    return await call.controller.stop.release(call.actor)


@routes.route("POST", f"{ESTOP}/release", permission=Permission.OPERATE, body=Seen, answer=StopShape)
async def release_by_form(call: Call[Seen]) -> StopShape:
    """Release the stop; the same as DELETE, for forms."""
    return await call.controller.stop.release(call.actor)
