"""Continuing a run over HTTP and on its page: shown first, confirmed by a person, and only what was shown."""

from __future__ import annotations

import re

import aiohttp
import pytest

from tests.unit.api.fake_continuing import PREVIEWED
from tests.unit.api.fake_controller import FakeController, replace
from tests.unit.api.test_api_pages import BROWSER, Checker

RUN = "/api/v1/runs/R-0001/continuation"
CHOSEN = {"line": 801, "z_strategy": "trust"}


@pytest.fixture(autouse=True)
def interrupted(world: FakeController) -> None:
    world.run["R-0001"] = replace(
        world.run["R-0001"], state="interrupted", active=False, continuable=True, stopped_between=(800, 816), why=None
    )


async def test_preview_then_confirm(admin: aiohttp.ClientSession, world: FakeController) -> None:
    async with admin.post(f"{RUN}/preview", json={"parameters": CHOSEN}) as answer:
        shown = await answer.json()
        assert answer.status == 200 and shown["lines"] == [{"text": "G28 X Y", "reason": "home X and Y only"}]
    body = {"parameters": CHOSEN, "program_sha256": shown["program_sha256"], "version": shown["version"]}
    async with admin.post(RUN, json=body) as answer:
        new = await answer.json()
        assert answer.status == 201 and (new["code"], new["resumes"]) == ("R-0099", "R-0001")
    assert world.calls[-1] == ("continue", "R-0001", CHOSEN, shown["version"], "admin")


async def test_what_was_not_previewed_is_not_sent(admin: aiohttp.ClientSession, world: FakeController) -> None:
    async with admin.post(RUN, json={"parameters": CHOSEN, "program_sha256": "d" * 64}) as answer:
        assert answer.status == 409
    assert not [call for call in world.calls if call[0] == "continue"]


async def test_a_viewer_may_see_where_it_stopped_but_not_continue(viewer: aiohttp.ClientSession) -> None:
    async with viewer.get(RUN) as answer:
        stopped = (await answer.json())["stopped"]
    assert (stopped["surely_executed_line"], stopped["acknowledged_line"]) == (800, 816)
    for path in (f"{RUN}/preview", RUN):
        async with viewer.post(path, json={"parameters": CHOSEN, "program_sha256": PREVIEWED}) as answer:
            assert answer.status == 403
    async with viewer.get("/runs/R-0001/continue", headers=BROWSER) as answer:
        page = await answer.text()
    assert answer.status == 200 and "<form" not in page.split("Where it stopped")[1].split("</main>")[0]


async def test_the_page_in_two_steps_without_scripts(admin: aiohttp.ClientSession, world: FakeController) -> None:
    async with admin.get("/runs/R-0001", headers=BROWSER) as answer:
        run_page = await answer.text()
    assert "between line 800" in run_page and 'href="/runs/R-0001/continue"' in run_page
    async with admin.get("/runs/R-0001/continue", headers=BROWSER) as answer:
        first = await answer.text()
    checker = Checker(first)
    assert checker.wrong == [] and checker.open == []
    assert "Between line 800 and line 816" in first and "the height of layer 10" in first
    assert 'action="/api/v1/runs/R-0001/continuation"' not in first
    query = {"where": "layer", "line": "801", "layer": "11", "z_strategy": "trust", "z_mm": ""}
    async with admin.get("/runs/R-0001/continue", params=query, headers=BROWSER) as answer:
        second = await answer.text()
    checker = Checker(second)
    assert checker.wrong == [] and checker.open == []
    assert "G28 X Y" in second and "home X and Y only" in second and 'data-at="10.0 20.0"' in second
    form = second.split('action="/api/v1/runs/R-0001/continuation"')[1].split("</form>")[0]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    assert fields["program_sha256"] == PREVIEWED
    assert {name for name in fields if name.startswith("parameters.")} == {
        "parameters.layer",
        "parameters.z_strategy",
    }
    async with admin.post(RUN, data=fields, headers=BROWSER, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/runs/R-0099")
    assert world.calls[-1][:3] == ("continue", "R-0001", {"layer": "11", "z_strategy": "trust"})


async def test_what_is_still_to_be_said_is_told_on_the_page(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/runs/R-0001/continue", params={"where": "line", "line": "801"}, headers=BROWSER) as answer:
        page = await answer.text()
    assert answer.status == 200 and "Say how the height of the nozzle is known." in page
    assert 'action="/api/v1/runs/R-0001/continuation"' not in page


async def test_a_run_that_cannot_be_continued_says_why(admin: aiohttp.ClientSession) -> None:
    async with admin.get("/runs/R-0002/continue", headers=BROWSER) as answer:
        page = await answer.text()
    assert answer.status == 200 and "R-0002 is running." in page and 'name="line"' not in page
