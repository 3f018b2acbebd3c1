"""`/programs/{sha}/transformations`: what is asked reaches the fleet as it was said, and its answers come back."""

from __future__ import annotations

import aiohttp
import pytest

from tests.unit.api.fake_controller import FakeController

SHA = "4f0ca1"
RESTART = {"name": "restart", "parameters": {"layer": 12, "z_strategy": "at_height", "z_mm": 2.4}}


async def test_a_new_program_is_made(admin: aiohttp.ClientSession, world: FakeController) -> None:
    async with admin.post(f"/api/v1/programs/{SHA}/transformations", json=RESTART) as answer:
        assert answer.status == 201
        made = await answer.json()
    parent = next(sha for sha in world.program if sha.startswith(SHA))
    assert made["parent_sha256"] == parent and made["sha256"] != parent
    assert made["transformation"]["name"] == "restart"
    assert world.calls[-1] == ("transform", SHA, "restart", RESTART["parameters"], "admin")


async def test_a_preview_is_lines_with_reasons(viewer: aiohttp.ClientSession) -> None:
    async with viewer.post(f"/api/v1/programs/{SHA}/transformations/preview", json=RESTART) as answer:
        assert answer.status == 200
        shown = await answer.json()
    assert shown["first_line"] == 77 and shown["warnings"] == ["Look at the nozzle."]
    assert shown["lines"] == [{"text": "G28 X Y", "reason": "home X and Y only"}]


async def test_a_viewer_may_look_but_not_make(viewer: aiohttp.ClientSession) -> None:
    async with viewer.post(f"/api/v1/programs/{SHA}/transformations", json=RESTART) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "melt"}, 400, "usage"),
        ({"name": "restart", "parameters": {"line": 1}}, 422, "cannot-transform"),
        ({"parameters": {}}, 400, "usage"),
    ],
)
async def test_a_refusal_says_what_to_do(
    admin: aiohttp.ClientSession, body: dict[str, object], status: int, code: str
) -> None:
    async with admin.post(f"/api/v1/programs/{SHA}/transformations", json=body) as answer:
        problem = await answer.json()
    assert (answer.status, problem["code"]) == (status, code)
