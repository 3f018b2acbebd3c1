"""The JSON resources: what is asked reaches the controller, what it says comes back, and nonsense changes nothing."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fleetctl import errors
from fleetctl.api.problems import from_error
from fleetctl.model.profile import Setup
from tests.unit.api.fake_controller import FakeController
from tests.unit.api.fake_floor import SHA


async def problem(answer: aiohttp.ClientResponse) -> dict[str, object]:
    """A refusal as RFC 9457 has it."""
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    said = await answer.json(content_type="application/problem+json")
    assert said["status"] == answer.status
    assert said["type"] and said["title"] and said["detail"] and said["code"]
    return said


async def test_machines_and_their_verbs(operator: aiohttp.ClientSession, world: FakeController) -> None:
    machines = await (await operator.get("/api/v1/machines")).json()
    assert [one["name"] for one in machines] == ["K1", "K2", "K3", "K4", "M1", "M2"]
    one = await (await operator.get("/api/v1/machines/K4")).json()
    assert one["why"]["action"] == {"label": "Cleared", "target": "machines/K4", "verb": "clear"}
    body = {"good": 5, "bad": ["P-00020"], "version": one["version"]}
    cleared = await (await operator.post("/api/v1/machines/K4/clear", json=body)).json()
    assert cleared["clearance"] == "clear"
    assert world.calls == [("clear", "K4", 5, ("P-00020",), "operator:lan")]
    for verb in ("reset", "home", "trust-position", "confirm-board", "reconnect"):
        assert (await operator.post(f"/api/v1/machines/K3/{verb}")).status == 200
    verbs = ["clear", "reset", "home", "trust-position", "confirm-board", "reconnect"]
    assert [call[0] for call in world.calls] == verbs


async def test_machine_settings(
    operator: aiohttp.ClientSession, admin: aiohttp.ClientSession, world: FakeController
) -> None:
    assert (await operator.post("/api/v1/machines/K1/service", json={"service": "maintenance"})).status == 200
    assert world.machine["K1"].service == "maintenance"
    setup = {"setup": {"material": "ABS", "nozzle_mm": 0.6, "offsets_mm": {"G54": [1, 2, 3]}}}
    assert (await operator.post("/api/v1/machines/K1/setup", json=setup)).status == 200
    assert world.machine["K1"].setup == Setup(material="ABS", nozzle_mm=0.6, offsets_mm={"G54": (1.0, 2.0, 3.0)})
    assert (await operator.post("/api/v1/machines/K1/unattended", json={"on": True})).status == 403
    assert (await admin.post("/api/v1/machines/M1/unattended", json={"on": True})).status == 200
    assert world.machine["M1"].unattended_by == "admin"
    moved = {"port": "tcp://h:1", "options": {"dtr": "off"}}
    assert (await operator.post("/api/v1/machines/K1/port", json=moved)).status == 403
    assert (await (await admin.post("/api/v1/machines/K1/port", json=moved)).json())["port"] == "tcp://h:1"
    assert world.calls[-1] == ("port", "K1", "tcp://h:1", {"dtr": "off"}, "admin")
    said = await (await operator.post("/api/v1/machines/K1/command", json={"text": "M115"})).json()
    assert said == {"lines": ["echo:M115", "ok"]}


async def test_adding_and_removing_a_machine(admin: aiohttp.ClientSession, world: FakeController) -> None:
    found = await (await admin.get("/api/v1/machines/discover")).json()
    assert found[0]["port"] == "/dev/ttyUSB0"
    body = {"name": "ender1", "driver": "marlin", "port": "/dev/ttyUSB0", "profile": "generic-220"}
    async with admin.post("/api/v1/machines", json=body) as answer:
        assert answer.status == 201
    assert (await problem(await admin.post("/api/v1/machines", json=body)))["machine"] == "ender1"
    assert (await admin.delete("/api/v1/machines/ender1")).status == 200
    assert "ender1" not in world.machine


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("machines/K4/clear", "machine"),
        ("machines/K3/reset", "machine"),
        ("machines/K3/home", "machine"),
        ("machines/K3/trust-position", "machine"),
        ("machines/K3/confirm-board", "machine"),
        ("machines/K3/service", "machine"),
        ("runs/R-0001/pause", "run"),
        ("runs/R-0001/cancel", "run"),
        ("jobs/J-0002/cancel", "job"),
        ("parts/P-00008/disposition", "part"),
    ],
)
async def test_a_late_tap_does_nothing(
    path: str, what: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    before = (dict(world.machine), dict(world.run), dict(world.job), dict(world.part))
    body = {"version": 1} | ({"disposition": "scrap"} if what == "part" else {})
    said = await problem(await operator.post(f"/api/v1/{path}", json=body))
    assert (said["status"], said["code"]) == (409, "conflict")
    assert before == (world.machine, world.run, world.job, world.part)
    assert not world.calls


async def test_jobs(operator: aiohttp.ClientSession, world: FakeController) -> None:
    body = {"program_sha256": SHA, "quantity": 12, "material": "PETG"}
    async with operator.post("/api/v1/jobs", json=body) as answer:
        assert answer.status == 201
        job = await answer.json()
    assert (job["code"], job["quantity"], job["state"]) == ("J-0003", 12, "queued")
    held = await (await operator.post("/api/v1/jobs/J-0003/hold", json={"reason": "wrong colour"})).json()
    assert held["why"]["sentence"] == "J-0003 is held: wrong colour."
    assert (await (await operator.post("/api/v1/jobs/J-0003/release", json={})).json())["state"] == "queued"
    assert (await (await operator.post("/api/v1/jobs/J-0003/cancel", json={})).json())["state"] == "cancelled"
    explained = await (await operator.get("/api/v1/jobs/J-0002/explain")).json()
    assert {one["machine"] for one in explained["machines"]} == set(world.machine)


async def test_runs_and_parts(operator: aiohttp.ClientSession) -> None:
    active = await (await operator.get("/api/v1/runs?machine=K1&active=true")).json()
    assert [one["code"] for one in active] == ["R-0001"]
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert (await (await operator.post(f"/api/v1/runs/R-0001/{verb}")).json())["state"] == state
    assert (await (await operator.post("/api/v1/runs/R-0003/start", json={})).json())["state"] == "running"
    listed = await (await operator.get("/api/v1/parts?job=J-0001&limit=3&after=P-00002")).json()
    assert [one["code"] for one in listed] == ["P-00003", "P-00004", "P-00005"]
    inspection = {"result": "pass", "value": 12.01, "characteristic": "width"}
    async with operator.post("/api/v1/parts/P-00008/inspections", json=inspection) as answer:
        assert answer.status == 201
        part = await answer.json()
    assert (part["state"], part["results"][-1]["given_by"]) == ("good", "operator:lan")
    disposed = await (await operator.post("/api/v1/parts/P-00008/disposition", json={"disposition": "scrap"})).json()
    assert disposed["state"] == "scrap"


async def test_preflight_of_one_machine_and_of_all(viewer: aiohttp.ClientSession) -> None:
    one = await (await viewer.get("/api/v1/programs/4f0ca1/preflight?machine=M1")).json()
    assert [(said["machine"], said["passed"]) for said in one] == [("M1", False)]
    assert one[0]["findings"][0]["line"] == 3
    every = await (await viewer.get("/api/v1/programs/4f0ca1/preflight")).json()
    assert len(every) == 6


async def test_the_tool_path_of_a_program(viewer: aiohttp.ClientSession) -> None:
    async with viewer.get(f"/api/v1/programs/{SHA}/toolpath?detail=coarse") as answer:
        packed = await answer.read()
        assert (answer.status, answer.content_type) == (200, "application/octet-stream")
        assert "immutable" in answer.headers["Cache-Control"]
    assert packed[:4] == b"FCTP" and b'"asked_mm":0.5' in packed
    async with viewer.get(f"/api/v1/programs/{SHA[:8]}/toolpath") as answer:
        assert b'"asked_mm":0.1' in await answer.read()
        assert "immutable" not in answer.headers.get("Cache-Control", "")
    async with viewer.get(f"/api/v1/programs/{SHA}/toolpath?detail=finest") as answer:
        assert answer.status == 400 and "finest" in str((await problem(answer))["detail"])
    async with viewer.get("/api/v1/programs/ffffff/toolpath") as answer:
        assert answer.status == 404


async def test_estop_stays_pressed_until_released(
    operator: aiohttp.ClientSession, viewer: aiohttp.ClientSession
) -> None:
    assert (await viewer.post("/api/v1/estop")).status == 403
    pressed = await (await operator.post("/api/v1/estop")).json()
    assert pressed["stopped"] and pressed["outcomes"]["K1"] == "confirmed"
    assert "not a safety-rated" in pressed["note"]
    assert (await (await viewer.get("/api/v1/estop")).json())["stopped"]
    assert not (await (await operator.delete("/api/v1/estop")).json())["stopped"]
    await operator.post("/api/v1/estop")
    assert not (await (await operator.post("/api/v1/estop/release")).json())["stopped"]
    assert (await (await operator.post("/api/v1/machines/K1/stop")).json())["outcomes"] == {"K1": "confirmed"}


async def test_tokens_are_shown_once_and_work(admin: aiohttp.ClientSession, url: str) -> None:
    async with admin.post("/api/v1/tokens", json={"name": "prusa", "role": "submit"}) as answer:
        assert answer.status == 201
        secret = (await answer.json())["secret"]
    async with aiohttp.ClientSession(url, headers={"X-Api-Key": secret}) as slicer:
        assert (await slicer.get("/api/version")).status == 200
        assert (await slicer.post("/api/v1/machines/K4/clear")).status == 403
    said = await problem(await admin.post("/api/v1/tokens", json={"name": "x", "role": "king"}))
    assert said["status"] == 400


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("/api/v1/jobs", b"{", "not JSON"),
        ("/api/v1/jobs", b"[1]", "object"),
        ("/api/v1/jobs", b'{"program_sha256": "aa"}', "quantity"),
        ("/api/v1/jobs", b'{"program_sha256": "4f0ca1", "quantity": "many"}', "quantity"),
        ("/api/v1/jobs", b'{"program_sha256": "4f0ca1", "quantity": 2, "prioritty": 1}', "prioritty"),
        ("/api/v1/jobs", b'{"program_sha256": "4f0ca1", "quantity": 0}', "quantity"),
        ("/api/v1/machines/K1/service", b'{"service": "broken"}', "service"),
        ("/api/v1/machines/K1/command", b"{}", "text"),
        ("/api/v1/parts/P-00008/inspections", b'{"result": "maybe"}', "result"),
        ("/api/v1/estop/release", b'{"a": 1}', "'a'"),
        ("/api/v1/jobs", b"\xff\xfe", "not JSON"),
        ("/api/v1/jobs", b'{"program_sha256": "4f0ca1", "quantity": 1e400}', ""),
    ],
)
async def test_nonsense_is_refused_by_name_and_changes_nothing(
    path: str, data: bytes, words: str, operator: aiohttp.ClientSession, world: FakeController
) -> None:
    events = len(world.log)
    async with operator.post(path, data=data, headers={"Content-Type": "application/json"}) as answer:
        said = await problem(answer)
    assert said["status"] == 400
    assert words in f"{said['detail']} {said.get('hint', '')}"
    assert len(world.log) == events


@pytest.mark.parametrize("query", ["limit=many", "active=perhaps", "colour=red"])
async def test_a_query_that_makes_no_sense_is_refused(query: str, viewer: aiohttp.ClientSession) -> None:
    assert (await problem(await viewer.get(f"/api/v1/runs?{query}")))["status"] == 400


async def test_what_is_not_there_is_404(viewer: aiohttp.ClientSession) -> None:
    for path in ("machines/X", "jobs/J-9999", "runs/R-9999", "parts/P-99999", "programs/ffffff", "nothing"):
        said = await problem(await viewer.get(f"/api/v1/{path}"))
        assert said["status"] == 404
    assert (await problem(await viewer.put("/api/v1/machines")))["code"] == "method-not-allowed"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound(), 404),
        (errors.Conflict(), 409),
        (errors.IllegalTransition(), 409),
        (errors.LatchClosed(), 409),
        (errors.PlaceTaken(), 409),
        (errors.UsageError(), 400),
        (errors.NotGcode(line=7), 422),
        (errors.ForbiddenByte(), 422),
        (errors.NotPermitted(), 403),
        (errors.AgentUnavailable(), 503),
        (errors.StoreUnavailable(), 503),
        (errors.MachineBusy(machine="K1"), 409),
        (errors.MachineError(), 409),
        (errors.LinkError(), 502),
        (errors.FleetctlError(), 500),
    ],
)
def test_each_error_has_its_status(error: errors.FleetctlError, status: int) -> None:
    said = from_error(error)
    assert (said.status, said.code, said.line, said.machine) == (status, error.code, error.line, error.machine)


def test_every_error_class_has_a_status_that_is_no_bug() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.FleetctlError)
    ]
    assert {kind for kind in kinds if from_error(kind()).status == 500} <= {errors.FleetctlError}


async def test_a_bug_is_500_with_a_reference_and_no_detail(
    viewer: aiohttp.ClientSession, world: FakeController, caplog: pytest.LogCaptureFixture
) -> None:
    world.views.machines = None  # type: ignore[assignment]
    said = await problem(await viewer.get("/api/v1/machines"))
    assert said["code"] == "internal"
    assert "NoneType" not in str(said)
    reference = str(said["hint"]).rstrip(".").rsplit(" ", 1)[-1]
    assert reference in caplog.text


async def test_health(nobody: aiohttp.ClientSession, world: FakeController) -> None:
    said = await (await nobody.get("/healthz")).json()
    assert (said["status"], said["sequence"]) == ("ok", 1)

    async def unavailable() -> int:
        raise errors.StoreUnavailable()

    world.views.last_sequence = unavailable  # type: ignore[method-assign]
    assert (await problem(await nobody.get("/healthz")))["status"] == 503


async def test_a_verb_answers_with_what_the_machine_then_reported(
    operator: aiohttp.ClientSession, world: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = world.runs.pause

    async def later(code: str, actor: str) -> None:
        world.tell("run.verb", code, actor)
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(at_once(code, actor)))

    monkeypatch.setattr(world.runs, "pause", later)
    said = await (await operator.post("/api/v1/runs/R-0001/pause")).json()
    assert said["state"] == "paused"


async def test_homing_answers_with_the_position_that_was_then_reported(
    operator: aiohttp.ClientSession, world: FakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.change_machine("K3", "x", position="suspect")
    at_once = world.machines.home

    async def later(name: str, actor: str) -> None:
        world.tell("machine.verb", name, actor)
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(at_once(name, actor)))

    monkeypatch.setattr(world.machines, "home", later)
    said = await (await operator.post("/api/v1/machines/K3/home")).json()
    assert said["position"] == "known"
