"""`fleetctl preflight`: facts and findings without a daemon, and against a machine of the daemon."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

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
    assert status == 0 and "layers 16" in out and "nozzle 205 °C" in out and "The file can be read." in out
    assert "No machine was given" in out and "--machine NAME" in out and "--profile" in out


def test_a_program_that_fits(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 0 and "Fits generic-220." in out and "No machine" not in out


def test_a_program_that_does_not_fit_names_the_line(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = bracket.read_text().splitlines()
    where = next(number for number, line in enumerate(lines) if line.startswith("G1 X132"))
    lines[where] = lines[where].replace("X132", "X332")
    bracket.write_text("\n".join(lines))
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 1 and f"error FQ001 line {where + 1}, column 4" in out and "Does not fit generic-220." in out


def test_a_mill_needs_its_work_offset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plate.nc"
    file.write_bytes(sample.milled_plate())
    words = ("preflight", file, "--profile", "generic-mill-3018")
    assert ask(capsys, *words)[0] == 1
    offset = ",".join(str(each) for each in sample.MILL_OFFSET_MM)
    assert ask(capsys, *words, "--offset", f"G54={offset}")[0] == 0
    assert ask(capsys, "preflight", file, "--offset", f"G54={offset}")[0] == 2


@pytest.mark.parametrize(
    "option",
    [
        ("--offset", "G54=nan,nan,nan"),
        ("--offset", "G5=1,2,3"),
        ("--stock-top", "G54=inf"),
        ("--tool-length", "1=nan"),
    ],
)
def test_a_set_up_that_no_machine_can_have_fits_nothing(
    option: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the daemon refuses it: against an offset that is no number every comparison would pass."""
    file = tmp_path / "far.nc"
    file.write_bytes(b"G21 G90 G94 G17 G54\nG0 Z5\nM3 S1000\nG0 X9999 Y10\nG1 Z-2 F200\nM5\nM30\n")
    status, out, err = ask(capsys, "preflight", file, "--profile", "generic-mill-3018", *option)
    assert status == 2 and not out and ("G5" in err or "Tool 1" in err)


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


def spoil(bracket: Path, old: str, new: str) -> int:
    """Replace the beginning of the first line that begins with `old`; returns its number."""
    lines = bracket.read_text().splitlines()
    where = next(number for number, line in enumerate(lines) if line.startswith(old))
    lines[where] = new + lines[where][len(old) :]
    bracket.write_text("\n".join(lines) + "\n")
    return where + 1


def test_a_finding_quotes_its_line_with_a_caret(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = spoil(bracket, "G1 X132", "G1   X332")
    fleetctl(["preflight", str(bracket), "--profile", "generic-220"])
    shown = capsys.readouterr().out.splitlines()
    at = next(number for number, text in enumerate(shown) if f"{line} │ G1   X332" in text)
    quoted, caret = shown[at], shown[at + 1]
    assert caret.index("^") == quoted.index("X332")
    assert set(caret[caret.index("^") :].rstrip()) == {"^", "~"}


def test_a_narrow_terminal_is_enough(
    bracket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than 60 columns, and the word that is meant is still in the part of the line that is shown."""
    monkeypatch.setattr("fleetctl.cli.output.console", lambda: Console(file=sys.stdout, width=60))
    spoil(bracket, "G1 X132", "G1 (" + "a comment that is long " * 8 + ") X332")
    fleetctl(["preflight", str(bracket), "--profile", "generic-220"])
    shown = capsys.readouterr().out.splitlines()
    assert max(len(text.rstrip()) for text in shown) <= 60
    at = next(number for number, text in enumerate(shown) if "X332" in text and "│" in text)
    assert shown[at + 1].index("^") == shown[at].index("X332")
    assert "…" in shown[at]


def test_a_secret_is_found_and_not_shown(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bracket.write_text("; printhost_apikey = hunter2\n" + bracket.read_text())
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 0 and "FQ027" in out and "hunter2" not in out


@pytest.mark.parametrize("where", [" ; password = hunter2", " (api key: hunter2)", ' ; {"token": "hunter2"}'])
def test_a_line_that_another_finding_is_about_keeps_its_secret(
    where: str, bracket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(bracket, "G1 X132", "G1 X332" + where)
    bracket.write_text(bracket.read_text() + "\n; api_key = hunter2\n")
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 1 and "FQ001" in out and "hunter2" not in out


def test_a_pipe_gets_whole_sentences(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a terminal has no width: nothing is cut off, and each sentence is one line."""
    spoil(bracket, "G1 X132", "G1 X332\nG1 Y{width}")
    fleetctl(["preflight", str(bracket), "--profile", "generic-220"])
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert any(len(line) > 80 and line.endswith("beyond the envelope's 220.000 mm.") for line in shown)
    assert "Move the work offset or the part on the plate, or choose a larger machine." in shown


def test_what_is_no_readable_file_says_what_it_is(
    tmp_path: Path, bracket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, _, err = ask(capsys, "preflight", tmp_path)
    assert status == 1 and f"{tmp_path} is a directory." in err and "*.gcode" in err

    status, _, err = ask(capsys, "preflight", "/dev/null")
    assert status == 1 and "/dev/null is no plain file. Save" in err

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fleetctl.cli.preflight.analyze", locked)
    status, out, err = ask(capsys, "preflight", bracket)
    assert status == 1 and "Not read." in out and f"{bracket} cannot be read: Permission denied." in err


def test_control_bytes_of_a_file_never_reach_the_terminal(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(bracket, "G1 X132", "G1 \x1b]0;x\x07 X332")
    fleetctl(["preflight", str(bracket), "--profile", "generic-220"])
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and "X332" in out


def test_many_findings_of_a_kind_are_counted(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "\n".join(f"G{number}" for number in range(400, 420))
    bracket.write_text(bracket.read_text() + words + "\nM84\n")
    status, out, _ = ask(capsys, "preflight", bracket, "--profile", "generic-220")
    assert status == 0 and "and 8 more; --json has them all." in out


def test_several_files_end_with_a_summary(bracket: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hot = tmp_path / "hot.gcode"
    hot.write_bytes(bracket.read_bytes().replace(b"M109 S205", b"M109 S265"))
    noise = tmp_path / "noise.gcode"
    noise.write_bytes(bytes(range(256)) * 8)
    fleetctl(["preflight", str(bracket), str(hot), str(noise), "--profile", "generic-220"])
    out = " ".join(capsys.readouterr().out.split())
    table = out[out.index("file verdict errors") :]
    assert re.search(r"bracket.gcode fits \d+ min", table)
    assert re.search(r"hot.gcode does not fit 1 \d*", table)
    assert re.search(r"noise.gcode not read 1", table)


def test_what_is_on_the_machine_can_be_said(bracket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("preflight", bracket, "--profile", "generic-220")
    assert ask(capsys, *words, "--material", "pla+", "--nozzle", "0.4", "--filament", "1.75")[0] == 0
    for option, value, code in (
        ("--material", "PETG", "FQ021"),
        ("--nozzle", "0.8", "FQ023"),
        ("--filament", "2.85", "FQ023"),
    ):
        status, out, _ = ask(capsys, *words, option, value)
        assert status == 1 and code in out
    assert ask(capsys, "preflight", bracket, "--material", "PLA")[0] == 2


def test_sarif_names_the_file_as_the_editor_knows_it(
    bracket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bracket.parent)
    line = spoil(bracket, "G1 X132", "G1   X332")
    status, out, _ = ask(
        capsys, "preflight", bracket, bracket.parent / "nowhere", "--profile", "generic-220", "--sarif"
    )
    run = json.loads(out)["runs"][0]
    found, missing = run["results"]
    assert status == 1 and found["ruleId"] == "FQ001"
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bracket.gcode"
    assert found["locations"][0]["physicalLocation"]["region"] == {"startLine": line, "startColumn": 6}
    assert run["tool"]["driver"]["rules"][0]["helpUri"].startswith("file:///")
    assert missing["ruleId"] == "not-gcode" and "nowhere" in missing["message"]["text"]
    assert ask(capsys, "preflight", bracket, "--sarif", "--json")[0] == 2


def test_a_big_file_has_a_bar_where_somebody_looks(
    bracket: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr("fleetctl.cli.preflight.error_console", lambda: screen)
    monkeypatch.setattr("fleetctl.cli.preflight.SLOW_BYTES", 1000)
    assert ask(capsys, "preflight", bracket)[0] == 0
    assert "Reading bracket.gcode" in screen.file.getvalue()  # type: ignore[attr-defined]


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
