"""Who may reach the daemon at all, and who it is: Host and Origin, tokens and cookies, headers of every answer.

Any web page that the operator opens can send requests to a loopback port, and a name can be made to resolve to
127.0.0.1 (DNS rebinding). So the Host must be one of ours, and a request that changes something must come from our
own page when a browser sends it. Must not know what a route does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from fleetctl.api.permission import NOBODY, Permission, Visitor, role_for
from fleetctl.api.settings import WebSettings
from fleetctl.errors import NotPermitted
from fleetctl.fleet.controller import Controller
from fleetctl.store.tokens import Token

COOKIE = "fleetctl_login"
COOKIE_LIFE_S = 30 * 24 * 3600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # `no-referrer` would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "fleetctl",
}

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})


def host_check(settings: WebSettings) -> Callable[[web.Request], None]:
    """A function that refuses a request whose Host is not one of ours (NotPermitted)."""
    ours = _LOOPBACK | {settings.listen_host.lower(), *(name.lower() for name in settings.host_names)}
    any_address = settings.listen_host in _EVERY_ADDRESS

    def check(request: web.Request) -> None:
        name = host_name(request.headers.get("Host", ""))
        # An address in figures cannot be a rebound name, and listening everywhere means each of ours is meant.
        if name not in ours and not (any_address and _is_address(name)):
            raise NotPermitted(
                f"This daemon is not called {name!r}.",
                hint="Open it by its own address, or add the name to host_names.",
            )

    return check


def host_name(netloc: str) -> str:
    """The name in `name:port`, lower case, without the brackets of an IPv6 address; empty if there is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def check_origin(request: web.Request, visitor: Visitor, *, changes: bool = False) -> None:
    """Refuse a change that another site's page asks for (NotPermitted).

    SameSite cookies do not tell ports apart, so the Origin must be exactly the Host that was called. A browser
    always says where a change comes from; without that, a cookie alone proves nothing. `changes`: a GET changes
    something too, as a WebSocket does, which any page may open anywhere.
    """
    if request.method in SAFE_METHODS and not changes:
        return
    origin = request.headers.get("Origin")
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if origin is not None:
        parts = urlsplit(origin)
        same = parts.scheme in ("http", "https") and parts.netloc.lower() == request.headers.get("Host", "").lower()
    elif fetch_site is not None:
        same = fetch_site in ("same-origin", "none")
    else:
        same = not visitor.by_cookie
    if not same:
        raise NotPermitted("The page that sent this is not a page of this daemon.", hint="Act from its own pages.")


async def identify(request: web.Request, controller: Controller, open_role: str) -> Visitor:
    """Who asks: by bearer token, `X-Api-Key` or cookie, in this order. A wrong token is nobody, never a fallback."""
    secret, by_cookie = presented_secret(request)
    if not secret:
        return Visitor(name="anyone", role=open_role) if open_role else NOBODY
    token = await controller.tokens.check(secret)
    if token is None and by_cookie and open_role:
        return Visitor(name="anyone", role=open_role)
    return NOBODY if token is None else Visitor(name=own_name(token), role=token.role, by_cookie=by_cookie)


def own_name(token: Token) -> str:
    """The name of a token's owner; the record of a login or link has an id after it, to be told from others."""
    return token.name if token.kind == "token" else token.name.rpartition(" ")[0] or token.name


def presented_secret(request: web.Request) -> tuple[str, bool]:
    """The token in the request, and whether a cookie carried it."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip(), False
    if key := request.headers.get("X-Api-Key", ""):
        return key, False
    return request.cookies.get(COOKIE, ""), True


def check_permission(visitor: Visitor, permission: Permission) -> None:
    """Refuse a visitor who lacks the permission: 401 when nobody is signed in, else NotPermitted."""
    if visitor.may(permission):
        return
    least = role_for(permission)
    if visitor is NOBODY:
        raise web.HTTPUnauthorized(text=f"Sign in first; this needs the role {least}.")
    raise NotPermitted(
        f"This needs the role {least}; you are {visitor.actor}.", hint="An administrator can give you a token for it."
    )


def set_login(response: web.StreamResponse, secret: str) -> None:
    """Keep a login in the browser: not readable by scripts, never sent along from another site."""
    response.set_cookie(COOKIE, secret, max_age=COOKIE_LIFE_S, httponly=True, samesite="Strict", path="/")


def end_login(response: web.StreamResponse) -> None:
    """Forget the login in the browser."""
    response.del_cookie(COOKIE, httponly=True, samesite="Strict", path="/")


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: the security headers go on every answer, streams and files included."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]
    response.headers.setdefault("Cache-Control", "no-store")


class AccessLogger(AbstractAccessLogger):
    """One log line per request, without query string, headers or cookies, since those may hold secrets."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """`time` is the duration in seconds."""
        self.logger.info("%s %s %s %d ms", request.method, request.path, response.status, round(time * 1000))
