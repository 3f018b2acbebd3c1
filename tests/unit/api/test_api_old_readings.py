"""Readings that a firmware told too long ago are shown as old, at the first paint and live."""

from __future__ import annotations

import time

import aiohttp
import pytest

from fleetctl.api import reading
from tests.unit.api.fake_controller import FakeController, replace
from tests.unit.api.test_api_pages import BROWSER


@pytest.mark.parametrize("stale", [False, True])
async def test_pages_and_live_values_say_the_same(
    admin: aiohttp.ClientSession, world: FakeController, stale: bool
) -> None:
    told = {"temperatures_degc": {"T0": (205.0, 210.0)}, "position_mm": (1.0, 2.0, 3.0)}
    machine = replace(
        world.machine["K3"], readings_stale=stale, readings_at_s=time.time() - 90, activity="fault", **told
    )
    world.machine["K3"] = machine
    values = reading.live_values(machine)
    assert values["t-T0"] == ("205 / 210 °C (old)" if stale else "205 / 210 °C")
    assert values["xyz"].endswith(" (old)") == stale
    for path in ("/machines/K3", "/"):
        async with admin.get(path, headers=BROWSER) as answer:
            page = await answer.text()
        assert values["t-T0"] in page and ("(old)" in page) == stale, path
    async with admin.get("/machines/K3", headers=BROWSER) as answer:
        assert ("has told nothing since" in await answer.text()) == stale
