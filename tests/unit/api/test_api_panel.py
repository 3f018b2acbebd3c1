"""Routes and page of the operator panel: who may use them, what they give, why a control is off."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fleetctl.api import hand
from fleetctl.api.permission import Permission
from fleetctl.api.reading import live_values
from fleetctl.api.server import ROUTES
from fleetctl.api.snapshots import MOST_BYTES
from fleetctl.fleet.shapes import MeasurementShape
from fleetctl.model.deeds import Probe
from fleetctl.model.messages import PromptShown
from fleetctl.store.panel import Panel
from tests.unit.api.fake_controller import FakeController, replace
from tests.unit.api.fake_floor import running

BROWSER = {"Accept": "text/html"}
K3 = "/api/v1/machines/K3"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def test_i11_what_changes_something_needs_the_right_to_operate() -> None:
    told = {(route.method, route.path.rpartition("{name}/")[2]): route.permission for route in ROUTES}
    assert {told["POST", path] for path in ("macros", "macros/run", "macros/remove", "prompt", "work-offsets")} == {
        Permission.OPERATE
    }
    assert {told["POST", path] for path in ("capture", "capture/end")} == {Permission.OPERATE}
    assert {told["GET", path] for path in ("console", "capture", "capture/file")} == {Permission.OPERATE}
    assert {told["GET", path] for path in ("temperatures", "camera", "macros", "operate")} == {Permission.VIEW}
    assert told["POST", "camera"] is Permission.ADMIN, "the address may lead anywhere in the network"


async def test_temperatures_come_in_columns(viewer: aiohttp.ClientSession, world: FakeController) -> None:
    world.panels.warm_up("K3")
    columns = await (await viewer.get(f"{K3}/temperatures")).json()
    assert len(columns["at_s"]) > 800
    assert all(len(column) == len(columns["at_s"]) for of in columns["heaters"].values() for column in of.values())
    newer = await (await viewer.get(f"{K3}/temperatures?after={time.time() - 10}")).json()
    assert 3 <= len(newer["at_s"]) <= 6
    assert (await viewer.get("/api/v1/machines/K99/temperatures")).status == 404


async def test_macros_are_kept_run_and_removed(operator: aiohttp.ClientSession, world: FakeController) -> None:
    assert (await operator.post(f"{K3}/macros", json={"name": "Park", "text": "G91\nG1 Z10"})).status == 200
    assert await (await operator.get(f"{K3}/macros")).json() == [{"name": "Park", "text": "G91\nG1 Z10"}]
    said = await (await operator.post(f"{K3}/macros/run", json={"name": "Park"})).json()
    assert said == {"lines": ["ok"]}
    assert ("macro", "K3", "Park", "operator:lan") in world.calls
    assert (await operator.post(f"{K3}/macros/remove", json={"name": "Park"})).status == 200
    assert await (await operator.get(f"{K3}/macros")).json() == []
    assert (await operator.post(f"{K3}/macros/run", json={"name": "Park"})).status == 404


async def test_a_capture_is_begun_ended_and_downloaded(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    assert (await operator.get(f"{K3}/capture/file")).status == 409
    begun = await (await operator.post(f"{K3}/capture", json={"seconds": 5, "reconnect": True})).json()
    assert begun["ended"] == "" and ("capture", "K3", 5.0, True, "operator:lan") in world.calls
    assert (await (await operator.post(f"{K3}/capture/end")).json())["ended"] == "now"
    async with operator.get(f"{K3}/capture/file") as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="K3.capture.jsonl"'
        assert (await answer.text()).splitlines()[0] == '{"format": "fleetctl-capture-1"}'


async def test_the_console_is_asked_by_number(operator: aiohttp.ClientSession, world: FakeController) -> None:
    for text in ("M115", "M503"):
        world.panels.say("asked", text)
    lines = await (await operator.get(f"{K3}/console?after=1&traffic=true")).json()
    assert [entry["text"] for entry in lines["entries"]] == ["M503"] and world.panels.watched
    assert (await operator.get(f"{K3}/console?after=x")).status == 400


# The camera


@pytest.fixture
async def camera(world: FakeController) -> AsyncIterator[list[Answer]]:
    """A camera that answers with the last of the list; K3 has it."""
    answers: list[Answer] = []

    async def picture(request: web.Request) -> web.StreamResponse:
        return await answers[-1](request)

    app = web.Application()
    app.router.add_get("/snapshot", picture)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.panels.panels["K3"] = Panel(camera_url=f"http://cam:hunter22@127.0.0.1:{runner.addresses[0][1]}/snapshot")
    yield answers
    await runner.cleanup()


async def test_a_picture_comes_through_once_for_all(viewer: aiohttp.ClientSession, camera: list[Answer]) -> None:
    asked: list[str] = []

    async def picture(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.Response(body=b"jpeg", content_type="image/jpeg")

    camera.append(picture)
    for _ in range(5):
        async with viewer.get(f"{K3}/camera") as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, "image/jpeg", b"jpeg")
    assert len(asked) == 1, "pages within a second share one picture"
    assert asked[0].startswith("Basic ")


async def test_what_is_no_picture_is_refused_in_a_sentence_without_the_address(
    viewer: aiohttp.ClientSession, world: FakeController, camera: list[Answer]
) -> None:
    async def huge(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
        await response.prepare(request)
        for _ in range(MOST_BYTES // 65536 + 2):
            await response.write(b"x" * 65536)
        return response

    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/secret")

    async def script(_request: web.Request) -> web.Response:
        return web.Response(text="<svg/>", content_type="image/svg+xml")

    url = world.panels.panels["K3"].camera_url
    for number, (given, reason) in enumerate(
        ((huge, "larger than 3 MB"), (elsewhere, "answered 302"), (script, "not a picture"))
    ):
        camera.append(given)
        world.panels.panels["K3"] = Panel(camera_url=f"{url}?{number}")  # another address: not left alone for a while
        async with viewer.get(f"{K3}/camera") as answer:
            said = await answer.text()
            assert answer.status == 502 and reason in said and "hunter22" not in said and "127.0.0.1" not in said
    world.panels.panels["K3"] = Panel(camera_url="http://cam:hunter22@127.0.0.1:1/snapshot")
    async with viewer.get(f"{K3}/camera") as answer:
        said = await answer.text()
        assert answer.status == 502 and "does not answer" in said and "hunter22" not in said


async def test_only_an_administrator_gives_and_sees_the_address(
    operator: aiohttp.ClientSession, admin: aiohttp.ClientSession, world: FakeController
) -> None:
    assert (await operator.post(f"{K3}/camera", json={"url": "http://x/y"})).status == 403
    assert (await admin.post(f"{K3}/camera", json={"url": "http://cam:hunter22@x/y.jpg"})).status == 200
    assert world.panels.panels["K3"].camera_url == "http://cam:hunter22@x/y.jpg"
    async with operator.get("/machines/K3/operate", headers=BROWSER) as answer:
        assert "hunter22" not in await answer.text()
    assert (await operator.get("/api/v1/machines/K1/camera")).status == 404


# The page


async def operate(client: aiohttp.ClientSession, name: str) -> str:
    async with client.get(f"/machines/{name}/operate", headers=BROWSER) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_controls_are_those_that_the_driver_claims(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    world.machine["K2"] = replace(world.machine["K2"], can=("pause", "home"))
    html = await operate(operator, "K2")
    assert "data-jog" not in html and "/heat" not in html and "/override" not in html and "/work-offsets" not in html
    printer, mill = await operate(operator, "K3"), await operate(operator, "M2")
    assert "data-jog" in printer and "/heat" in printer and "/work-offsets" not in printer and "Extrude" in printer
    assert "data-jog" in mill and "/heat" not in mill and "/work-offsets" in mill and "Extrude" not in mill
    assert 'value="rapid"' in mill and 'value="flow"' in printer and 'value="rapid"' not in printer


@pytest.mark.parametrize("token", ["viewer-token", "slicer-token"])
async def test_who_may_only_look_gets_no_controls(url: str, token: str) -> None:
    async with aiohttp.ClientSession(url, headers={"X-Api-Key": token}) as client:
        html = await operate(client, "K3")
        forms = html.count("<form") - html.count('class="override"')
        assert forms == 0 and "data-jog" not in html and "data-console" not in html
        assert html.count("<fieldset disabled") == html.count('class="override"')


async def test_each_obstacle_has_its_sentence(world: FakeController) -> None:
    floor = await world.views.floor()
    ready = replace(world.machine["K3"], activity="idle")
    assert hand.why_not(ready, floor) == ""
    jogged = replace(ready, activity="running", reason="moved by hand")
    assert hand.why_not(jogged, floor) == "", "whoever jogs it goes on doing so"
    running(world, "K3", "R-0009", 0.1)
    for machine, words in (
        (replace(ready, link="offline"), "is offline"),
        (replace(ready, link="connecting"), "is being connected"),
        (replace(ready, service="locked-out"), "is locked out"),
        (replace(ready, activity="fault"), "reset the fault"),
        (replace(ready, activity="waiting", reason="M0"), "K3 is waiting (M0)"),
        (world.machine["K3"], "Run R-0009 is on K3: wait for its end, or cancel it."),
    ):
        assert words in hand.why_not(machine, floor)
    assert hand.out_of_reach(world.machine["K3"], floor) == "", "overrides are for runs"
    await world.stop.everything("lan")
    stopped = await world.views.floor()
    assert (
        hand.why_not(ready, stopped)
        == hand.out_of_reach(ready, stopped)
        == ("Everything is stopped: release the stop first.")
    )


async def test_a_question_without_choices_can_be_gone_on_from(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    world.machine["K2"] = replace(world.machine["K2"], prompt=PromptShown(text="M0/1 Break Called"))
    html = await operate(operator, "K2")
    assert "M0/1 Break Called" in html and 'name="choice" value="0"' in html and "Go on" in html
    late = {"choice": 0, "asked": "Filament runout"}
    assert (await operator.post("/api/v1/machines/K2/prompt", json=late)).status == 409
    assert (await operator.post("/api/v1/machines/K2/prompt", json={"choice": 0, "version": 1})).status == 409
    assert not world.calls
    assert (await operator.post("/api/v1/machines/K2/prompt", json={"choice": 0})).status == 200
    assert ("prompt", "K2", 0, "operator:lan") in world.calls


def test_speeds_never_exceed_the_profile(world: FakeController) -> None:
    for machine in world.machine.values():
        most = machine.profile.max_feed_mm_s
        assert most is not None
        assert all(s.xy_mm_s <= min(most[:2]) and s.z_mm_s <= most[2] for s in hand.speeds(machine))


async def test_the_machine_is_asked_for_its_offsets_only_on_demand(
    operator: aiohttp.ClientSession, viewer: aiohttp.ClientSession
) -> None:
    assert "The machine has stored" not in await operate(operator, "M2")
    async with operator.get("/machines/M2/operate?offsets=read", headers=BROWSER) as answer:
        assert "The machine has stored: G54 -100.000 -50.000 -20.000" in " ".join((await answer.text()).split())
    assert (await viewer.get("/machines/M2/operate?offsets=read", headers=BROWSER)).status == 403


async def test_the_page_says_what_is_on_and_which_inputs_are_active(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    words = {"switches_closed": ("probe", "X limit"), "accessories_on": ("spindle clockwise", "flood")}
    world.machine["M2"] = replace(world.machine["M2"], **words)
    html = await operate(operator, "M2")
    assert 'data-k="pins">probe, X limit<' in html and 'data-k="on">spindle clockwise, flood<' in html
    assert live_values(world.machine["M2"])["pins"] == "probe, X limit"
    world.machine["M2"] = replace(world.machine["M2"], switches_closed=None, accessories_on=None)
    assert "Active inputs" not in await operate(operator, "M2")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"switches_closed": ("probe",)}, "closed already"),
        ({"switches_closed": ("probe not connected",)}, "not connected"),
        ({"spindle_rpm": 9000.0}, "spindle turns"),
        ({"position": "suspect"}, "home it first"),
        ({"activity": "fault"}, "reset the fault"),
    ],
)
async def test_a_probe_that_cannot_be_is_off_with_the_reason_on_both_pages(
    facts: dict[str, Any], reason: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    idle = {"run": None, "activity": "idle", "link": "online", "service": "in-service", "position": "known"}
    world.machine["M2"] = replace(world.machine["M2"], **(idle | {"spindle_rpm": 0.0} | facts))
    html = await operate(operator, "M2")
    assert reason in html[html.index('id="probe"') :] and 'aria-describedby="probe-why"' in html
    async with operator.get("/machines/M2/operate/probe?distance_mm=10&feed_mm_s=1") as answer:
        html = await answer.text()
        assert reason in html and re.search(r'id="probe-now"[^>]* disabled', html)


async def test_a_probe_is_asked_for_twice_and_its_offset_once_more(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    asked = {"axis": "Z", "direction": "-1", "distance_mm": "12.5", "feed_mm_s": "2"}
    async with operator.get("/machines/M2/operate/probe", params=asked) as answer:
        html = await answer.text()
    assert "Z down, at most 12.5 mm, at 2 mm/s" in html and "drives on into whatever is there" in html
    assert not world.calls, "nothing was done yet"
    page = {"Accept": "text/html"}
    late = {**asked, "version": "1"}
    assert (await operator.post("/api/v1/machines/M2/probe", data=late, headers=page)).status == 409
    async with operator.post("/api/v1/machines/M2/probe", data=asked, headers=page, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/machines/M2/operate#probe")
    deed = Probe(axis="Z", direction=-1, distance_mm=12.5, feed_mm_s=2.0)
    assert world.calls == [("by hand", "M2", deed, "operator:lan")]
    html = await operate(operator, "M2")
    assert "Z -12.500 mm" in html and "In G54 on record: Z 7.500 mm" in html and "by operator:lan" in html
    (found,) = await (await operator.get("/api/v1/machines/M2/probe")).json()
    form = {"number": str(found["number"]), "frame": "G55", "coordinate_mm": "1.6"}
    path = "/api/v1/machines/M2/work-offsets/from-probe"
    async with operator.post(path, data=form, headers=page, allow_redirects=False) as answer:
        assert answer.status == 303
    assert world.calls[-1] == ("from probe", "M2", found["number"], "G55", 1.6, "operator:lan")


@pytest.mark.parametrize(
    "wrong", [{"distance_mm": 101}, {"feed_mm_s": 11}, {"direction": 0}, {"axis": "E"}, {"feed_mm_s": 0}]
)
async def test_nobody_is_asked_to_confirm_a_probe_that_would_be_refused(
    wrong: dict[str, Any], operator: aiohttp.ClientSession
) -> None:
    asked = {"distance_mm": 10, "feed_mm_s": 1} | wrong
    assert (await operator.get("/machines/M2/operate/probe", params=asked)).status in (400, 422)


async def test_a_measurement_that_counts_no_more_offers_no_offset(
    operator: aiohttp.ClientSession, world: FakeController
) -> None:
    world.operating.measured["M2"] = [
        MeasurementShape(
            number=7, at_s=1.0, by="ann", axis="Z", direction=-1, contact_mm={"Z": -3.0}, stale="it is old"
        )
    ]
    html = await operate(operator, "M2")
    assert "No offset is set from it: it is old." in html and "from-probe" not in html


async def test_who_may_only_look_does_not_probe(url: str, viewer: aiohttp.ClientSession) -> None:
    assert (await viewer.get("/machines/M2/operate/probe?distance_mm=10&feed_mm_s=1")).status == 403
    assert "operate/probe" not in await operate(viewer, "M2")
