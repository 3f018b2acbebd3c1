"""Event streams: from any number, nothing missed, nothing twice; slow clients are cut off; the live feed of pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from fleetctl.api import sse
from fleetctl.api.events import event_frames
from fleetctl.api.live import CLIENT_LIMIT, COALESCE_S, LiveHub
from fleetctl.fleet.shapes import EventShape
from tests.unit.api.api_rig import SETTINGS, until
from tests.unit.api.fake_controller import FakeController, replace

STREAM = {"Accept": "text/event-stream"}


async def messages(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    """The messages of a stream, comments left out."""
    fields: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if not line:
            if "data" in fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


async def numbers(answer: aiohttp.ClientResponse, count: int) -> list[int]:
    """The numbers of the next events."""
    found = []
    async with asyncio.timeout(5):
        async for message in messages(answer):
            event = json.loads(message["data"])
            assert int(message["id"]) == event["sequence"]
            found.append(event["sequence"])
            if len(found) == count:
                break
    return found


def happen(world: FakeController, times: int) -> None:
    for _ in range(times):
        world.tell("machine.changed", "K1")


async def test_a_page_of_events(viewer: aiohttp.ClientSession, world: FakeController) -> None:
    happen(world, 9)
    listed = await (await viewer.get("/api/v1/events?after=3&limit=4")).json()
    assert [one["sequence"] for one in listed] == [4, 5, 6, 7]
    assert listed[0]["data"] == {}


async def test_a_stream_resumes_from_any_number(viewer: aiohttp.ClientSession, world: FakeController) -> None:
    happen(world, 1200)
    async with viewer.get("/api/v1/events", headers=STREAM | {"Last-Event-ID": "0"}) as answer:
        assert await numbers(answer, 1201) == list(range(1, 1202))
    async with viewer.get("/api/v1/events?after=1190", headers=STREAM) as answer:
        read = asyncio.ensure_future(numbers(answer, 16))
        happen(world, 5)
        assert await read == list(range(1191, 1207))
    async with viewer.get("/api/v1/events?after=3", headers=STREAM | {"Last-Event-ID": "1205"}) as answer:
        assert await numbers(answer, 1) == [1206]


async def test_without_a_number_the_stream_begins_with_the_next_event(
    viewer: aiohttp.ClientSession, world: FakeController
) -> None:
    happen(world, 5)
    async with viewer.get("/api/v1/events", headers=STREAM) as answer:
        await answer.content.readuntil(b"\n\n")
        await until(lambda: world.bus.subscriptions[1:])
        happen(world, 1)
        assert await numbers(answer, 1) == [7]


@pytest.mark.parametrize("number", ["99", "-1", "soon", "1e3", "٣"])
async def test_a_number_that_was_never_given_is_refused(number: str, viewer: aiohttp.ClientSession) -> None:
    sent = {"Last-Event-ID": number.encode().decode("latin-1")}
    async with viewer.get("/api/v1/events", headers=STREAM | sent) as answer:
        assert answer.status == 400


async def test_events_that_happen_while_the_table_is_read_come_once() -> None:
    world = FakeController()
    happen(world, 1000)
    read = world.views.events

    async def read_while_things_happen(after: int, limit: int) -> list[EventShape]:
        page = await read(after, limit)
        if after < 1000:
            happen(world, 3)  # in the table already, and in the subscription
        elif not page:
            happen(world, 1)  # after the last look at the table: only in the subscription
        return page

    world.views.events = read_while_things_happen  # type: ignore[method-assign]
    seen = []
    async with asyncio.timeout(5):
        async for data in event_frames(world, 0):
            seen.append(int(data.split(b"\n")[0][4:]))
            if seen[-1] == 1007:
                break
    assert seen == list(range(1, 1008))


async def test_i9_a_client_that_is_too_slow_is_disconnected() -> None:
    world = FakeController()
    frames = event_frames(world, 0)
    happen(world, 1)
    assert b"id: 1\n" in await anext(frames)
    happen(world, 1100)  # more than its queue holds, while it reads nothing
    async with asyncio.timeout(5):
        rest = [data async for data in frames]
    last = int(rest[-1].split(b"\n")[0][4:])
    assert [int(data.split(b"\n")[0][4:]) for data in rest] == list(range(2, last + 1))
    assert not world.bus.subscriptions


async def test_a_silent_stream_has_a_heartbeat_and_ends_with_the_daemon(
    monkeypatch: pytest.MonkeyPatch, world: FakeController
) -> None:
    from fleetctl.api import server

    monkeypatch.setattr(server, "Streams", lambda: sse.Streams(heartbeat_s=0.02))
    runner = await server.listen(server.make_app(world, SETTINGS), "127.0.0.1", 0)
    async with aiohttp.ClientSession(headers={"X-Api-Key": "viewer-token"}) as client:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/events"
        async with client.get(url, headers=STREAM) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            assert answer.headers["Cache-Control"] == "no-store"
            async with asyncio.timeout(5):
                assert await answer.content.readuntil(b"\n\n") == b"retry: 2000\n\n"
                assert await answer.content.readuntil(b"\n\n") == b":\n\n"
                await runner.cleanup()
                await answer.content.read()  # the end
    assert not world.bus.subscriptions


async def test_a_client_that_leaves_is_forgotten(monkeypatch: pytest.MonkeyPatch, world: FakeController) -> None:
    from fleetctl.api import server

    monkeypatch.setattr(server, "Streams", lambda: sse.Streams(heartbeat_s=0.02))
    runner = await server.listen(server.make_app(world, SETTINGS), "127.0.0.1", 0)
    try:
        own = len(world.bus.subscriptions)
        async with aiohttp.ClientSession(headers={"X-Api-Key": "viewer-token"}) as client:
            answer = await client.get(
                f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1/events", headers=STREAM | {"Last-Event-ID": "0"}
            )
            assert await numbers(answer, 1) == [1]
            assert len(world.bus.subscriptions) == own + 1
            answer.close()
            await until(lambda: len(world.bus.subscriptions) == own)
    finally:
        await runner.cleanup()


async def test_telemetry_is_a_stream_by_machine(viewer: aiohttp.ClientSession, world: FakeController) -> None:
    async def watch(interval_s: float = 0.25) -> AsyncIterator[dict[str, bytes]]:
        yield {"K1": b'{"acknowledged_line":4}', "K2": b'{"acknowledged_line":9}'}

    world.telemetry.watch = watch  # type: ignore[method-assign]
    async with viewer.get("/api/v1/telemetry?machines=K2,K3") as answer:
        async with asyncio.timeout(5):
            first = await anext(messages(answer))
    assert json.loads(first["data"]) == {"K2": {"acknowledged_line": 9}}


async def live_messages(hub: LiveHub, count: int) -> list[tuple[str, dict[str, object]]]:
    """The next messages of the feed for pages."""
    found = []
    async with asyncio.timeout(5):
        async for data in hub.frames():
            event, text = data.decode().strip().split("\n")
            found.append((event.removeprefix("event: "), json.loads(text.removeprefix("data: "))))
            if len(found) == count:
                break
    return found


async def test_pages_are_told_what_a_change_is_about(world: FakeController) -> None:
    hub = LiveHub(world)
    async with hub.running():
        read = asyncio.ensure_future(live_messages(hub, 3))
        await until(lambda: hub._clients)
        world.tell("part.good", "P-00009")
        world.tell("run.running", "R-0003", job="J-0001")
        world.tell("stop.pressed", "everything", outcomes={"K1": "sent"})
        first, values, change = await read
    assert first == ("c", {"seq": 1, "about": []})
    assert values[0] == "v" and values[1]["K1"]["p"] == "20 %"
    assert change[0] == "c" and change[1]["seq"] == 4
    # A part's page, its run, its machine and its job all show it; a run's machine is not in the event.
    assert set(change[1]["about"]) >= {"P-00009", "R-0001", "K1", "J-0001", "R-0003", "M1", "#part", "#run", "#stop"}


async def test_nothing_is_read_for_pages_that_are_not_there_and_once_for_all_that_are(world: FakeController) -> None:
    asked: list[list[str]] = []
    belongings = world.views.belongings

    async def counted(codes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        asked.append(list(codes))
        return await belongings(codes)

    world.views.belongings = counted  # type: ignore[method-assign]
    hub = LiveHub(world)
    async with hub.running():
        await asyncio.sleep(0)  # it listens now
        for _ in range(3):
            world.tell("part.good", "P-00009")
        await asyncio.sleep(COALESCE_S + 0.1)
        assert asked == []
        reads = [asyncio.ensure_future(live_messages(hub, 3)) for _ in range(5)]
        await until(lambda: len(hub._clients) == 5)
        world.tell("part.good", "P-00009")
        world.tell("run.running", "R-0003")
        for *_, change in await asyncio.gather(*reads):
            assert set(change[1]["about"]) >= {"P-00009", "R-0001", "R-0003", "M1"}
    assert asked == [["P-00009", "R-0003"]]


async def test_values_are_sent_when_they_change_and_only_those(world: FakeController) -> None:
    hub = LiveHub(world)
    async with hub.running():
        read = asyncio.ensure_future(live_messages(hub, 4))
        await until(lambda: hub._clients)
        world.read("K1", temperatures_degc={"nozzle": (215.4, 215.0)})
        await until(world.telemetry.changed.empty)
        run = world.machine["K1"].run
        progress = replace(run.progress, fraction=0.5, acknowledged_line=15000)
        world.read("K1", run=replace(run, progress=progress))
        messages_ = await read
    assert [kind for kind, _ in messages_] == ["c", "v", "v", "v"]
    assert messages_[3][1] == {"K1": {"p": "50 %", "line": "15,000 of 30,000"}}


async def test_a_page_that_reads_nothing_is_cut_off_and_the_others_go_on(world: FakeController) -> None:
    hub = LiveHub(world)
    slow, other = hub.frames(), hub.frames()
    await anext(slow)
    await anext(other)
    for number in range(CLIENT_LIMIT + 5):
        hub._send(b"%d" % number)
        if number:
            continue
        assert b"event: v" in await anext(other)
        assert await anext(other) == b"0"
    async with asyncio.timeout(5):
        rest = [data async for data in slow]
    assert len(rest) == CLIENT_LIMIT
    assert len(hub._clients) <= 1
