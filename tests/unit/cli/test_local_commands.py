"""Commands that need no daemon: doctor, plugin, simulate; and how `main` leaves the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fleetctl import __version__
from fleetctl.cli import doctor, main, simulate
from fleetctl.cli import invoke as fleetctl

from .daemon import PretendDaemon


def found(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    status = fleetctl(["doctor", "--json", *words])
    return status, {each["what"]: each for each in json.loads(capsys.readouterr().out)}


def test_doctor_finds_nothing_wrong(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "serial_ports", list)
    (tmp_path / "admin.token").chmod(0o600)
    daemon.answer("GET /healthz", {"status": "ok", "version": __version__, "sequence": 3})
    status, looked = found(capsys)
    assert status == 0 and looked["daemon"]["word"] == "ok" and looked["data directory"]["word"] == "ok"


def test_doctor_says_what_to_do(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "serial_ports", list)
    (tmp_path / "admin.token").chmod(0o644)
    daemon.answer("GET /healthz", {"status": "ok", "version": "0.0.1", "sequence": 3})
    status, looked = found(capsys)
    assert status == 1 and "chmod 600" in looked["token"]["hint"]
    assert looked["daemon"]["word"] == "warning" and "0.0.1" in looked["daemon"]["text"]
    daemon.answer("GET /healthz", {"status": "store-unavailable"}, status=503)
    assert found(capsys)[1]["daemon"]["word"] == "broken"


def test_doctor_says_when_nobody_answers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "address").write_text("http://127.0.0.1:1")
    (tmp_path / "admin.token").write_text("t")
    status, looked = found(capsys, "--data", str(tmp_path))
    assert status == 1 and looked["daemon"]["word"] == "broken" and "fleetctl serve" in looked["daemon"]["hint"]


def test_plugin_list_has_the_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert fleetctl(["plugin", "list", "--json"]) == 0
    plugins = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert plugins["marlin"]["drivers"] == ["marlin"] and plugins["grbl"]["drivers"] == ["grbl"]
    assert "generic-220" in plugins["marlin"]["profiles"] and plugins["gauge"]["drivers"] == []


def test_simulate_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    monkeypatch.setattr(
        simulate, "run_simulator", lambda driver, settings: seen.update(driver=driver, settings=settings) or 0
    )
    words = "simulate marlin --link /tmp/k1 --speedup 20 --seed 7 --set nominal-mm=21 --fault kill@25"
    assert fleetctl(words.split()) == 0
    settings = seen["settings"]
    assert seen["driver"] == "marlin" and (settings.speedup, settings.seed) == (20.0, 7)
    assert settings.options == {"nominal_mm": "21"} and settings.faults == ("kill@25",)
    assert settings.link == Path("/tmp/k1")


def test_simulate_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert fleetctl(["simulate", "nonsense"]) == 1 and "marlin" in capsys.readouterr().err
    assert fleetctl(["simulate", "marlin", "--set", "nonsense"]) == 2


def test_main_leaves_with_the_status() -> None:
    with pytest.raises(SystemExit) as left:
        main(["job"])
    assert left.value.code == 2


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m fleetctl plugin list --json | head -n 1; echo $?"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[\n0\n" and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


def test_a_place_that_cannot_be_written_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    words = ["serve", "--data", str(tmp_path / "file" / "data"), "--listen", "127.0.0.1:0"]
    assert fleetctl(words) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "Not a directory" in said and "name another place" in said and "Traceback" not in said


def test_an_address_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for address in ("nonsense", "127.0.0.1:99999"):
        assert fleetctl(["serve", "--data", str(tmp_path / "data"), "--listen", address]) == 2
        assert "is not HOST:PORT" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
