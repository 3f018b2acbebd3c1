"""Every route declares its permission, and it is enforced (I11); the description is made from the same table."""

from __future__ import annotations

import re
from types import SimpleNamespace

import aiohttp
import pytest

from fleetctl.api.openapi import describe
from fleetctl.api.permission import ROLES, Permission, Visitor, role_for
from fleetctl.api.routing import Route
from fleetctl.api.server import ROUTES, make_app
from tests.unit.api.api_rig import SETTINGS
from tests.unit.api.fake_controller import FakeController

VALUES = {"name": "K1", "code": "J-0001", "sha": "4f0ca1", "storage": "local", "version": "0"}
TOKENS = {"viewer": "viewer-token", "submit": "slicer-token", "operator": "operator-token", "admin": "admin-token"}
STREAMS = ("/live", "/api/v1/telemetry")


def address(route: Route) -> str:
    """A real address of a route."""
    return re.sub(r"\{(\w+)(:[^}]*)?\}", lambda found: VALUES[found[1]], route.path)


async def test_i11_every_route_declares_its_permission(world: FakeController) -> None:
    declared = {(route.method, route.path): route for route in ROUTES}
    app = make_app(world, SETTINGS)
    found = []
    for route in app.router.routes():
        if route.method == "HEAD":
            continue
        found.append((route.method, re.sub(r"\{name:\.\+\}", "{name}", route.resource.canonical)))
    known = {(method, re.sub(r"\{name:\.\+\}", "{name}", path)) for method, path in declared}
    assert set(found) == known
    assert all(isinstance(route.permission, Permission) for route in ROUTES)


def test_i11_a_route_cannot_be_made_without_a_permission() -> None:
    from fleetctl.api.routing import Routes

    with pytest.raises(TypeError):
        Routes("test").route("GET", "/nothing")  # type: ignore[call-arg]


def test_no_address_is_declared_twice() -> None:
    addresses = [(route.method, route.path) for route in ROUTES]
    assert len(addresses) == len(set(addresses))


def test_roles_include_each_other_and_only_signing_in_and_help_are_public() -> None:
    assert ROLES["viewer"] < ROLES["submit"] < ROLES["operator"] < ROLES["admin"]
    public = {route.path for route in ROUTES if route.permission is Permission.PUBLIC}
    assert public == {
        "/login", "/logout", "/theme", "/healthz", "/favicon.ico", "/static/{version}/{name:.+}",
        "/api/v1/openapi.json", "/help/problems",
    }  # fmt: skip


@pytest.mark.parametrize("role", ["", *TOKENS])
async def test_i11_permission_is_enforced_on_every_route(role: str, url: str) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
    visitor = Visitor(name=role, role=role)
    async with aiohttp.ClientSession(url, headers=headers) as client:
        for route in ROUTES:
            if route.path in STREAMS and visitor.may(route.permission):
                continue  # would not end; test_api_events reads them
            # A body that fits nothing: whoever is let in is refused for the body, before anything is done.
            json = None if route.method == "GET" else {"no such field": 1}
            async with client.request(route.method, address(route), json=json, allow_redirects=False) as answer:
                if visitor.may(route.permission):
                    assert answer.status not in (401, 403, 500) or route.path == "/login", (route.path, answer.status)
                else:
                    assert answer.status == (403 if role else 401), (route.path, answer.status)


async def test_a_wrong_token_is_nobody(url: str) -> None:
    headers = {"Authorization": "Bearer wrong"}
    async with aiohttp.ClientSession(url) as client, client.get("/api/v1/machines", headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_least_role_is_named() -> None:
    assert [role_for(p) for p in (Permission.VIEW, Permission.SUBMIT, Permission.OPERATE, Permission.ADMIN)] == [
        "viewer", "submit", "operator", "admin",
    ]  # fmt: skip


def test_who_acts_is_named_in_the_records() -> None:
    assert Visitor(name="lan", role="operator").actor == "operator:lan"
    assert Visitor(name="admin", role="admin").actor == "admin"


async def test_openapi_describes_every_api_route(url: str, nobody: aiohttp.ClientSession) -> None:
    async with nobody.get("/api/v1/openapi.json") as answer:
        document = await answer.json()
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in ROUTES if not route.is_page}
    operations = [one for item in document["paths"].values() for one in item.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    for one in operations:
        assert "Permission:" in one["description"]
        assert one["responses"]["default"]["content"]["application/problem+json"]


def test_openapi_has_no_reference_into_nothing() -> None:
    document = describe(ROUTES)
    text = __import__("json").dumps(document)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert references <= set(document["components"]["schemas"])
    assert {"MachineShape", "JobShape", "Problem", "ClearRequest", "Submission"} <= references


def test_openapi_names_parameters_and_bodies() -> None:
    paths = describe(ROUTES)["paths"]
    preflight = paths["/api/v1/programs/{sha}/preflight"]["get"]
    assert {one["name"]: one["in"] for one in preflight["parameters"]} == {"sha": "path", "machine": "query"}
    bodies = paths["/api/v1/jobs"]["post"]["requestBody"]["content"]
    assert set(bodies) == {"application/json", "multipart/form-data"}


async def test_settings_without_open_role_let_nobody_look(url: str, nobody: aiohttp.ClientSession) -> None:
    async with nobody.get("/", headers={"Accept": "text/html"}, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == "/login?next=/"


async def test_an_open_role_lets_everybody_look_and_nobody_act(world: FakeController) -> None:
    from fleetctl.api.server import listen

    settings = SimpleNamespace(listen_host="127.0.0.1", listen_port=0, host_names=(), open_role="viewer")
    runner = await listen(make_app(world, settings), "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            assert (await client.get("/api/v1/machines")).status == 200
            assert (await client.post("/api/v1/machines/K4/clear", json={})).status == 403
    finally:
        await runner.cleanup()
