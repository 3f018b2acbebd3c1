"""Tokens, signing in and signing out. The only answers that hold a secret are here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes
from fleetctl.api.security import COOKIE_LIFE_S, end_login, own_name, presented_secret, set_login

routes = Routes("tokens")

Role = Literal["admin", "operator", "submit", "viewer"]


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token for a person or a program; `link` makes a secret for one sign-in. `expires_s`: seconds from now."""

    name: str
    role: Role
    expires_s: float | None = None
    kind: Literal["token", "link"] = "token"


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret. It is shown this once and stored only as a hash."""

    name: str
    role: str
    secret: str


class LoginRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A token, or the secret of a one-time link, and the page to go to."""

    token: str = ""
    once: str = ""
    next: str = "/"


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    """How pages look on this device."""

    theme: Literal["auto", "light", "dark"]


@routes.route(
    "POST",
    f"{API}/tokens",
    permission=Permission.ADMIN,
    body=NewToken,
    answer=Secret,
    status=HTTPStatus.CREATED,
)
async def create(call: Call[NewToken]) -> Secret | web.Response:
    """Make a token or a one-time link."""
    asked = call.body
    secret = await call.controller.tokens.create(
        asked.name, asked.role, call.actor, expires_s=asked.expires_s, kind=asked.kind
    )
    made = Secret(name=asked.name, role=asked.role, secret=secret)
    return await call.page("token.html", made=made, kind=asked.kind) if call.wants_page else made


@routes.route("GET", "/login", permission=Permission.PUBLIC)
async def login_page(call: Call[None]) -> web.Response:
    """Sign in with a token, or with the one-time link that was followed."""
    once = call.request.query.get("once", "")
    # Chat programs and browsers fetch links to preview them; only a person's own navigation uses the link up.
    followed = call.request.headers.get("Sec-Fetch-Mode") == "navigate" and "Sec-Purpose" not in call.request.headers
    if once and followed:
        return await _sign_in(call, LoginRequest(once=once))
    next_path = local_path(call.request.query.get("next", "/"))
    return await call.page("login.html", once=once, next=next_path, failed=False)


@routes.route("POST", "/login", permission=Permission.PUBLIC, body=LoginRequest)
async def login(call: Call[LoginRequest]) -> web.Response:
    """Sign in: a token or one-time secret becomes a cookie of this browser."""
    return await _sign_in(call, call.body)


async def _sign_in(call: Call[Any], asked: LoginRequest) -> web.Response:
    tokens = call.controller.tokens
    token = await (tokens.use_link(asked.once) if asked.once else tokens.check(asked.token.strip()))
    next_path = local_path(asked.next)
    if token is None:
        page = await call.page("login.html", once="", next=next_path, failed=True)
        page.set_status(HTTPStatus.FORBIDDEN)
        return page
    person = own_name(token)
    secret = await tokens.create(person, token.role, person, expires_s=COOKIE_LIFE_S, kind="login")
    # A redirect at the end of a link from elsewhere would not carry a SameSite=Strict cookie; this page does.
    page = await call.page("signed_in.html", next=next_path, name=person, role=token.role)
    set_login(page, secret)
    return page


@routes.route("POST", "/logout", permission=Permission.PUBLIC)
async def logout(call: Call[None]) -> web.Response:
    """Sign out on this device; the login ends for good."""
    secret, by_cookie = presented_secret(call.request)
    if secret and by_cookie:
        await call.controller.tokens.end(secret)
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/login"})
    end_login(response)
    return response


@routes.route("POST", "/theme", permission=Permission.PUBLIC, body=Theme)
async def theme(call: Call[Theme]) -> web.Response:
    """Light, dark, or as the device has it."""
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "/more"})
    response.set_cookie("theme", call.body.theme, max_age=10 * COOKIE_LIFE_S, samesite="Lax", path="/")
    return response


def local_path(text: str) -> str:
    """The path if it is one of this daemon's, else the floor: a link must not lead on to another site."""
    parts = urlsplit(text)
    local = not parts.scheme and not parts.netloc and text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if local and text.isprintable() else "/"
