"""`/api/v1/parts`: physical pieces, the results people give, and what is decided for a piece."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes
from fleetctl.fleet.shapes import PartShape
from fleetctl.model.part import Disposition, Result

routes = Routes("parts")

PARTS = f"{API}/parts"
ONE = f"{PARTS}/{{code}}"
LIMIT = 5000


class PartQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which parts: of one job or one run, in code order after the code `after`."""

    job: str | None = None
    run: str | None = None
    limit: int = 1000
    after: str | None = None


class InspectRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a person found. `value` is in the unit of the characteristic; `version` is the part's, as seen."""

    result: Result
    reason: str = ""
    value: float | None = None
    characteristic: str = ""
    version: int | None = None


class DisposeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided, and why; `version` is the part's, as seen."""

    disposition: Disposition
    reason: str = ""
    version: int | None = None


@routes.route("GET", PARTS, permission=Permission.VIEW, query=PartQuery, answer=list[PartShape])
async def parts(call: Call[None]) -> list[PartShape]:
    """Parts in the order of their codes."""
    asked = call.ask(PartQuery)
    return await call.controller.views.parts(
        job=asked.job, run=asked.run, limit=max(1, min(asked.limit, LIMIT)), after=asked.after
    )


@routes.route("GET", ONE, permission=Permission.VIEW, answer=PartShape)
async def part(call: Call[None]) -> PartShape:
    """One part with every result given for it."""
    return await call.controller.views.part(call.path["code"])


@routes.route(
    "POST",
    f"{ONE}/inspections",
    permission=Permission.OPERATE,
    body=InspectRequest,
    answer=PartShape,
    status=HTTPStatus.CREATED,
)
async def inspect(call: Call[InspectRequest]) -> PartShape:
    """Give a person's result for a part."""
    asked = call.body
    return await call.controller.parts.inspect(
        call.path["code"],
        asked.result,
        asked.reason,
        call.actor,
        value=asked.value,
        characteristic=asked.characteristic,
        seen=asked.version,
    )


@routes.route("POST", f"{ONE}/disposition", permission=Permission.OPERATE, body=DisposeRequest, answer=PartShape)
async def dispose(call: Call[DisposeRequest]) -> PartShape:
    """Decide what becomes of a part."""
    asked = call.body
    return await call.controller.parts.dispose(
        call.path["code"], asked.disposition, asked.reason, call.actor, asked.version
    )
