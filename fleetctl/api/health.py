"""`/healthz`: whether the daemon answers and its store can be read."""

from __future__ import annotations

import msgspec

import fleetctl
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Routes

routes = Routes("health")


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`sequence` is the number of the last event; it grows while things happen."""

    status: str
    version: str
    sequence: int


@routes.route("GET", "/healthz", permission=Permission.PUBLIC, answer=Health)
async def healthz(call: Call[None]) -> Health:
    """Whether the daemon answers and its store can be read; 503 when it cannot."""
    return Health(status="ok", version=fleetctl.__version__, sequence=await call.controller.views.last_sequence())
