"""Agents over HTTP and on their page: who holds what, who held one up, and another agent for a machine."""

from __future__ import annotations

import aiohttp

from tests.unit.api.fake_controller import FakeController
from tests.unit.api.test_api_pages import BROWSER, Checker


async def test_the_list_names_what_held_an_agent_up(viewer: aiohttp.ClientSession) -> None:
    async with viewer.get("/api/v1/agents") as answer:
        first, second = await answer.json()
    assert first["blocked"][0] | {"at_s": 0} == {
        "machine": "K1", "driver": "marlin", "late_s": 1.25, "where": "driver.py:12 compute", "at_s": 0,
    }  # fmt: skip
    assert first["connected"] and "K1" in first["machines"] and not second["connected"]


async def test_a_machine_is_given_to_another_agent(admin: aiohttp.ClientSession, world: FakeController) -> None:
    async with admin.post("/api/v1/machines/K3/agent", json={"agent": "own", "version": 3}) as answer:
        assert answer.status == 200 and (await answer.json())["agent"] == "own"
    assert world.calls[-1] == ("give", "K3", "own", "admin", 3)
    async with admin.post("/api/v1/machines/K1/agent", json={"agent": "own"}) as answer:
        assert answer.status == 409


async def test_only_an_administrator_gives_machines(viewer: aiohttp.ClientSession) -> None:
    async with viewer.post("/api/v1/machines/K3/agent", json={"agent": "own"}) as answer:
        assert answer.status == 403
    async with viewer.get("/agents?machine=K3", headers=BROWSER) as answer:
        assert "<form" not in (await answer.text()).split("<main")[1].split("</main>")[0]


async def test_the_page(admin: aiohttp.ClientSession, world: FakeController) -> None:
    world.agent_desk.stuck = "stuck for 12 s in driver.py:12 compute"
    async with admin.get("/agents?machine=K3", headers=BROWSER) as answer:
        page = await answer.text()
    checker = Checker(page)
    assert answer.status == 200 and checker.wrong == [] and checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert "It is stuck for 12 s in driver.py:12 compute." in page and "Does not answer" in page
    assert "1.2 s" in page and ("post", "/api/v1/machines/K3/agent") in checker.forms
