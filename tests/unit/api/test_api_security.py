"""Host and Origin, cookies, the one-time link, headers of every answer, and no secret in the log."""

from __future__ import annotations

import logging

import aiohttp
import pytest

from fleetctl.api.security import COOKIE
from fleetctl.api.tokens import local_path
from tests.unit.api.fake_controller import FakeController

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8420", 200),
        ("localhost", 200),
        ("[::1]:8420", 200),
        ("farm.example:80", 200),
        ("FARM.example", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:8420", 403),
        ("10.0.0.5:8420", 403),
        ("[", 403),
    ],
)
async def test_only_our_own_names_are_answered(host: str, status: int, nobody: aiohttp.ClientSession) -> None:
    async with nobody.get("/healthz", headers={"Host": host}) as answer:
        assert answer.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "{url}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({}, 200),
    ],
)
async def test_another_sites_page_changes_nothing(
    headers: dict[str, str], status: int, url: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    sent = {name: value.format(url=url) for name, value in headers.items()}
    async with operator.post("/api/v1/machines/K4/clear", json={}, headers=sent) as answer:
        assert answer.status == status
    assert bool(world.calls) is (status == 200)


async def test_a_cookie_alone_proves_nothing(nobody: aiohttp.ClientSession, world: FakeController) -> None:
    nobody.cookie_jar.update_cookies({COOKIE: "operator-token"})
    async with nobody.post("/api/v1/machines/K4/clear", json={}) as answer:
        assert answer.status == 403
    async with nobody.get("/api/v1/machines") as answer:
        assert answer.status == 200
    assert not world.calls


async def test_signing_in_with_a_token_sets_a_strict_cookie(url: str, nobody: aiohttp.ClientSession) -> None:
    headers = BROWSER | {"Origin": url}
    async with nobody.post("/login", data={"token": "operator-token", "next": "/todo"}, headers=headers) as answer:
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 200
        assert "operator-token" not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "url=/todo" in await answer.text()
    async with nobody.get("/todo", headers=BROWSER, allow_redirects=False) as answer:
        assert answer.status == 200
        assert "operator:lan" in await answer.text()
    async with nobody.post("/logout", headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303
    nobody.cookie_jar.update_cookies({COOKIE: cookie.partition("=")[2].partition(";")[0]})
    async with nobody.get("/todo", headers=BROWSER, allow_redirects=False) as answer:
        assert answer.headers["Location"].startswith("/login")


async def test_a_wrong_token_does_not_sign_in(url: str, nobody: aiohttp.ClientSession) -> None:
    async with nobody.post("/login", data={"token": "guess"}, headers=BROWSER | {"Origin": url}) as answer:
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
        assert "guess" not in await answer.text()


async def test_a_one_time_link_works_once(nobody: aiohttp.ClientSession, world: FakeController) -> None:
    world.tokens.add("once-secret", "first start 0192f0a0", "admin", "link")
    followed = BROWSER | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
    async with nobody.get("/login?once=once-secret", headers=followed) as answer:
        assert answer.status == 200
        assert COOKIE in answer.headers["Set-Cookie"]
    async with nobody.get("/more", headers=BROWSER) as answer:
        assert "admin:first start" in await answer.text()
    nobody.cookie_jar.clear()
    async with nobody.get("/login?once=once-secret", headers=followed) as answer:
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


async def test_a_preview_does_not_use_the_link_up(
    url: str, nobody: aiohttp.ClientSession, world: FakeController
) -> None:
    world.tokens.add("once-secret", "first start 0192f0a0", "admin", "link")
    for headers in (BROWSER, BROWSER | {"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch"}):
        async with nobody.get("/login?once=once-secret", headers=headers) as answer:
            assert "Set-Cookie" not in answer.headers
    async with nobody.post("/login", data={"once": "once-secret"}, headers=BROWSER | {"Origin": url}) as answer:
        assert COOKIE in answer.headers["Set-Cookie"]


async def test_a_link_is_no_token(nobody: aiohttp.ClientSession, world: FakeController) -> None:
    world.tokens.add("once-secret", "first start 0192f0a0", "admin", "link")
    async with nobody.get("/api/v1/machines", headers={"X-Api-Key": "once-secret"}) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("/queue?x=1", "/queue?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_a_login_leads_to_no_other_site(asked: str, given: str) -> None:
    assert local_path(asked) == given


async def test_a_form_leads_back_to_our_own_pages_only(url: str, operator: aiohttp.ClientSession) -> None:
    for referer, place in ((f"{url}/todo?a=1", "/todo?a=1"), ("http://evil.example/x", "/"), (f"{url}//evil", "/")):
        headers = BROWSER | {"Origin": url, "Referer": referer}
        async with operator.post("/api/v1/jobs/J-0002/hold", headers=headers, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, place)


@pytest.mark.parametrize("path", ["/healthz", "/login", "/nowhere", "/api/v1/machines", "/static/0/style.css"])
async def test_security_headers_are_on_every_answer(path: str, nobody: aiohttp.ClientSession) -> None:
    async with nobody.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in answer.headers["Server"]


async def test_no_secret_is_logged(
    url: str, nobody: aiohttp.ClientSession, world: FakeController, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.tokens.add("once-secret", "first start 0192f0a0", "admin", "link")
    await nobody.get("/login?once=once-secret")
    await nobody.post("/login", data={"token": "operator-token"}, headers=BROWSER | {"Origin": url})
    await nobody.get("/api/v1/machines", headers={"X-Api-Key": "admin-token"})
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("aiohttp"))
    assert "GET /login 200" in ours
    for secret in ("once-secret", "operator-token", "admin-token"):
        assert secret not in caplog.text
    for secret in world.tokens.known:
        assert secret not in caplog.text
