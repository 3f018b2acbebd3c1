"""`/api/v1/runs`: executions of programs on machines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from fleetctl.api.permission import Permission
from fleetctl.api.reported import reported
from fleetctl.api.routing import API, Call, Routes, Seen
from fleetctl.errors import Conflict
from fleetctl.fleet.shapes import RunShape

routes = Routes("runs")

RUNS = f"{API}/runs"
ONE = f"{RUNS}/{{code}}"
LIMIT = 1000


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: of one job, of one machine, only active or only ended ones; newest first."""

    job: str | None = None
    machine: str | None = None
    active: bool | None = None
    limit: int = 100


async def seen(call: Call[Seen]) -> str:
    """The code of the run. Raises Conflict when it changed since the caller looked: a late tap does nothing."""
    code, version = call.path["code"], call.body.version
    if version is not None and version != (await call.controller.views.run(code)).version:
        raise Conflict(f"{code} changed meanwhile; look again before acting.")
    return code


async def act(call: Call[Seen], verb: Callable[[str, str], Awaitable[None]]) -> RunShape:
    """Do `verb(code, actor)` to the run, then answer with what its machine reported, if it reports soon."""
    code = await seen(call)
    before = await call.controller.views.run(code)

    async def moved() -> bool:
        now = await call.controller.views.run(code)
        return (now.state, now.started) != (before.state, before.started)

    async with reported(call, code, moved):
        await verb(code, call.actor)
    return await call.controller.views.run(code)


@routes.route("GET", RUNS, permission=Permission.VIEW, query=RunQuery, answer=list[RunShape])
async def runs(call: Call[None]) -> list[RunShape]:
    """Runs, newest first."""
    asked = call.ask(RunQuery)
    return await call.controller.views.runs(
        job=asked.job, machine=asked.machine, active=asked.active, limit=max(1, min(asked.limit, LIMIT))
    )


@routes.route("GET", ONE, permission=Permission.VIEW, answer=RunShape)
async def run(call: Call[None]) -> RunShape:
    """One run with its progress."""
    return await call.controller.views.run(call.path["code"])


@routes.route("POST", f"{ONE}/pause", permission=Permission.OPERATE, body=Seen, answer=RunShape)
async def pause(call: Call[Seen]) -> RunShape:
    """Hold motion in a controlled way."""
    return await act(call, call.controller.runs.pause)


@routes.route("POST", f"{ONE}/resume", permission=Permission.OPERATE, body=Seen, answer=RunShape)
async def resume(call: Call[Seen]) -> RunShape:
    """Go on after a pause."""
    return await act(call, call.controller.runs.resume)


@routes.route("POST", f"{ONE}/cancel", permission=Permission.OPERATE, body=Seen, answer=RunShape)
async def cancel(call: Call[Seen]) -> RunShape:
    """End a run in a controlled way, heaters and spindle off."""
    return await act(call, call.controller.runs.cancel)


@routes.route("POST", f"{ONE}/start", permission=Permission.OPERATE, body=Seen, answer=RunShape)
async def start(call: Call[Seen]) -> RunShape:
    """Cycle start: a person beside the machine lets the run begin (I14)."""
    return await act(call, call.controller.runs.cycle_start)
