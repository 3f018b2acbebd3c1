"""Puts the routes on an aiohttp application: host check, identity, permission, decoding, answers and errors.

The only file of this package that knows aiohttp's application; must not know any resource.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from aiohttp import web

import fleetctl
from fleetctl.api import (
    agents,
    assets,
    continuation,
    estop,
    events,
    fragments,
    health,
    help,
    jobs,
    machines,
    octoprint,
    openapi,
    operate,
    operating,
    pages,
    panel,
    parts,
    problems,
    programs,
    runs,
    tokens,
)
from fleetctl.api.bodies import FORM_TYPES, JSON_LIMIT_BYTES, read_body
from fleetctl.api.live import LiveHub
from fleetctl.api.permission import NOBODY
from fleetctl.api.routing import Call, Route, Site, wants_page
from fleetctl.api.security import (
    SAFE_METHODS,
    AccessLogger,
    add_headers,
    check_origin,
    check_permission,
    host_check,
    identify,
)
from fleetctl.api.settings import WebSettings
from fleetctl.api.snapshots import Snapshots
from fleetctl.api.sse import Streams
from fleetctl.api.statics import Statics
from fleetctl.api.templating import Templates
from fleetctl.errors import FleetctlError
from fleetctl.fleet.controller import Controller

_log = logging.getLogger(__name__)

WEB = Path(fleetctl.__file__).parent / "web"
SHUTDOWN_S = 5.0
COMPRESS_FROM_BYTES = 1024
CLIENT_LEFT = 499
"""What the access log says of a request whose client went away; the number is a common custom of web servers."""

_RESOURCES = (
    machines, operating, panel, jobs, runs, continuation, parts, programs, events, estop, tokens, health, help,
    octoprint, openapi, pages, operate, agents, fragments, assets,
)  # fmt: skip

ROUTES: tuple[Route, ...] = tuple(route for resource in _RESOURCES for route in resource.routes.table)
"""Every route of the daemon."""

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(controller: Controller, config: WebSettings) -> web.Application:
    """The web application of one site. It starts nothing but its own live feed, and ends its streams on shutdown."""
    files = Statics(WEB / "static")
    streams = Streams()
    hub = LiveHub(controller)
    site = Site(controller, config, Templates(WEB / "templates", files), files, hub, streams, Snapshots(), ROUTES)
    app = web.Application(middlewares=[_errors_as_problems(site)], client_max_size=JSON_LIMIT_BYTES)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _serve(site, route))
    app.on_response_prepare.append(add_headers)

    async def feed(_app: web.Application) -> AsyncIterator[None]:
        async with hub.running():
            yield

    async def end_streams(_app: web.Application) -> None:
        streams.close()

    app.cleanup_ctx.append(feed)
    app.on_shutdown.append(end_streams)
    return app


async def listen(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Start to answer on one address; `runner.addresses` tells the port. Call `runner.cleanup()` to end.

    Raises OSError when the address cannot be had.
    """
    runner = web.AppRunner(app, access_log_class=AccessLogger, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def _serve(site: Site, route: Route) -> Serve:
    """The aiohttp handler of one route: identity, origin and permission first, then body, handler, answer."""

    async def serve(request: web.Request) -> web.StreamResponse:
        visitor = await identify(request, site.controller, site.settings.open_role)
        check_origin(request, visitor)
        check_permission(visitor, route.permission)
        body: Any = None
        if route.body is not None and not (route.multipart and request.content_type == FORM_TYPES[1]):
            body = await read_body(request, route.body)
        call = Call(site, request, visitor, body)
        return _answer(call, route, await route.handler(call))

    return serve


def _answer(call: Call[Any], route: Route, result: object) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if call.wants_page and route.method not in SAFE_METHODS:
        place = route.page(call, result) if route.page else came_from(call.request)
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": place})
    response = web.Response(
        status=route.status,
        body=msgspec.json.encode({} if result is None else result),
        content_type="application/json",
    )
    if response.body and len(response.body) > COMPRESS_FROM_BYTES:  # type: ignore[arg-type]
        response.enable_compression()
    return response


def came_from(request: web.Request) -> str:
    """The path of our own page that sent a form, else the floor; never another site's address."""
    parts = urlsplit(request.headers.get("Referer", ""))
    ours = parts.netloc.lower() == request.headers.get("Host", "").lower()
    if not ours or not parts.path.startswith("/") or parts.path.startswith("//"):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _errors_as_problems(site: Site) -> Callable[..., Awaitable[web.StreamResponse]]:
    check_host = host_check(site.settings)

    @web.middleware
    async def middleware(request: web.Request, handler: Serve) -> web.StreamResponse:
        try:
            check_host(request)
            return await handler(request)
        except FleetctlError as error:
            return _refuse(site, request, problems.from_error(error))
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            return _refuse(site, request, problems.from_http(error))
        except ConnectionError:
            # The client left in the middle: nobody reads this, and it is no error of ours to be logged as one.
            return web.Response(status=CLIENT_LEFT)
        except Exception:  # noqa: BLE001 - the request boundary: one bug must not end the daemon
            reference = secrets.token_hex(4)
            _log.exception("request %s %s failed (%s)", request.method, request.path, reference)
            return _refuse(site, request, problems.internal(reference))

    return middleware


def _refuse(site: Site, request: web.Request, problem: problems.Problem) -> web.StreamResponse:
    """The problem as JSON, as a page for a browser, or as a notice for a form sent by htmx."""
    if not wants_page(request):
        return problems.as_json(problem)
    by_htmx = "HX-Request" in request.headers
    if problem.status == HTTPStatus.UNAUTHORIZED:
        where = request.path_qs if request.method in SAFE_METHODS else came_from(request)
        login = f"/login?next={quote(where, safe='/')}"
        headers = {"HX-Redirect": login} if by_htmx else {"Location": login}
        return web.Response(status=HTTPStatus.OK if by_htmx else HTTPStatus.SEE_OTHER, headers=headers)
    name = "_problem.html" if by_htmx else "problem.html"
    html = site.templates.render(name, problem=problem, visitor=NOBODY, back=came_from(request))
    # After a conflict the page shows something that is no longer so: `changed` makes it load itself again.
    headers = {"HX-Trigger": "changed"} if problem.status == HTTPStatus.CONFLICT else {}
    return web.Response(status=problem.status, text=html, content_type="text/html", headers=headers)
