"""What a person does by hand over HTTP: each deed with its body, and jogging over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from fleetctl.api.operating import FRAMES_MOST
from fleetctl.errors import Conflict
from fleetctl.model.deeds import Heat, JogStep, Override, Probe, SetWorkOffset
from tests.unit.api.api_rig import until
from tests.unit.api.fake_controller import FakeController

M1 = "/api/v1/machines/M1"

DEEDS = [
    ("POST", "jog-step", {"distance_mm": {"X": 1.5}, "feed_mm_s": 5}, JogStep(distance_mm={"X": 1.5}, feed_mm_s=5.0)),
    ("POST", "override", {"what": "feed", "percent": 80}, Override(what="feed", percent=80.0)),
    ("POST", "heat", {"heater": "T0", "target_degc": 200}, Heat(heater="T0", target_degc=200.0)),
    ("PUT", "work-offsets", {"axes_mm": {"Z": 0}}, SetWorkOffset(frame="G54", axes_mm={"Z": 0.0})),
    (
        "POST",
        "probe",
        {"distance_mm": 10, "feed_mm_s": 1},
        Probe(axis="Z", direction=-1, distance_mm=10.0, feed_mm_s=1.0),
    ),
]


@pytest.mark.parametrize(("method", "verb", "body", "deed"), DEEDS)
async def test_a_deed_reaches_the_fleet_as_it_was_asked(
    world: FakeController, operator: aiohttp.ClientSession, method: str, verb: str, body: object, deed: object
) -> None:
    async with operator.request(method, f"{M1}/{verb}", json=body) as answer:
        assert answer.status == 200, await answer.text()
    assert world.calls == [("by hand", "M1", deed, "operator:lan")]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("jog-step", {"distance_mm": {"Q": 1}, "feed_mm_s": 5}),
        ("jog-step", {"distance_mm": {"X": "far"}, "feed_mm_s": 5}),
        ("override", {"what": "speed", "percent": 80}),
        ("probe", {"direction": 0, "distance_mm": 10, "feed_mm_s": 1}),
        ("heat", {"heater": "T0"}),
    ],
)
async def test_what_makes_no_sense_is_refused_and_not_done(
    world: FakeController, operator: aiohttp.ClientSession, verb: str, body: object
) -> None:
    async with operator.post(f"{M1}/{verb}", json=body) as answer:
        assert answer.status == 422 or answer.status == 400, await answer.text()
    assert world.calls == []


async def test_work_offsets_are_shown(operator: aiohttp.ClientSession) -> None:
    async with operator.get(f"{M1}/work-offsets") as answer:
        assert await answer.json() == {
            "offsets_mm": {"G54": [-100.0, -50.0, -20.0]},
            "on_record_mm": {},
            "differ": [],
        }


async def test_a_hand_on_the_keys_is_passed_on_and_lets_go_with_the_socket(
    world: FakeController, operator: aiohttp.ClientSession
) -> None:
    async with operator.ws_connect(f"{M1}/jog") as socket:
        await socket.send_str('{"velocity_mm_s": {"X": 10.0}, "at_ms": 12500}')
        await socket.send_str("{}")
        (channel,) = world.jogging.channels
        await until(lambda: len(channel.beats) == 2)
        assert channel.beats == [({"X": 10.0}, 12.5), ({}, None)]
        channel.refused = "A run is on it."
        channel.news.set()
        assert await socket.receive_json(timeout=5) == {"refused": "A run is on it."}
        assert not channel.closed.is_set()
    async with asyncio.timeout(5):
        await channel.closed.wait()


@pytest.mark.parametrize("frame", ["[]", '{"velocity_mm_s": {"Q": 1}}', '{"velocity_mm_s": {"X": "fast"}}', "no"])
async def test_a_frame_that_is_none_ends_the_jog(
    world: FakeController, operator: aiohttp.ClientSession, frame: str
) -> None:
    async with operator.ws_connect(f"{M1}/jog") as socket:
        await socket.send_str(frame)
        message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE and message.data == 1007
    async with asyncio.timeout(5):
        await world.jogging.channels[0].closed.wait()
    assert world.jogging.channels[0].beats == []


async def test_who_floods_the_socket_loses_it_and_is_told_why(
    world: FakeController, operator: aiohttp.ClientSession
) -> None:
    async with operator.ws_connect(f"{M1}/jog") as socket:
        with contextlib.suppress(ConnectionError):
            for number in range(5000):
                await socket.send_json({"velocity_mm_s": {"X": 1.0 + number}, "at_ms": float(number)})
        message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE and message.data == 1008
        assert "Send one every 80 ms" in str(message.extra)
    async with asyncio.timeout(5):
        await world.jogging.channels[0].closed.wait()
    assert len(world.jogging.channels[0].beats) == FRAMES_MOST


async def test_a_heap_of_what_was_held_up_for_seconds_is_no_flood(
    world: FakeController, operator: aiohttp.ClientSession
) -> None:
    async with operator.ws_connect(f"{M1}/jog") as socket:
        for number in range(60):  # five seconds of a page
            await socket.send_json({"velocity_mm_s": {"X": 1.0}, "at_ms": 80.0 * number})
        await until(lambda: len(world.jogging.channels[0].beats) == 60)
        assert not socket.closed


async def test_a_machine_that_is_locked_out_meanwhile_is_let_go_of(
    world: FakeController, operator: aiohttp.ClientSession
) -> None:
    async with operator.ws_connect(f"{M1}/jog") as socket:
        await until(lambda: world.jogging.channels)
        world.jogging.forbidden = Conflict("It is locked out.")
        world.jogging.channels[0].news.set()
        message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE and message.data == 1008
        assert "locked out" in str(message.extra)


async def test_whoever_may_not_operate_any_more_jogs_no_more(
    world: FakeController, operator: aiohttp.ClientSession
) -> None:
    async with operator.ws_connect(f"{M1}/jog") as socket:
        await until(lambda: world.jogging.channels)
        await world.tokens.end("operator-token")
        world.jogging.channels[0].news.set()
        message = await socket.receive(timeout=5)
        while message.type is aiohttp.WSMsgType.TEXT:
            message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE and message.data == 1008
    async with asyncio.timeout(5):
        await world.jogging.channels[0].closed.wait()


async def test_another_sites_page_cannot_jog(operator: aiohttp.ClientSession, world: FakeController) -> None:
    """Any page may open a WebSocket anywhere, and the browser sends the cookie along: only our own pages may."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await operator.ws_connect(f"{M1}/jog", origin="http://elsewhere.example")
    assert refused.value.status == 403
    assert world.jogging.channels == []


async def test_a_viewer_cannot_jog(viewer: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await viewer.ws_connect(f"{M1}/jog")
    assert refused.value.status == 403


async def test_a_plain_request_is_told_that_it_is_a_websocket(operator: aiohttp.ClientSession) -> None:
    async with operator.get(f"{M1}/jog") as answer:
        assert answer.status == 422 or answer.status == 400
        assert "WebSocket" in (await answer.json())["title"] or "WebSocket" in (await answer.json())["detail"]
