"""Errors as the caller sees them: RFC 9457 problem details, with the same text for a page.

Maps the error classes to HTTP statuses; must not know routes or handlers.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import web

from fleetctl import errors

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refused or failed request. `code` is stable; `line` is a 1-based line of the program."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    machine: str | None = None
    line: int | None = None
    hint: str | None = None


STATUS: tuple[tuple[type[errors.FleetctlError], HTTPStatus], ...] = (
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.LatchClosed, HTTPStatus.CONFLICT),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.UsageError, HTTPStatus.BAD_REQUEST),
    (errors.NotPermitted, HTTPStatus.FORBIDDEN),
    (errors.OperatorError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.MachineError, HTTPStatus.CONFLICT),
    (errors.AgentUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.LinkError, HTTPStatus.BAD_GATEWAY),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first class that fits gives the status; anything else is our bug, 500."""


HINTS = {
    HTTPStatus.BAD_REQUEST: "Correct what is named and send it again; nothing was changed.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Look at what is named and try again; nothing was changed.",
}
"""What to do about a refused request whose error does not say it itself."""

SAID_PLAINLY = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
}


def status_of(error: errors.FleetctlError) -> HTTPStatus:
    """The HTTP status of one of our errors."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def from_error(error: errors.FleetctlError) -> Problem:
    """The problem of one of our errors; its title is the class's own sentence, which is the same every time."""
    return Problem(
        type=f"/help/problems#{error.code}",
        title=(type(error).__doc__ or error.code).strip().splitlines()[0],
        status=status_of(error),
        detail=error.message,
        code=error.code,
        machine=error.machine,
        line=error.line,
        hint=error.hint or HINTS.get(status_of(error)),
    )


def from_http(error: web.HTTPException) -> Problem:
    """The problem of an error that aiohttp itself raised: no such address, wrong method, body too large."""
    status = HTTPStatus(error.status)
    code = status.name.lower().replace("_", "-")
    detail = SAID_PLAINLY.get(status) or error.text or status.phrase
    return Problem(type="about:blank", title=status.phrase, status=status, detail=detail, code=code)


def internal(reference: str) -> Problem:
    """The problem of a bug. The log has the rest under `reference`."""
    return Problem(
        type="about:blank",
        title="Something went wrong inside fleetctl.",
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        detail="Something went wrong inside fleetctl; nothing that was asked for is certain to have happened.",
        code="internal",
        hint=f"Look at the thing again before you repeat this. The log has the rest under {reference}.",
    )


def as_json(problem: Problem) -> web.Response:
    """The problem as a response."""
    headers = {"WWW-Authenticate": 'Bearer realm="fleetctl"'} if problem.status == HTTPStatus.UNAUTHORIZED else None
    return web.Response(
        status=problem.status, body=msgspec.json.encode(problem), content_type=MEDIA_TYPE, headers=headers
    )
