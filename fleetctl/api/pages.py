"""The pages. Each reads the controller's views and hands them to a template; forms go to the API's own routes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from fleetctl.api.grouping import chosen_view, groups, matching
from fleetctl.api.permission import Permission
from fleetctl.api.routing import Call, Routes
from fleetctl.api.templating import raw
from fleetctl.errors import NotFound
from fleetctl.fleet.shapes import JobShape
from fleetctl.model.profile import PROFILES

routes = Routes("pages")

PARTS_SHOWN = 1000


class FloorQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`view`: cards, dense or wall; `group` and `q` leave out what does not match."""

    view: str = ""
    group: str = ""
    q: str = ""


@routes.route("GET", "/", permission=Permission.VIEW)
async def floor(call: Call[None]) -> web.Response:
    """Floor: which machine needs somebody?"""
    asked = call.ask(FloorQuery)
    room = await call.controller.views.floor()
    shown = matching(room.machines, asked.group, asked.q)
    view = chosen_view(asked.view, len(shown))
    return await call.page("floor.html", floor=room, groups=groups(shown), shown=shown, view=view, asked=asked)


@routes.route("GET", "/todo", permission=Permission.VIEW)
async def todo(call: Call[None]) -> web.Response:
    """To do: what does a person do now?"""
    return await call.page("todo.html")


@routes.route("GET", "/machines/add", permission=Permission.ADMIN)
async def add_machine(call: Call[None]) -> web.Response:
    """A form for a new machine, with the ports where one may answer."""
    found = await call.controller.discovery.ports()
    return await call.page("machine_add.html", found=found, profiles=PROFILES, chosen=dict(call.request.query))


@routes.route("GET", "/machines/{name}", permission=Permission.VIEW)
async def machine(call: Call[None]) -> web.Response:
    """Machine: what is it doing, is it well?"""
    return await call.page("machine.html", **await machine_context(call, call.path["name"]))


async def machine_context(call: Call[None], name: str) -> dict[str, Any]:
    """What a machine's page shows."""
    one = await call.controller.views.machine(name)
    return {"m": one, "history": await call.controller.views.runs(machine=name, limit=20)}


@routes.route("GET", "/queue", permission=Permission.VIEW)
async def queue(call: Call[None]) -> web.Response:
    """Queue: what is next, and why not now?"""
    jobs = await call.controller.views.queue()
    waiting, done = [job for job in jobs if not ended(job)], [job for job in jobs if ended(job)]
    return await call.page("queue.html", waiting=waiting, done=done)


def ended(job: JobShape) -> bool:
    """Whether nothing more is made of a job."""
    return job.state in ("done", "cancelled")


@routes.route("GET", "/jobs/{code}", permission=Permission.VIEW)
async def job(call: Call[None]) -> web.Response:
    """Job: how many are good, when is it done?"""
    return await call.page("job.html", **await job_context(call, call.path["code"]))


async def job_context(call: Call[None], code: str) -> dict[str, Any]:
    """What a job's page shows."""
    views = call.controller.views
    one = await views.job(code)
    explained = None if ended(one) else await views.explain(code)
    parts = await views.parts(job=code, limit=PARTS_SHOWN)
    return {"j": one, "explained": explained, "parts": parts, "runs": await views.runs(job=code, limit=50)}


@routes.route("GET", "/runs/{code}", permission=Permission.VIEW)
async def run(call: Call[None]) -> web.Response:
    """Run: how far is it, and what came of it?"""
    return await call.page("run.html", **await run_context(call, call.path["code"]))


async def run_context(call: Call[None], code: str) -> dict[str, Any]:
    """What a run's page shows."""
    return {"r": await call.controller.views.run(code), "parts": await call.controller.views.parts(run=code)}


@routes.route("GET", "/parts/{code}", permission=Permission.VIEW)
async def part(call: Call[None]) -> web.Response:
    """Part: is it good, and who says so?"""
    return await call.page("part.html", **await part_context(call, call.path["code"]))


async def part_context(call: Call[None], code: str) -> dict[str, Any]:
    """What a part's page shows."""
    return {"p": await call.controller.views.part(code)}


@routes.route("GET", "/upload", permission=Permission.SUBMIT)
async def upload(call: Call[None]) -> web.Response:
    """Upload: a form for a file; with scripts also drag and drop with progress."""
    return await call.page("upload.html", programs=await call.controller.views.programs(limit=10))


@routes.route("GET", "/programs/{sha}", permission=Permission.VIEW)
async def program(call: Call[None]) -> web.Response:
    """Program: will it fit, where, and how many shall be made?"""
    one = await call.controller.views.program(call.path["sha"])
    machines = await call.controller.views.machines()
    return await call.page("program.html", program=one, facts=raw(one.analysis), machines=machines)


@routes.route("GET", "/stop", permission=Permission.VIEW)
async def stop(call: Call[None]) -> web.Response:
    """Stop: the two-step form, how each machine took it, and the release."""
    name = call.request.query.get("machine", "")
    machine = (await call.controller.views.machine(name)).name if name else ""
    return await call.page("stop.html", machine=machine)


@routes.route("GET", "/more", permission=Permission.VIEW)
async def more(call: Call[None]) -> web.Response:
    """Everything else: adding machines, tokens, how pages look, signing out."""
    return await call.page("more.html")


@routes.route("GET", "/q/{code}", permission=Permission.VIEW)
async def scanned(call: Call[None]) -> web.Response:
    """What a QR label opens: the page of a machine, job, run or part, where the action due on it is on top."""
    raise web.HTTPFound(await page_of_code(call, call.path["code"]))


async def page_of_code(call: Call[None], code: str) -> str:
    """The page of anything with a code. Raises NotFound."""
    views = call.controller.views
    try:
        await views.machine(code)
    except NotFound:
        pass
    else:
        return f"/machines/{quote(code)}"
    code = code.upper()
    looks = {"J-": (views.job, "jobs"), "R-": (views.run, "runs"), "P-": (views.part, "parts")}
    if code[:2] not in looks:
        raise NotFound(f"Nothing here is called {code!r}.", hint="Codes begin with J-, R- or P-.")
    look, folder = looks[code[:2]]
    await look(code)
    return f"/{folder}/{quote(code)}"
