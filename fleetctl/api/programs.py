"""`/api/v1/programs`: stored G-code files with their facts, and which machines they fit."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from fleetctl.api.bodies import Upload
from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes
from fleetctl.errors import UsageError
from fleetctl.fleet.shapes import PreflightShape, ProgramShape

routes = Routes("programs")

PROGRAMS = f"{API}/programs"
ONE = f"{PROGRAMS}/{{sha}}"
WHOLE_HASH = 64
"""Digits of a SHA-256 in hexadecimal."""


class PreflightQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The machine to compare with; left out, every machine."""

    machine: str | None = None


class PathQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How finely the tool path is wanted: `coarse`, `medium` or `fine`."""

    detail: str = "medium"


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How many programs at most, newest first."""

    limit: int = 100


def page_of(_call: Call[Any], program: ProgramShape) -> str:
    """The page of a program."""
    return f"/programs/{program.sha256[:12]}"


@routes.route("GET", PROGRAMS, permission=Permission.VIEW, query=ListQuery, answer=list[ProgramShape])
async def programs(call: Call[None]) -> list[ProgramShape]:
    """Stored programs, newest first."""
    return await call.controller.views.programs(limit=max(1, min(call.ask(ListQuery).limit, 1000)))


@routes.route(
    "POST",
    PROGRAMS,
    permission=Permission.SUBMIT,
    answer=ProgramShape,
    status=HTTPStatus.CREATED,
    page=page_of,
    multipart=True,
)
async def upload(call: Call[None]) -> ProgramShape:
    """Store a G-code file and give its facts; the same content is stored once.

    The file may be plain, gzip, `.bgcode` or `.gcode.3mf`; a field `plate` before it chooses one of several plates.
    """
    received = None
    sent = Upload(call.request)
    async for name, blocks in sent.files():
        if received is not None:
            raise UsageError("One request stores one file.", hint="Send a request for each file.")
        received = await call.controller.intake.receive(name, blocks, call.actor, sent.plate)
    if received is None:
        raise UsageError("There is no file in the request.", hint="With curl: -F file=@part.gcode")
    return received


@routes.route("GET", ONE, permission=Permission.VIEW, answer=ProgramShape)
async def program(call: Call[None]) -> ProgramShape:
    """One program by SHA-256, or by at least six leading digits of it."""
    return await call.controller.views.program(call.path["sha"])


@routes.route(
    "GET", f"{ONE}/preflight", permission=Permission.VIEW, query=PreflightQuery, answer=list[PreflightShape]
)
async def preflight(call: Call[None]) -> list[PreflightShape]:
    """Whether the program fits a machine as it is set up now, with each finding; without `machine`, for all."""
    machine = call.ask(PreflightQuery).machine
    if machine:
        return [await call.controller.views.preflight(call.path["sha"], machine)]
    return list((await call.controller.views.program(call.path["sha"])).machines)


@routes.route("GET", f"{ONE}/toolpath", permission=Permission.VIEW, query=PathQuery)
async def toolpath(call: Call[None]) -> web.Response:
    """The path of the tool for viewing, packed: `docs/reference/toolpath.md` says how.

    A program never changes, so a browser may keep its path for good where the address has the whole hash.
    """
    sha = call.path["sha"]
    packed = await call.controller.paths.of(sha, call.ask(PathQuery).detail)
    response = web.Response(body=packed, content_type="application/octet-stream")
    if len(sha) == WHOLE_HASH:
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.enable_compression()
    return response
