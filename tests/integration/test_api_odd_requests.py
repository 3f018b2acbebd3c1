"""A real daemon under requests that make no sense: each is refused by name, none breaks it, nothing is left behind.

Requests are made from the daemon's own table of routes, so that a new route is tried without a word here.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from fleetctl.api.routing import Route
from fleetctl.api.server import ROUTES
from tests.integration.real_site import RealSite, print_program
from tests.integration.test_api import ask

pytestmark = pytest.mark.slow

SEED = 20261122
REQUESTS = 600
ENDLESS = ("/live", "/telemetry")
PAGES = ("/", "/todo", "/queue", "/upload", "/more", "/machines/K1", "/jobs/J-0001")

ODD: list[Any] = [
    None, True, -1, 0, 1.5, 2**31, 2**63, 2**70, -(2**70), 1e308, -1e308, 1e18, float("nan"), "", "x", "\0", "\ud800",
    "a" * 5000, "<img src=x onerror=alert(1)>", "../../etc/passwd", "\u202egpj", "😀" * 50, [], {}, ["a"], {"a": 1},
    [[["x"]]], "K1", "J-0001", "1e400",
]  # fmt: skip
ODD_PATHS = [
    "x",
    "..",
    "%00",
    "\0",
    "a" * 300,
    "😀",
    "J-9999",
    "'; drop",
    "<b>",
    "a/b",
    "\u202e",
    "%",
    "______",
    "%%%%%%",
]
ODD_BODIES = [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000, b'{"x":' * 2000, b'{"zzz":1}']
FILE = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
ODD_PARTS = [
    b"--X\r\n", b"", b"--X--\r\n", b"--X\r\n\r\n\r\n--X--", FILE, FILE + b"\r\nG28\r\n",
    b"--X\r\nContent-Disposition: form-data\r\n\r\nG28\r\n--X--\r\n",
    b'--X\r\nContent-Disposition: form-data; name="a\0b"; filename="x\0"\r\n\r\nG28\r\n--X--\r\n',
    FILE + b"Content-Encoding: gzip\r\n\r\nG28\r\n--X--\r\n",
    FILE + b"Content-Transfer-Encoding: base64\r\n\r\n@\r\n--X--\r\n",
]  # fmt: skip
ODD_FORMS = ["multipart/form-data", "multipart/form-data; boundary=X", "multipart/form-data; boundary=" + "x" * 200]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with RealSite(tmp_path_factory.mktemp("site")) as made:
        made.submit(print_program(5), 3, hold=True)
        where = {"name": "K1", "driver": "marlin", "port": "socket://127.0.0.1:9", "profile": "generic-220"}
        made.post("machines", where)
        yield made


class Chance:
    """Requests by chance; the good values are those of the site above."""

    def __init__(self, sha256: str) -> None:
        self._pick = random.Random(SEED)
        self._good: dict[str, Any] = {"name": "K1", "code": "J-0001", "sha": sha256, "storage": "local"}
        self._fields: dict[str, Any] = {
            "quantity": 2, "program_sha256": sha256, "driver": "marlin", "profile": "generic-220", "role": "viewer",
            "name": "M1", "port": "socket://127.0.0.1:9", "text": "M105", "result": "pass", "on": True, "hold": True,
        }  # fmt: skip

    def path(self, route: Route) -> str:
        def one(found: re.Match[str]) -> str:
            good = self._good.get(found[1], "x")
            return good if self._pick.random() < 0.6 else quote(self._pick.choice(ODD_PATHS), safe="")

        path = re.sub(r"\{(\w+)(?::[^}]*)?\}", one, route.path)
        if self._pick.random() < 0.3:
            name = self._pick.choice(["limit", "after", "machine", "job", "f", "view", "here", "next", "active"])
            path += f"?{name}={quote(str(self._pick.choice(ODD)).encode('utf-8', 'replace'))}"
        return path

    def body(self, route: Route) -> tuple[bytes, str]:
        if route.method == "GET":
            return b"", ""
        way = self._pick.random()
        if way < 0.15:
            return self._pick.choice(ODD_PARTS), self._pick.choice(ODD_FORMS)
        if route.body is None or way < 0.3:
            return self._pick.choice(ODD_BODIES), "application/json"
        values = {}
        for field in msgspec.structs.fields(route.body):
            if self._pick.random() < 0.7:
                good = self._fields.get(field.encode_name)
                values[field.encode_name] = good if good and self._pick.random() < 0.7 else self._pick.choice(ODD)
        return json.dumps(values).encode(), "application/json"

    def headers(self) -> dict[str, str]:
        found = {"Accept": "text/html"} if self._pick.random() < 0.3 else {}
        return found | ({"Last_Event_ID": "x"} if self._pick.random() < 0.1 else {})

    def route(self) -> Route:
        return self._pick.choice([route for route in ROUTES if _ends(route)])


def _ends(route: Route) -> bool:
    """Answers at once, and leaves the machine where it is."""
    if route.path.endswith(ENDLESS) or route.method == "DELETE" or route.path.endswith("/remove"):
        return False
    return route.path != "/api/v1/estop"


def test_no_request_breaks_the_daemon(site: RealSite) -> None:
    chance = Chance(site.upload("a.gcode", print_program(5)))
    for _ in range(REQUESTS):
        route = chance.route()
        path, (body, kind) = chance.path(route), chance.body(route)
        headers = chance.headers() | ({"Content_Type": kind} if kind else {})
        status, _, answer = ask(site, route.method, path, body, **headers)
        assert status < 500 or b"agent" in answer, (SEED, route.method, path, body[:300], answer[:300])
    for page in PAGES:
        assert ask(site, "GET", page, Accept="text/html")[0] == 200, page
    assert "Traceback" not in (site.home / "controller.log").read_text()


@pytest.mark.parametrize("field", ["due_s", "priority", "title", "material", "group", "quantity"])
def test_no_wish_of_a_job_breaks_the_pages(site: RealSite, field: str) -> None:
    """A job that was taken can be shown: the one who submits must not be able to end the queue page for all."""
    sha256 = site.upload("a.gcode", print_program(5))
    for value in ODD:
        wish = json.dumps({"program_sha256": sha256, "quantity": 1, "hold": True, field: value}).encode()
        status, _, answer = ask(site, "POST", "/api/v1/jobs", wish, Content_Type="application/json")
        assert status in (201, 400), (field, value, answer[:200])
    for page in ("/", "/queue", "/todo"):
        status, _, html = ask(site, "GET", page, Accept="text/html")
        assert status == 200, page
        assert b"<img src=x" not in html


def test_a_prefix_of_a_program_is_no_pattern(site: RealSite) -> None:
    sha256 = site.upload("a.gcode", print_program(5))
    assert ask(site, "GET", f"/api/v1/programs/{sha256[:6]}")[0] == 200
    assert ask(site, "GET", f"/api/v1/programs/{sha256[:6].upper()}")[0] == 200
    for pattern in ("______", "%25%25%25%25%25%25", "_" * 64):
        assert ask(site, "GET", f"/api/v1/programs/{pattern}")[0] == 404


def test_names_of_files_are_names(site: RealSite) -> None:
    names = ["../../etc/passwd", "..\\..\\x.gcode", "n" * 300 + ".gcode", "😀.gcode", "\u202egpj.gcode", ".."]
    for name in names:
        site.upload(name, print_program(6, name=repr(name)))
    shown = [program["name"] for program in site.get("programs")]
    assert all(0 < len(name) <= 200 and "/" not in name and "\\" not in name and name.isprintable() for name in shown)
    assert not list(site.home.rglob("passwd"))
