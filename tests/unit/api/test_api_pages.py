"""The pages as HTML: all is there without scripts, every wait has its sentence and button, forms do their work."""

from __future__ import annotations

import inspect
import re
from html.parser import HTMLParser

import aiohttp
import pytest

from fleetctl import errors
from fleetctl.api import grouping, looks, problems, reading
from fleetctl.api.fragments import KINDS
from fleetctl.scheduling.reason import Need
from tests.unit.api.fake_controller import FakeController, replace
from tests.unit.api.fake_floor import SHA, calm_floor, needs

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
PAGES = (
    "/", "/?view=dense", "/?view=wall", "/?group=Mills", "/?q=fault", "/?q=nothing-like-this", "/todo",
    "/machines/K1", "/machines/K3", "/machines/K4", "/machines/M1", "/machines/M2", "/machines/add", "/queue",
    "/jobs/J-0001", "/jobs/J-0002", "/runs/R-0001", "/runs/R-0003", "/parts/P-00001", "/parts/P-00008", "/upload",
    f"/programs/{SHA[:12]}", "/stop", "/stop?machine=K1", "/more", "/help/problems",
)  # fmt: skip
VOID = {"meta", "link", "input", "br", "img", "use", "path", "rect"}


class Checker(HTMLParser):
    """Reads a page as a browser does: collects ids, links and texts, and complains about what is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wrong: list[str] = []
        self.links: set[str] = set()
        self.forms: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.add(values.get("href", ""))
        if tag == "form":
            self.forms.append((values.get("method", "get"), values.get("action", "")))
        self.wrong += [f"{tag} {name}" for name in values if name.startswith("on") or name == "style"]
        if tag == "script" and "src" not in values:
            self.wrong.append("script inside the page")
        for name in ("src", "href", "action"):
            if values.get(name, "").startswith(("http:", "https:", "//")):
                self.wrong.append(f"leaves the daemon: {values[name]}")

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        while self.open and self.open[-1] != tag and self.open[-1] in ("option", "li"):
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


async def page(client: aiohttp.ClientSession, path: str, **headers: str) -> str:
    """The HTML of a page."""
    async with client.get(path, headers=BROWSER | headers) as answer:
        assert answer.status == 200, path
        return await answer.text()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole_html_without_scripts_inside(path: str, admin: aiohttp.ClientSession) -> None:
    html = await page(admin, path)
    checked = Checker(html)
    assert not checked.wrong
    assert not checked.open
    assert len(checked.ids) == len(set(checked.ids)), "an id is there twice"
    assert html.count("<h1") == 1
    assert 'lang="en"' in html
    assert "Stop all" in html
    assert "None" not in "".join(checked.texts)


@pytest.mark.parametrize("token", ["viewer-token", "slicer-token", "operator-token"])
async def test_every_page_is_there_for_every_role_that_may_see_it(token: str, url: str) -> None:
    async with aiohttp.ClientSession(url, headers={"X-Api-Key": token}) as client:
        for path in PAGES:
            async with client.get(path, headers=BROWSER) as answer:
                assert answer.status in ((200, 403) if "add" in path or path == "/upload" else (200,)), path


async def test_every_link_of_the_pages_leads_somewhere(admin: aiohttp.ClientSession) -> None:
    links = set()
    for path in PAGES:
        links |= Checker(await page(admin, path)).links
    for link in sorted(link for link in links if link.startswith("/")):
        async with admin.get(link, headers=BROWSER) as answer:
            assert answer.status == 200, link


async def test_every_form_leads_to_a_route(admin: aiohttp.ClientSession) -> None:
    forms = {form for path in PAGES for form in Checker(await page(admin, path)).forms}
    assert len(forms) > 15
    for method, action in forms:
        if method == "post":
            async with admin.post(action, json={"no such field": 1}) as answer:
                # Refused for the body or done; a route that is not there is 404 or 405.
                assert answer.status not in (404, 405, 500), action


async def test_every_wait_has_its_sentence_and_its_button_on_floor_and_to_do(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    for path in ("/", "/todo"):
        html = await page(operator, path)
        for item in (await world.views.floor()).todo:
            assert item.reason.sentence in html
        assert 'action="/api/v1/machines/K3/reset"' in html
        assert 'action="/api/v1/machines/K4/clear"' in html
        assert 'action="/api/v1/runs/R-0003/start"' in html
    job = await page(operator, "/jobs/J-0002")
    queue = await page(operator, "/queue")
    assert all("Clear the bed of K4: 6 parts." in html for html in (job, queue))


async def test_an_action_does_not_carry_the_version_of_another_thing(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    world.run["R-0003"] = replace(world.run["R-0003"], version=71)
    world.machine["M1"] = replace(world.machine["M1"], run=world.run["R-0003"], version=72)
    world.machine["K4"] = replace(world.machine["K4"], version=73)
    html = await page(operator, "/todo")
    start = re.search(r'<form[^>]*action="/api/v1/runs/R-0003/start".*?</form>', html, re.S)
    clear = re.search(r'<form[^>]*action="/api/v1/machines/K4/clear".*?</form>', html, re.S)
    assert start and 'name="version" value="71"' in start[0]
    assert clear and 'name="version" value="73"' in clear[0]


async def test_every_button_that_moves_something_says_what_was_seen(admin: aiohttp.ClientSession) -> None:
    """A late tap is refused only where the form carries the version of the thing it acts on."""
    found = 0
    for path in PAGES:
        html = await page(admin, path)
        for form in re.findall(r'<form class="act".*?</form>', html, re.S):
            # A stop is always meant, whatever changed meanwhile.
            if re.search(r'action="/api/v1/(machines|runs|jobs|parts)/', form) and '/stop"' not in form:
                found += 1
                assert 'name="version" value="' in form, (path, form[:200])
    assert found > 20


async def test_a_page_ignores_what_others_put_into_its_address(viewer: aiohttp.ClientSession) -> None:
    for path in ("/?fbclid=x&view=dense", "/queue?utm_source=mail", "/machines/K1?gclid=7"):
        await page(viewer, path)
    async with viewer.get("/api/v1/runs?fbclid=x") as answer:
        assert answer.status == 400


async def test_a_page_that_is_not_there_is_one_calm_page(viewer: aiohttp.ClientSession) -> None:
    async with viewer.get("/nowhere", headers=BROWSER) as answer:
        html = await answer.text()
        assert answer.status == 404 and "There is nothing at this address." in html
    checked = Checker(html)
    assert not checked.wrong and len(checked.ids) == len(set(checked.ids))


async def test_the_floor_says_so_when_nothing_needs_anybody(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    calm = calm_floor()
    world.machine, world.part = calm.machine, calm.part
    html = await page(operator, "/")
    assert "Nothing needs you." in html
    for warm in ("chip red", "chip amber", "badge", "card red", "card amber", 'class="stopped"'):
        assert warm not in html


async def test_names_are_escaped(admin: aiohttp.ClientSession, world: FakeController) -> None:

    world.job["J-0002"] = replace(world.job["J-0002"], title="<script>alert(1)</script>")
    for path in ("/queue", "/jobs/J-0002"):
        assert "<script>alert" not in await page(admin, path)


async def test_a_plain_form_clears_with_parts(
    url: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    fields = [("version", "3"), ("good", "4"), ("bad", "P-00020"), ("bad", "P-00021")]
    headers = BROWSER | {"Origin": url, "Referer": f"{url}/todo"}
    async with operator.post(
        "/api/v1/machines/K4/clear", data=fields, headers=headers, allow_redirects=False
    ) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/todo")
    assert world.calls == [("clear", "K4", 4, ("P-00020", "P-00021"), "operator:lan")]


async def test_upload_and_queue_by_plain_forms(
    url: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    data = aiohttp.FormData()
    data.add_field("file", b"G28\nG1 X1\n", filename="lid.gcode")
    headers = BROWSER | {"Origin": url}
    async with operator.post("/api/v1/programs", data=data, headers=headers) as answer:
        assert answer.url.path.startswith("/programs/")
        html = await answer.text()
    sha = re.search(r'name="program_sha256" value="(\w+)"', html)
    fields = {"program_sha256": sha[1], "quantity": "3", "yield_parts": "1", "title": "", "material": "",
              "machine": "",
              "due_s@": "", "priority": "10"}  # fmt: skip
    async with operator.post("/api/v1/jobs", data=fields, headers=headers) as answer:
        assert answer.url.path == "/jobs/J-0003"
    assert (world.job["J-0003"].quantity, world.job["J-0003"].priority) == (3, 10)


async def test_stop_in_two_steps_without_scripts(
    url: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    html = await page(operator, "/")
    assert 'href="/stop"' in html
    html = await page(operator, "/stop")
    assert 'action="/api/v1/estop"' in html
    assert "not a safety-rated emergency stop" in html
    headers = BROWSER | {"Origin": url, "Referer": f"{url}/stop"}
    async with operator.post("/api/v1/estop", headers=headers) as answer:
        html = await answer.text()
        assert answer.url.path == "/stop"
    assert world.latch.stopped
    assert "6 of 6 machines confirmed" in html
    for path in ("/", "/queue", "/todo"):
        html = await page(operator, path)
        assert 'aria-pressed="true"' in html
        assert "Nothing starts until a person releases it" in html
    async with operator.post("/api/v1/estop/release", headers=headers) as answer:
        assert answer.url.path == "/stop"
    assert not world.latch.stopped


async def test_a_refused_form_says_why_on_a_page(url: str, operator: aiohttp.ClientSession) -> None:
    headers = BROWSER | {"Origin": url, "Referer": f"{url}/machines/K4"}
    async with operator.post("/api/v1/machines/K4/clear", data={"version": "1"}, headers=headers) as answer:
        assert answer.status == 409
        html = await answer.text()
    assert "It changed meanwhile: version 3, you saw 1." in html
    assert 'href="/machines/K4"' in html
    async with operator.post(
        "/api/v1/machines/K4/clear", data={"version": "1"}, headers={"HX-Request": "true"}
    ) as answer:
        assert answer.headers["HX-Trigger"] == "changed"
        assert (await answer.text()).startswith('<div id="problem">')


async def test_signing_in_is_asked_of_forms_sent_by_htmx_too(nobody: aiohttp.ClientSession) -> None:
    async with nobody.get("/fragments?f=todo", headers={"HX-Request": "true"}) as answer:
        assert answer.headers["HX-Redirect"].startswith("/login?next=")


async def test_htmx_gets_the_main_part_only(operator: aiohttp.ClientSession) -> None:
    html = await page(operator, "/todo", **{"HX-Request": "true"})
    assert '<main id="main"' in html
    assert "<header" not in html


@pytest.mark.parametrize("kind", KINDS)
async def test_a_fragment_is_what_the_page_shows(kind: str, operator: aiohttp.ClientSession) -> None:
    subject, where = {
        "group": ("Mills", "/"), "card": ("K1", "/"), "row": ("K1", "/?view=dense"), "tile": ("K1", "/?view=wall"),
        "machine": ("K4", "/machines/K4"), "job": ("J-0002", "/jobs/J-0002"), "run": ("R-0001", "/runs/R-0001"),
        "part": ("P-00008", "/parts/P-00008"), "queue": ("", "/queue"), "todo": ("", "/todo"),
        "outcomes": ("", "/stop"),
    }.get(kind, ("", "/"))  # fmt: skip
    name = f"{kind}/{subject}" if subject else kind
    drawn = await page(operator, f"/fragments?f={name}&here={where.partition('?')[0]}")
    whole = await page(operator, where)
    assert f'data-f="{name}"' in drawn
    assert not Checker(drawn).wrong
    times = r"<time[^>]*>[^<]*</time>"
    assert re.sub(times, "", drawn).strip() in re.sub(times, "", whole)


async def test_every_fragment_on_a_page_can_be_fetched(admin: aiohttp.ClientSession) -> None:
    for path in PAGES:
        for name in set(re.findall(r'data-f="([^"]+)"', await page(admin, path))):
            assert f'data-f="{name}"' in await page(admin, f"/fragments?f={name}"), (path, name)


async def test_fragments_that_are_gone_are_left_out(operator: aiohttp.ClientSession) -> None:
    html = await page(operator, "/fragments?f=card/gone&f=job/J-9999&f=card/K2")
    assert re.findall(r'data-f="([^"]+)"', html) == ["card/K2"]
    async with operator.get("/fragments?f=secret") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("code", "place"),
    [("K3", "/machines/K3"), ("j-0001", "/jobs/J-0001"), ("R-0001", "/runs/R-0001"), ("P-00008", "/parts/P-00008")],
)
async def test_a_scanned_code_opens_its_page(code: str, place: str, viewer: aiohttp.ClientSession) -> None:
    async with viewer.get(f"/q/{code}", headers=BROWSER, allow_redirects=False) as answer:
        assert answer.headers["Location"] == place
    assert (await viewer.get("/q/X-1", headers=BROWSER)).status == 404
    assert (await viewer.get("/q/J-9999", headers=BROWSER)).status == 404


async def test_files_are_kept_for_ever_under_their_hash(
    nobody: aiohttp.ClientSession, admin: aiohttp.ClientSession
) -> None:
    html = await page(admin, "/")
    style = re.search(r'href="(/static/[0-9a-f]{16}/style.css)"', html)
    assert style
    async with nobody.get(style[1]) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    async with nobody.get(style[1], headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
    async with nobody.get("/static/0/style.css") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
    for path in ("/static/0/../server.py", "/static/0/%2e%2e/%2e%2e/package.json", "/static/0/nothing.js"):
        async with nobody.get(path) as answer:
            assert answer.status == 404


async def test_the_first_view_is_light(admin: aiohttp.ClientSession, world: FakeController) -> None:
    from tests.unit.api.fake_floor import crowd

    world.machine = crowd(60).machine
    sizes = {}
    async with aiohttp.ClientSession(admin._base_url, headers=admin.headers, auto_decompress=False) as raw:
        async with raw.get("/", headers=BROWSER | {"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            sizes["floor"] = len(await answer.read())
        html = await page(admin, "/")
        for name in sorted(set(re.findall(r"/static/[0-9a-f]{16}/([\w./]+)", html))):
            async with raw.get(f"/static/0/{name}", headers={"Accept-Encoding": "gzip"}) as answer:
                sizes[name] = len(await answer.read())
    assert sizes["live.js"] <= 4096
    assert sum(sizes.values()) <= 45_000, sizes


async def test_the_theme_is_kept_without_flash(url: str, viewer: aiohttp.ClientSession) -> None:
    assert 'data-theme="auto"' in await page(viewer, "/")
    await viewer.post("/theme", data={"theme": "dark"}, headers=BROWSER | {"Origin": url})
    assert 'data-theme="dark"' in await page(viewer, "/")
    assert (await viewer.post("/theme", data={"theme": "pink"}, headers=BROWSER | {"Origin": url})).status == 400


def test_the_floor_is_ordered_by_need_then_by_end() -> None:
    from tests.unit.api.fake_floor import busy_floor

    machines = tuple(busy_floor().machine.values())
    assert [one.name for one in grouping.in_order(machines)] == ["K3", "M1", "K4", "K2", "K1", "M2"]
    assert [(group.name, group.need) for group in grouping.groups(machines)] == [("Mills", 1), ("Printers", 2)]
    assert [one.name for one in grouping.matching(machines, "Mills", "locked")] == ["M2"]
    assert [grouping.chosen_view("", count) for count in (6, 60, 600)] == ["cards", "dense", "wall"]
    assert grouping.chosen_view("wall", 6) == "wall"


def test_a_pause_turns_amber_when_it_is_old() -> None:
    from fleetctl.scheduling.reason import Reason

    paused = Reason(code="paused", sentence="R-1 is paused.", need=Need.PAUSED)
    assert looks.look_of(paused, 60) == "outline"
    assert looks.look_of(paused, 1000) == "amber"
    assert looks.look_of(None) == "plain"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (reading.percent(0.999), "99 %"),
        (reading.percent(1.0), "100 %"),
        (reading.percent(0.0), "0 %"),
        (reading.span(59.4), "59 s"),
        (reading.span(-3), "0 s"),
        (reading.span(7800), "2 h 10 min"),
        (reading.span(200000), "2 d 7 h"),
        (reading.temperature(193.4, 215), "193 / 215 °C"),
        (reading.temperature(24.2, 0), "24 °C"),
        (reading.lines(18204, 30000), "18,204 of 30,000"),
        (reading.lines(7, 0), "7"),
        (reading.heater("T0"), "nozzle"),
        (reading.heater("T1"), "nozzle 1"),
        (reading.heater("B"), "bed"),
        (reading.heater("probe"), "probe"),
        (reading.size(812000), "812 kB"),
        (reading.iso(0), "1970-01-01T00:00:00Z"),
    ],
)
def test_readings_as_a_person_reads_them(text: str, shown: str) -> None:
    assert text == shown


async def test_a_person_can_vouch_for_the_position_where_homing_is_offered(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    verb = "/api/v1/machines/K3/trust-position"
    assert ("post", verb) not in Checker(await page(operator, "/machines/K3")).forms
    needs(world, "K3", "suspect", "Nobody knows for sure where the tool of K3 is.", Need.FAULT, "home", "Home")
    world.change_machine("K3", "x", position="suspect", activity="idle")
    assert ("post", verb) in Checker(await page(operator, "/machines/K3")).forms


async def test_the_type_of_every_problem_leads_to_its_paragraph(nobody: aiohttp.ClientSession) -> None:
    answer = await nobody.get("/help/problems", headers=BROWSER)
    assert answer.status == 200
    page = Checker(await answer.text())
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.FleetctlError):
            address, _, anchor = problems.from_error(kind("x")).type.partition("#")
            assert address == "/help/problems" and anchor in page.ids, kind


async def test_a_refused_request_always_says_what_to_do(operator: aiohttp.ClientSession) -> None:
    for body in (b"{", b'{"quantity": "many"}', b'{"no_such": 1}', b"[" * 5000):
        answer = await operator.post("/api/v1/jobs", data=body, headers={"Content-Type": "application/json"})
        assert answer.status in (400, 422) and (await answer.json(content_type=None))["hint"]
    assert problems.from_error(errors.UsageError("no")).hint and problems.from_error(errors.NotGcode("no")).hint
    assert problems.from_error(errors.UsageError("no", hint="so")).hint == "so"
