"""Each command: what it asks the daemon, what it prints, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleetctl.cli import invoke as fleetctl
from fleetctl.fleet.shapes import ExplainShape, MachineVerdict, ResultShape, StopShape
from fleetctl.model.messages import PromptShown
from fleetctl.model.profile import Setup
from fleetctl.plugin.hookspecs import FoundPort
from fleetctl.scheduling.reason import Need, Reason

from . import shapes
from .daemon import PretendDaemon

WAIT = Reason(code="uncleared", sentence="K1 waits: nobody has confirmed that it is clear.", need=Need.CLEAR_FOR_WORK)


def ask(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = fleetctl(words)
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), " ".join(err.split())


LISTINGS: dict[str, tuple[str, Any, str]] = {
    "job list": ("GET jobs", [shapes.job(why=WAIT)], WAIT.sentence),
    "job show J-0001": ("GET jobs/J-0001", shapes.job(), "2 good of 6 · 1 running · 3 to make · 1 scrap"),
    "job explain J-0001": (
        "GET jobs/J-0001/explain",
        ExplainShape(job="J-0001", reason=WAIT, machines=(MachineVerdict(machine="K9", fits=False, reason=WAIT),)),
        "K9 cannot " + WAIT.sentence,
    ),
    "run list": ("GET runs", [shapes.run()], "R-0007 J-0001 K1 bracket.gcode 25% running"),
    "run show R-0007": ("GET runs/R-0007", shapes.run(), "120 of 480 acknowledged, 124 sent"),
    "part list": ("GET parts", [shapes.part()], "P-00003 J-0001 2 R-0007 K1 made"),
    "part show P-00003": (
        "GET parts/P-00003",
        shapes.part(
            results=(
                ResultShape(
                    check="gauge",
                    result="fail",
                    reason="too large",
                    characteristic="width",
                    value=20.3,
                    least=19.9,
                    greatest=20.1,
                    unit="mm",
                    given_by="gauge",
                    at_s=5.0,
                ),
            )
        ),
        "width 20.3 mm (19.9..20.1) gauge too large",
    ),
    "machine list": ("GET machines", [shapes.machine()], "K1 ready Ready."),
    "machine show K1": ("GET machines/K1", shapes.machine(), "generic-220"),
    "machine discover": (
        "GET machines/discover",
        [FoundPort(port="/dev/ttyUSB0", title="CH340", driver="marlin")],
        "/dev/ttyUSB0 CH340 marlin",
    ),
}


@pytest.mark.parametrize("words", LISTINGS)
def test_a_listing_shows_the_daemons_own_words(
    words: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    request, answer, expected = LISTINGS[words]
    daemon.answer(request, answer)
    status, out, _ = ask(daemon, capsys, *words.split())
    assert status == 0 and expected in out
    assert daemon.asked[0].headers["Authorization"] == "Bearer secret-of-the-test"


@pytest.mark.parametrize("words", LISTINGS)
def test_a_listing_as_json_is_the_daemons_answer(
    words: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    request, answer, _ = LISTINGS[words]
    daemon.answer(request, answer)
    status, out, _ = ask(daemon, capsys, *words.split(), "--json")
    assert status == 0 and json.loads(out) == json.loads(daemon.answers[_key(request)][1])


def _key(request: str) -> str:
    method, path = request.split(" ")
    return f"{method} /api/v1/{path}"


VERBS: dict[str, tuple[str, Any, Any]] = {
    "job hold J-0001 --reason wobbles": ("POST jobs/J-0001/hold", {"reason": "wobbles"}, shapes.job(state="held")),
    "job release J-0001": ("POST jobs/J-0001/release", {}, shapes.job()),
    "job cancel J-0001": ("POST jobs/J-0001/cancel", {}, shapes.job(state="cancelled")),
    "run start R-0007": ("POST runs/R-0007/start", {}, shapes.run()),
    "run pause R-0007": ("POST runs/R-0007/pause", {}, shapes.run(state="paused")),
    "run resume R-0007": ("POST runs/R-0007/resume", {}, shapes.run()),
    "run cancel R-0007": ("POST runs/R-0007/cancel", {}, shapes.run(state="cancelled")),
    "machine clear K1 --good 5 --bad P-00001": (
        "POST machines/K1/clear",
        {"good": 5, "bad": ["P-00001"]},
        shapes.machine(),
    ),
    "machine reset K1": ("POST machines/K1/reset", {}, shapes.machine()),
    "machine home K1": ("POST machines/K1/home", {}, shapes.machine()),
    "machine trust-position K1": ("POST machines/K1/trust-position", {}, shapes.machine()),
    "machine port K1 tcp://h:1 --option dtr=off --option baud=": (
        "POST machines/K1/port",
        {"port": "tcp://h:1", "options": {"dtr": "off", "baud": ""}},
        shapes.machine(),
    ),
    "machine confirm-board K1": ("POST machines/K1/confirm-board", {}, shapes.machine()),
    "machine lockout K1": ("POST machines/K1/service", {"service": "locked-out"}, shapes.machine()),
    "machine lockout K1 --maintenance": ("POST machines/K1/service", {"service": "maintenance"}, shapes.machine()),
    "machine lockout K1 --release": ("POST machines/K1/service", {"service": "in-service"}, shapes.machine()),
    "machine reconnect K1": ("POST machines/K1/reconnect", {}, shapes.machine()),
    "machine unattended K1 on": ("POST machines/K1/unattended", {"on": True}, shapes.machine()),
    "machine unattended K1 off": ("POST machines/K1/unattended", {"on": False}, shapes.machine()),
    "machine command K1 M115": ("POST machines/K1/command", {"text": "M115"}, {"lines": ["FIRMWARE_NAME:Marlin"]}),
    "machine jog K1 X=10 y=-0.5 --feed 20": (
        "POST machines/K1/jog-step",
        {"distance_mm": {"X": 10.0, "Y": -0.5}, "feed_mm_s": 20.0},
        {},
    ),
    "machine heat K1 T0=200": ("POST machines/K1/heat", {"heater": "T0", "target_degc": 200.0}, {}),
    "machine override K1 feed=80": ("POST machines/K1/override", {"what": "feed", "percent": 80.0}, {}),
    "machine offsets M1 --frame g55 Z=0": (
        "PUT machines/M1/work-offsets",
        {"frame": "G55", "axes_mm": {"Z": 0.0}},
        {"offsets_mm": {"G55": [1, 2, 3]}, "on_record_mm": {"G55": [1, 2, 3]}, "differ": []},
    ),
    "machine offsets M1 --frame g55 --from-probe 1234 --coordinate 1.6": (
        "POST machines/M1/work-offsets/from-probe",
        {"number": 1234, "frame": "G55", "coordinate_mm": 1.6},
        {"offsets_mm": {"G55": [1, 2, 3]}, "on_record_mm": {"G55": [1, 2, 3]}, "differ": []},
    ),
    "machine offsets M1 --from-probe 7": (
        "POST machines/M1/work-offsets/from-probe",
        {"number": 7, "frame": "G54", "coordinate_mm": 0.0},
        {"offsets_mm": {"G54": [1, 2, 3]}, "on_record_mm": {"G54": [1, 2, 3]}, "differ": []},
    ),
    "machine probe M1 --distance 10": (
        "POST machines/M1/probe",
        {"axis": "Z", "direction": -1, "distance_mm": 10.0, "feed_mm_s": 1.0},
        {"axis": "Z", "contact_mm": {"Z": -12.5}, "work_mm": {"G54": {"Z": 0.5}}},
    ),
    "machine estop K1": ("POST machines/K1/stop", {}, StopShape(stopped=False, outcomes={"K1": "confirmed"})),
    "estop": ("POST estop", {}, StopShape(stopped=True, outcomes={"K1": "confirmed", "K2": "unreachable"})),
    "estop --release": ("POST estop/release", {}, StopShape(stopped=False)),
    "part inspect P-00003 --result pass --value 20.01 --characteristic width": (
        "POST parts/P-00003/inspections",
        {"result": "pass", "reason": "", "characteristic": "width", "value": 20.01},
        shapes.part(state="good"),
    ),
    "part inspect P-00003 --disposition scrap --reason warped": (
        "POST parts/P-00003/disposition",
        {"disposition": "scrap", "reason": "warped"},
        shapes.part(state="scrap"),
    ),
}


@pytest.mark.parametrize("words", VERBS)
def test_a_verb_asks_for_exactly_that(words: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    request, body, answer = VERBS[words]
    daemon.answer(request, answer)
    status, out, _ = ask(daemon, capsys, *words.split())
    assert status == 0 and out
    assert [f"{each.method} {each.path}" for each in daemon.asked] == [_key(request)]
    assert daemon.asked[0].json == body


def test_adding_a_machine_sends_its_setup(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("POST machines", shapes.machine(name="M1"), status=201)
    words = "machine add M1 --driver grbl --port socket://10.0.0.7:23 --profile generic-mill-3018 --group mills"
    words += " --offset G54=-250,-150,-20 --option tray=/tmp/t --material aluminium --unattended"
    status, _, _ = ask(daemon, capsys, *words.split())
    assert status == 0
    body = daemon.asked[0].json
    assert body["setup"]["offsets_mm"] == {"G54": [-250, -150, -20]} and body["setup"]["material"] == "aluminium"
    assert body["options"] == {"tray": "/tmp/t"} and body["unattended"] is True
    assert (body["driver"], body["port"], body["profile"]) == ("grbl", "socket://10.0.0.7:23", "generic-mill-3018")


def test_a_new_setup_keeps_what_was_not_given(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET machines/K1", shapes.machine())
    daemon.answer("POST machines/K1/setup", shapes.machine())
    given = ("--material", "PETG", "--offset", "g55=1,2,3", "--tool-length", "3=52.5")
    status, _, _ = ask(daemon, capsys, "machine", "setup", "K1", *given)
    assert status == 0
    assert daemon.asked[1].json["setup"] == {
        "material": "PETG",
        "nozzle_mm": 0.4,
        "tools": [],
        "offsets_mm": {"G55": [1.0, 2.0, 3.0]},
        "tool_lengths_mm": {"3": 52.5},
        "stock_top_mm": {},
        "filament_diameter_mm": None,
        "laser_mode": None,
        "spindle_max_rpm": None,
        "firmware": "",
    }


@pytest.mark.parametrize(
    ("choice", "sent"), [("continue", 1), ("1", 0), ("2", 1), ("3", None), ("resume", None), ("\u00b2", None)]
)
def test_a_question_of_the_firmware_is_answered_by_text_or_number(
    choice: str, sent: int | None, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = PromptShown(text="Paused", choices=("PurgeMore", "Continue"))
    daemon.answer("GET machines/K1", shapes.machine(prompt=prompt))
    daemon.answer("POST machines/K1/prompt", {})
    status, _, said = ask(daemon, capsys, "machine", "answer", "K1", choice)
    asked = [each.json for each in daemon.asked if each.method == "POST"]
    assert asked == ([] if sent is None else [{"choice": sent, "asked": "Paused"}])
    assert status == (0 if sent is not None else 2)
    assert sent is not None or "PurgeMore, Continue" in said
    assert "1 PurgeMore, 2 Continue" in ask(daemon, capsys, "machine", "answer", "K1")[1]
    assert "Paused (PurgeMore, Continue)" in " ".join(ask(daemon, capsys, "machine", "show", "K1")[1].split())


def test_what_nobody_asks_is_not_answered(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET machines/K1", shapes.machine())
    assert ask(daemon, capsys, "machine", "answer", "K1", "1")[0] == 2


def test_active_inputs_and_what_is_on_are_shown(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    mill = shapes.machine(name="M1", switches_closed=("probe", "X limit"), accessories_on=())
    daemon.answer("GET machines/M1", mill)
    daemon.answer("GET machines", [mill])
    shown = " ".join(ask(daemon, capsys, "machine", "show", "M1")[1].split())
    assert "active inputs probe, X limit" in shown and "switched on none" in shown
    assert "active: probe, X limit" in " ".join(ask(daemon, capsys, "machine", "list")[1].split())


MEASURED = {
    "number": 1234,
    "at_s": 1000.0,
    "by": "erika",
    "axis": "Z",
    "direction": -1,
    "contact_mm": {"X": 1.0, "Y": 2.0, "Z": -12.5},
    "work_mm": {"G54": 0.25},
}


def test_what_probes_found_is_listed(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET machines/M1/probe", [MEASURED, {**MEASURED, "number": 1200, "stale": "it is too old"}])
    shown = " ".join(ask(daemon, capsys, "machine", "measurements", "M1")[1].split())
    assert "1234" in shown and "erika Z- -12.500 G54 0.250 yes" in shown and "no: it is too old" in shown
    assert '"number": 1200' in ask(daemon, capsys, "machine", "measurements", "M1", "--json")[1]
    daemon.answer("GET machines/M1/probe", [])
    assert ask(daemon, capsys, "machine", "measurements", "M1")[1] == "Nothing was probed on M1 lately."


@pytest.mark.parametrize(
    "words", ["--from-probe 7 Z=0", "--coordinate 1.6", "Z=0 --coordinate 1.6", "--from-probe 7 --coordinate nan"]
)
def test_an_offset_is_set_in_one_way_at_a_time(
    words: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(daemon, capsys, *f"machine offsets M1 {words}".split())[0] == 2
    assert daemon.asked == []


def test_removing_a_machine(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("DELETE machines/K1", {})
    assert ask(daemon, capsys, "machine", "remove", "K1")[:2] == (0, "K1 is removed.")


def test_submit_uploads_and_asks_for_good_parts(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = {"sha256": "ab" * 32, "name": "clip.gcode", "size_bytes": 5, "dialect": "marlin", "created_s": 1.0}
    daemon.answer("POST programs", {**program, "analysis": {}}, status=201)
    daemon.answer("POST jobs", shapes.job(why=WAIT), status=201)
    file = tmp_path / "clip.gcode"
    file.write_bytes(b"G28\nG1 X5\n" * 60_000)
    words = f"submit {file} --quantity 6 --yield 2 --group printers --priority 3"
    status, out, _ = ask(daemon, capsys, *words.split())
    assert status == 0 and out == f"J-0001: 6 good of Bracket. {WAIT.sentence}"
    upload, order = daemon.asked
    assert b'filename="clip.gcode"' in upload.body and b"G28\nG1 X5\n" * 60_000 in upload.body
    assert order.json["quantity"] == 6 and order.json["yield_parts"] == 2 and order.json["title"] == "clip"
    assert order.json["program_sha256"] == "ab" * 32 and order.json["group"] == "printers"


def test_submit_of_a_plate_names_it_before_the_file(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    program = {"sha256": "ab" * 32, "name": "clip.gcode", "size_bytes": 5, "dialect": "marlin", "created_s": 1.0}
    daemon.answer("POST programs", {**program, "analysis": {}}, status=201)
    daemon.answer("POST jobs", shapes.job(why=WAIT), status=201)
    file = tmp_path / "clip.gcode.3mf"
    file.write_bytes(b"PK\x03\x04 as it is")
    assert ask(daemon, capsys, "submit", str(file), "--quantity", "1", "--plate", "3")[0] == 0
    upload, order = daemon.asked
    assert 0 < upload.body.index(b'name="plate"') < upload.body.index(b'filename="clip.gcode.3mf"')
    assert b"PK\x03\x04 as it is" in upload.body and order.json["title"] == "clip"


def test_a_missing_file_is_wrong_usage_and_nothing_is_sent(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = ask(daemon, capsys, "submit", "/nowhere.gcode", "--quantity", "1")
    assert status == 2 and "/nowhere.gcode" in err and daemon.asked == []


def test_a_refusal_is_one_sentence_with_its_hint(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {
        "type": "/help/problems#machine-busy",
        "title": "The machine is doing something else.",
        "status": 409,
        "detail": "It runs R-0007.",
        "code": "machine-busy",
        "machine": "K1",
        "line": 7,
        "hint": "Pause it first.",
    }
    daemon.answer("POST machines/K1/home", problem, status=409)
    status, out, err = ask(daemon, capsys, "machine", "home", "K1")
    assert (status, out, err) == (1, "", "K1: line 7: It runs R-0007. Pause it first.")


def test_no_daemon_is_said_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = fleetctl(["job", "list", "--data", str(tmp_path)])
    assert status == 1 and "fleetctl serve" in " ".join(capsys.readouterr().err.split())


def test_a_dead_address_is_said_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "address").write_text("http://127.0.0.1:1\n")
    (tmp_path / "admin.token").write_text("x")
    status = fleetctl(["job", "list", "--data", str(tmp_path)])
    assert status == 1 and "No daemon answers at http://127.0.0.1:1." in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "part inspect P-00003",
        "part inspect P-00003 --result pass --disposition scrap",
        "machine lockout K1 --maintenance --release",
        "machine add M1 --driver grbl --port p --offset nonsense",
        "machine setup M1 --stock-top G54=high",
        "machine add M1 --driver grbl --port p --offset G54=1,2",
        "submit",
        "job list --nonsense",
        "preflight x.gcode --machine K1 --profile generic-220",
        "preflight x.gcode --profile nonsense",
    ],
)
def test_wrong_usage_ends_with_2_and_asks_nothing(
    words: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = ask(daemon, capsys, *words.split())
    assert status == 2 and err and daemon.asked == []


def test_watch_once_shows_the_room(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET estop", StopShape(stopped=True))
    daemon.answer("GET machines", [shapes.machine(why=WAIT, run=shapes.run(), word="running")])
    daemon.answer("GET jobs", [shapes.job()])
    status, out, _ = ask(daemon, capsys, "watch", "--once")
    assert status == 0
    assert "Everything is stopped" in out and WAIT.sentence in out and "R-0007 of J-0001" in out and "2 of 6" in out


def test_watch_leaves_when_all_is_done(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET estop", StopShape(stopped=False))
    daemon.answer("GET machines", [shapes.machine()])
    daemon.answer("GET jobs", [shapes.job(state="done", good=6)])
    event = b'id: 9\ndata: {"sequence":9,"at_s":1.0,"kind":"job.done","subject":"J-0001","actor":"x","data":{}}\n\n'
    daemon.answer("GET events", event)
    status, out, _ = ask(daemon, capsys, "watch", "--until-done")
    assert status == 0 and "6 of 6" in out and "Nothing needs you." in out
    status, out, _ = ask(daemon, capsys, "watch", "--until-done", "--json")
    assert status == 0 and json.loads(out)["sequence"] == 9


def test_a_refused_file_is_named(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    problem = {
        "type": "x",
        "title": "x",
        "status": 422,
        "detail": "The file is empty.",
        "code": "not-gcode",
        "line": 1,
    }
    daemon.answer("POST programs", problem, status=422)
    (tmp_path / "clip.gcode").write_bytes(b"")
    status, out, err = ask(daemon, capsys, "submit", str(tmp_path / "clip.gcode"), "--quantity", "1")
    assert (status, out, err) == (1, "", "clip.gcode: line 1: The file is empty.")


def test_a_machine_that_was_added_is_not_called_offline(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answer("POST machines", shapes.machine(why=WAIT, word="offline"), status=201)
    status, out, _ = ask(daemon, capsys, "machine", "add", "K1", "--driver", "marlin", "--port", "p")
    assert status == 0 and out.startswith("K1 is added and is being connected.")


def test_a_machine_is_named_once_and_its_heaters_as_people_call_them(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = {"type": "x", "title": "x", "status": 409, "detail": "K1 is busy.", "code": "machine", "machine": "K1"}
    daemon.answer("POST machines/K1/home", problem, status=409)
    assert ask(daemon, capsys, "machine", "home", "K1")[2] == "K1 is busy."
    daemon.answer("GET machines/K1", shapes.machine(temperatures_degc={"T0": (193.4, 215.0), "B": (60.0, 0.0)}))
    assert "nozzle 193 / 215 °C · bed 60 °C" in ask(daemon, capsys, "machine", "show", "K1")[1]


def test_a_mills_setup_can_be_said(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET machines/M1", shapes.machine())
    daemon.answer("POST machines/M1/setup", shapes.machine())
    words = "machine setup M1 --stock-top G54=12 --stock-top g55=-1.5 --laser-mode off --full-speed 24000 --tool T3"
    assert ask(daemon, capsys, *words.split())[0] == 0
    sent = daemon.asked[1].json["setup"]
    assert sent["stock_top_mm"] == {"G54": 12.0, "G55": -1.5} and sent["tools"] == ["T3"]
    assert (sent["laser_mode"], sent["spindle_max_rpm"], sent["material"]) == (False, 24000.0, "PLA")


def test_a_machine_shows_its_setup(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    setup = Setup(stock_top_mm={"G54": 12.0}, laser_mode=True, spindle_max_rpm=1000.0, filament_diameter_mm=1.75)
    daemon.answer("GET machines/K1", shapes.machine(setup=setup))
    _, out, _ = ask(daemon, capsys, "machine", "show", "K1")
    assert "G54 top at 12" in out and "laser mode on · full speed at S1000" in out and "filament 1.75 mm" in out


@pytest.mark.parametrize("outcome", ["confirmed", "sent", "unreachable"])
def test_the_stop_of_one_machine_says_how_it_took_it_and_nothing_of_all(
    outcome: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answer("POST machines/K1/stop", StopShape(stopped=False, outcomes={"K1": outcome}))
    status, out, _ = ask(daemon, capsys, "machine", "estop", "K1")
    assert status == 0
    assert "K1" in out and outcome in out
    assert "released" not in out and "Everything" not in out
