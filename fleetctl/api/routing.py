"""Routes as data: each names its permission, its records and its handler, in one table that all else reads.

The router, the access check, OpenAPI and the tests use this table; a route cannot be made without a permission
(I11). Must not know any resource.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import msgspec
from aiohttp import web

from fleetctl.api.bodies import read_query
from fleetctl.api.live import LiveHub
from fleetctl.api.permission import Permission, Visitor
from fleetctl.api.settings import WebSettings
from fleetctl.api.snapshots import Snapshots
from fleetctl.api.sse import Streams
from fleetctl.api.statics import Statics
from fleetctl.api.templating import Templates, html_response
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.shapes import FloorShape

API = "/api/v1"

Body = TypeVar("Body")
Record = TypeVar("Record", bound=msgspec.Struct)
Handler = Callable[["Call[Any]"], Awaitable[object]]
H = TypeVar("H", bound=Callable[..., Awaitable[object]])


class Empty(msgspec.Struct, frozen=True):
    """Nothing to say; for routes whose answer or body holds nothing."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The `version` of the thing that the caller looked at; left out, the call acts on whatever is there now."""

    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one address. `body`, `query` and `answer` are record types (answer: any msgspec type).

    `page` gives the page a browser goes to after a form; without it the browser goes back where it was.
    `multipart` says that the body may also be a file with fields.
    """

    method: str
    path: str
    permission: Permission
    handler: Handler
    summary: str
    tag: str
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    answer: Any = None
    status: HTTPStatus = HTTPStatus.OK
    page: Callable[[Call[Any], Any], str] | None = None
    multipart: bool = False

    @property
    def is_page(self) -> bool:
        """Whether it answers with HTML or a stream for pages, so that it is no part of the described API."""
        return not self.path.startswith("/api/") and self.path != "/healthz"


class Routes:
    """The routes of one resource; one such table per file."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.table: list[Route] = []

    def route(self, method: str, path: str, *, permission: Permission, **facts: Any) -> Callable[[H], H]:
        """Declare the decorated handler as a route. `facts` are the optional fields of `Route`.

        The first line of the handler's docstring is the route's summary.
        """

        def declare(handler: H) -> H:
            summary = (handler.__doc__ or handler.__name__).strip().splitlines()[0].rstrip(".")
            self.table.append(
                Route(
                    method=method,
                    path=path,
                    permission=permission,
                    handler=handler,
                    summary=summary,
                    tag=self.tag,
                    **facts,
                )
            )
            return handler

        return declare


@dataclass(frozen=True)
class Site:
    """What handlers stand on: the controller, and what turns its answers into pages and streams."""

    controller: Controller
    settings: WebSettings
    templates: Templates
    statics: Statics
    hub: LiveHub
    streams: Streams
    snapshots: Snapshots
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Call(Generic[Body]):
    """One request on its way through a handler: who asks, the decoded body, and the site."""

    site: Site
    request: web.Request
    visitor: Visitor
    body: Body

    @property
    def controller(self) -> Controller:
        """The fleet."""
        return self.site.controller

    @property
    def actor(self) -> str:
        """Who asks, as the records say it."""
        return self.visitor.actor

    @property
    def path(self) -> Mapping[str, str]:
        """The variable parts of the address."""
        return self.request.match_info

    @property
    def wants_page(self) -> bool:
        """Whether a person's browser asks, so that the answer is a page and not JSON."""
        return wants_page(self.request)

    async def page(self, template: str, /, *, floor: FloorShape | None = None, **context: Any) -> web.Response:
        """A whole page, or only its main part for htmx, with what the frame around it needs.

        A page that already has the floor gives it as `floor`.
        """
        if floor is None and self.visitor.may(Permission.VIEW):
            floor = await self.controller.views.floor()
        html = self.site.templates.render(
            template,
            floor=floor,
            visitor=self.visitor,
            theme=self.request.cookies.get("theme", "auto"),
            here=self.request.path,
            alone="HX-Request" in self.request.headers,
            **context,
        )
        return html_response(html)

    def ask(self, record: type[Record]) -> Record:
        """The query string as a record."""
        return read_query(self.request.query, record, of_page=not self.request.path.startswith("/api/"))


def wants_page(request: web.Request) -> bool:
    """Whether the caller is a browser showing pages; API callers ask for JSON or for anything."""
    return "text/html" in request.headers.get("Accept", "") or "HX-Request" in request.headers
