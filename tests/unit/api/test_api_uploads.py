"""Files: streamed from the request, whole or not at all; and slicers that think they talk to OctoPrint."""

from __future__ import annotations

import asyncio
import io
import json
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.unit.api.api_rig import client_of
from tests.unit.api.fake_controller import FakeController

GCODE = b"G28\nG1 X10 Y10 F3000\nM84\n"


def form(*fields: tuple[str, str], file: bytes = GCODE, name: str = "part.gcode") -> aiohttp.FormData:
    """A multipart body with one file."""
    data = aiohttp.FormData()
    for key, value in fields:
        data.add_field(key, value)
    data.add_field("file", io.BytesIO(file), filename=name, content_type="application/octet-stream")
    return data


@pytest.fixture
async def slicer(url: str):
    """A program with a submitter's key."""
    async for session in client_of(url, "slicer-token"):
        yield session


async def test_a_file_is_stored_with_its_facts(slicer: aiohttp.ClientSession, world: FakeController) -> None:
    async with slicer.post("/api/v1/programs", data=form(name="lid.gcode")) as answer:
        assert answer.status == 201
        program = await answer.json()
    assert program["name"] == "lid.gcode"
    assert program["analysis"]["lines"] == 3
    listed = await (await slicer.get("/api/v1/programs")).json()
    assert program["sha256"] in {one["sha256"] for one in listed}


async def test_a_large_file_arrives_in_blocks(slicer: aiohttp.ClientSession, world: FakeController) -> None:
    sizes = []
    receive = world.intake.receive

    async def counting(name, blocks, actor, plate):
        async def counted():
            async for block in blocks:
                sizes.append(len(block))
                yield block

        return await receive(name, counted(), actor, plate)

    world.intake.receive = counting
    content = b"G1 X1\n" * 1_000_000
    async with slicer.post("/api/v1/programs", data=form(file=content)) as answer:
        assert answer.status == 201
        assert (await answer.json())["size_bytes"] == len(content)
    assert len(sizes) > 10
    assert max(sizes) <= 256 * 1024


async def test_file_and_quantity_in_one_request(slicer: aiohttp.ClientSession) -> None:
    for fields in ((("quantity", "40"), ("material", "PETG")), (("quantity", "40"),)):
        async with slicer.post("/api/v1/jobs", data=form(*fields)) as answer:
            assert answer.status == 201
            assert (await answer.json())["quantity"] == 40


async def test_fields_after_the_file_count_too(slicer: aiohttp.ClientSession) -> None:
    data = form()
    data.add_field("quantity", "7")
    async with slicer.post("/api/v1/jobs", data=data) as answer:
        assert (await answer.json())["quantity"] == 7


@pytest.mark.parametrize("content", [b"\0\1\2", b""])
async def test_a_file_that_is_no_gcode_is_refused(
    content: bytes, slicer: aiohttp.ClientSession, world: FakeController
) -> None:
    stored = len(world.program)
    async with slicer.post("/api/v1/programs", data=form(file=content)) as answer:
        assert answer.status == 422
        said = await answer.json(content_type="application/problem+json")
    assert said["line"] == 1
    assert "bytes that no G-code has" in said["detail"]
    assert len(world.program) == stored


async def test_a_request_without_a_file_is_refused(slicer: aiohttp.ClientSession) -> None:
    data = aiohttp.FormData({"quantity": "4"})
    assert (await slicer.post("/api/v1/programs", data=data)).status == 400
    only = aiohttp.MultipartWriter("form-data")
    only.append("4").set_content_disposition("form-data", name="quantity")
    assert (await slicer.post("/api/v1/programs", data=only)).status == 400
    assert (await slicer.post("/api/v1/jobs", data=only)).status == 400


async def test_two_files_in_one_request_are_refused(slicer: aiohttp.ClientSession, world: FakeController) -> None:
    data = form()
    data.add_field("file", b"G1 X2\n", filename="b.gcode")
    jobs = len(world.job)
    assert (await slicer.post("/api/v1/jobs", data=data)).status == 400
    assert len(world.job) == jobs


def raw_request(url: str, body: bytes, length: int) -> bytes:
    """An upload as bytes, with a length of our choice."""
    head = (
        f"POST /api/v1/programs HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nX-Api-Key: slicer-token\r\n"
        f"Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {length}\r\n\r\n"
    )
    return head.encode() + body


BODY = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.gcode"\r\n\r\n' + GCODE * 100


async def test_an_upload_cut_off_in_the_middle_leaves_nothing(url: str, world: FakeController) -> None:
    stored = set(world.program)
    host, port = urlsplit(url).hostname, urlsplit(url).port
    began, ended = asyncio.Event(), asyncio.Event()
    receive = world.intake.receive

    async def watched(name, blocks, actor, plate):
        began.set()
        try:
            return await receive(name, blocks, actor, plate)
        finally:
            ended.set()

    world.intake.receive = watched
    _, writer = await asyncio.open_connection(host, port)
    writer.write(raw_request(url, BODY, 10_000_000))
    async with asyncio.timeout(5):
        await began.wait()
        writer.transport.abort()
        await ended.wait()
    assert set(world.program) == stored


async def test_a_body_without_its_closing_line_is_no_whole_file(url: str, world: FakeController) -> None:
    stored = set(world.program)
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    writer.write(raw_request(url, BODY, len(BODY)))
    async with asyncio.timeout(5):
        status = await reader.readline()
    writer.close()
    assert b" 400 " in status
    assert set(world.program) == stored


async def test_the_connection_test_of_slicers(slicer: aiohttp.ClientSession, nobody: aiohttp.ClientSession) -> None:
    said = await (await slicer.get("/api/version")).json()
    assert said["api"] and said["text"].startswith("OctoPrint")
    assert (await nobody.get("/api/version")).status == 401
    assert (await nobody.get("/api/version", headers={"X-Api-Key": "wrong"})).status == 401
    assert (await (await slicer.get("/api/server")).json())["version"]
    assert (await (await slicer.post("/api/login", json={"passive": True})).json())["name"] == "slicer"
    assert (await (await slicer.get("/api/settings")).json())["feature"]["sdSupport"] is False
    assert (await (await slicer.get("/api/printer")).json())["state"]["flags"]["ready"] is True
    assert (await (await slicer.get("/api/job")).json())["job"]["file"]["name"] is None
    for path in ("currentuser", "connection", "printerprofiles", "files", "files/local"):
        assert (await slicer.get(f"/api/{path}")).status == 200
    assert (await slicer.get("/api/files/sdcard")).status == 404


async def test_print_true_queues_one_part_and_prints_nothing_yet(
    slicer: aiohttp.ClientSession, world: FakeController
) -> None:
    data = form(("print", "true"), ("path", ""), name="bracket.gcode")
    async with slicer.post("/api/files/local", data=data, headers={"Expect": "100-continue"}) as answer:
        assert answer.status == 201
        said = await answer.json()
        assert answer.headers["Location"] == said["files"]["local"]["refs"]["resource"]
    assert (said["done"], said["effectivePrint"]) == (True, False)
    job = world.job[said["fleetctl"]["job"]]
    assert (job.quantity, job.state, job.title) == (1, "queued", "bracket.gcode")
    assert not any(call[0] == "clear" for call in world.calls)


@pytest.mark.parametrize("fields", [(), (("print", "false"),), (("select", "true"), ("print", "0"))])
async def test_without_print_the_program_is_only_stored(
    fields: tuple[tuple[str, str], ...], slicer: aiohttp.ClientSession, world: FakeController
) -> None:
    jobs = len(world.job)
    async with slicer.post("/api/files/local", data=form(*fields)) as answer:
        assert answer.status == 201
        said = await answer.json()
    assert len(world.job) == jobs
    assert said["fleetctl"]["program"] in world.program


async def test_userdata_says_how_many(slicer: aiohttp.ClientSession, world: FakeController) -> None:
    wishes = json.dumps({"quantity": 25, "material": "PETG", "machine": "K1", "note": "ignored"})
    async with slicer.post("/api/files/local", data=form(("print", "true"), ("userdata", wishes))) as answer:
        job = world.job[(await answer.json())["fleetctl"]["job"]]
    assert (job.quantity, job.material, job.machine) == (25, "PETG", "K1")
    jobs = len(world.job)
    async with slicer.post("/api/files/local", data=form(("print", "true"), ("userdata", "[1]"))) as answer:
        assert answer.status == 400
    assert len(world.job) == jobs


async def test_stopped_means_not_ready_for_slicers(slicer: aiohttp.ClientSession) -> None:
    await slicer.post("/api/v1/estop")
    said = await (await slicer.get("/api/printer")).json()
    assert said["state"]["flags"]["ready"] is False
    assert "Stopped" in (await (await slicer.get("/api/job")).json())["state"]


@pytest.mark.parametrize("path", ["/api/v1/programs", "/api/v1/jobs", "/api/files/local"])
async def test_a_plate_is_chosen_by_a_field_before_the_file(
    path: str, slicer: aiohttp.ClientSession, world: FakeController
) -> None:
    more = [("quantity", "1")] if path == "/api/v1/jobs" else []
    for fields, plate in (([("plate", "2")], 2), ([("plate", "")], None), ([], None)):
        async with slicer.post(path, data=form(*fields, *more, name="part.gcode.3mf")) as answer:
            assert answer.status == 201
        assert world.intake.plates.pop() == plate
    for wrong in ("two", "-1", "99999999"):
        async with slicer.post(path, data=form(("plate", wrong))) as answer:
            assert answer.status == 400
            assert "plate" in (await answer.json(content_type=None))["detail"]
