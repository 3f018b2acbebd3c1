"""`fleetctl preflight`: facts and findings without a daemon, and against a machine of the daemon."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fleetctl.cli import invoke as fleetctl
from fleetctl.model.profile import PROFILES, Setup
from fleetctl.sim import sample
from tests.unit.gcode import packers

from . import shapes
from .daemon import PretendDaemon


@pytest.fixture
def bracket(tmp_path: Path) -> Path:
    file = tmp_path / "bracket.gcode"
    file.write_bytes(sample.bracket())
    return file


def ask(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = fleetctl([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), " ".join(err.split())


def test_facts_need_no_daemon(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "preflight", bracket)
    assert status == 0 and "layers 16" in out and "nozzle 205 °C" in out and "No error found." in out


def test_a_program_that_fits(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 0 and "Fits generic-220." in out


def test_a_program_that_does_not_fit_names_the_line(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = bracket.read_text().splitlines()
    where = next(number for number, line in enumerate(lines) if line.startswith("G1 X132"))
    lines[where] = lines[where].replace("X132", "X332")
    bracket.write_text("\n".join(lines))
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 1 and f"error {where + 1} FQ001" in out and "Does not fit generic-220." in out


def test_a_mill_needs_its_work_offset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plate.nc"
    file.write_bytes(sample.milled_plate())
    words = ("preflight", file, "--profile", "generic-mill-3018")
    assert ask(capsys, *words)[0] == 1
    offset = ",".join(str(each) for each in sample.MILL_OFFSET_MM)
    assert ask(capsys, *words, "--offset", f"G54={offset}")[0] == 0
    assert ask(capsys, "preflight", file, "--offset", f"G54={offset}")[0] == 2


def test_json_has_every_file(bracket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = tmp_path / "noise.gcode"
    noise.write_bytes(bytes(range(256)) * 8)
    status, out, _ = ask(capsys, "preflight", bracket, noise, tmp_path / "nowhere", "--json")
    good, bad, missing = json.loads(out)
    assert status == 1 and good["passed"] and good["analysis"]["layers"] == 16
    assert not bad["passed"] and bad["error"]["code"] == "not-gcode"
    assert missing["error"]["code"] == "not-found"


def test_against_a_machine_as_it_is_set_up_now(
    bracket: Path, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    small = msgspec.structs.replace(PROFILES["generic-220"], nozzle_max_degc=200.0)
    daemon.answer("GET machines/K1", shapes.machine(profile=small, setup=Setup(material="PLA")))
    status, out, _ = ask(capsys, "preflight", bracket, "--machine", "K1")
    assert status == 1 and "Does not fit K1." in out and "205" in out


def test_a_program_in_a_container(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bracket.gcode.3mf"
    file.write_bytes(packers.gcode_3mf({1: b"G28\n", 4: sample.bracket()}))
    status, _, err = ask(capsys, "preflight", file)
    assert status == 1 and "2 plates: 1, 4" in err and "--plate" in err
    status, out, _ = ask(capsys, "preflight", file, "--plate", "4", "--profile", "generic-220")
    assert status == 0 and "layers 16" in out and "plate 4 (of 1, 4)" in out and "Fits generic-220." in out
    binary = tmp_path / "bracket.bgcode"
    binary.write_bytes(packers.bgcode(sample.bracket(), how=packers.DEFLATE))
    status, out, _ = ask(capsys, "preflight", binary)
    assert status == 0 and "taken from bgcode" in out and "layers 16" in out
