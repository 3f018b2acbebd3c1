"""`fleetctl program`: what it asks the daemon and what it prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetctl.cli import invoke as fleetctl
from fleetctl.fleet.shapes import FindingShape, PreflightShape, ProgramShape, TransformationShape
from fleetctl.gcode.transform import Preview, PreviewLine

from .daemon import PretendDaemon

SHA = "ab" * 32


def shape(**facts: Any) -> ProgramShape:
    usual: dict[str, Any] = {
        "sha256": "cd" * 32,
        "name": "bracket restarted.gcode",
        "size_bytes": 45_500,
        "dialect": "marlin",
        "created_s": 1.0,
        "analysis": msgspec.Raw(b"{}"),
        "machines": (
            PreflightShape(machine="K1", passed=True, rule_set="1", configuration_hash="", findings=()),
            PreflightShape(
                machine="M1",
                passed=False,
                rule_set="1",
                configuration_hash="",
                findings=(
                    FindingShape(code="FQ004", severity="error", line=1, column=0, message="No mill.", hint=""),
                ),
            ),
        ),
        "parent_sha256": SHA,
        "transformation": TransformationShape(name="restart", version=1, parameters=msgspec.Raw(b'{"layer":12}')),
    }
    return ProgramShape(**{**usual, **facts})


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = fleetctl(words)
    out, err = capsys.readouterr()
    return status, " ".join(out.split()), " ".join(err.split())


def test_programs_are_listed_with_their_parents(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET programs", [shape(), shape(sha256=SHA, name="bracket.gcode", parent_sha256=None)])
    status, out, _ = ask(capsys, "program", "list", "--limit", "5")
    assert (
        status == 0
        and "cdcdcdcdcdcd bracket restarted.gcode 45.5 kB marlin" in out
        and out.count("abababababab") == 2
    )
    assert daemon.asked[0].query == {"limit": "5"}
    assert fleetctl(["program", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["parent_sha256"] == SHA


def test_no_programs_say_what_to_do(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET programs", [])
    assert "fleetctl submit" in ask(capsys, "program", "list")[1]


def test_one_program_is_shown(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer("GET programs/cdcdcd", shape())
    status, out, _ = ask(capsys, "program", "show", "cdcdcd")
    assert status == 0 and f"made from {SHA}" in out and 'by restart {"layer":12}' in out
    assert "K1 fits" in out and "M1 does not fit No mill." in out


def test_a_preview_shows_lines_reasons_and_warnings(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Preview(
        name="restart",
        summary="From layer 12 on.",
        first_line=77,
        lines=(PreviewLine("G28 X Y", "home X and Y only"),),
        warnings=("Look at the nozzle.",),
    )
    daemon.answer("POST programs/ababab/transformations/preview", shown)
    words = ("program", "transform", "ababab", "restart", "--layer", "12", "--z", "trust", "--preview")
    status, out, _ = ask(capsys, *words)
    assert status == 0
    assert "From layer 12 on." in out and "G28 X Y home X and Y only" in out and "Look at the nozzle." in out
    assert daemon.asked[0].json == {"name": "restart", "parameters": {"layer": 12, "z_strategy": "trust"}}
    fleetctl([*words, "--json"])
    assert json.loads(capsys.readouterr().out)["first_line"] == 77


def test_a_program_is_made_from_options_settings_and_a_script(
    daemon: PretendDaemon, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = tmp_path / "eject.gcode"
    script.write_text("M190 R30\nG91\n")
    daemon.answer("POST programs/ababab/transformations", shape(), status=201)
    words = ("program", "transform", "ababab", "insert", "--script", str(script), "--at", "before_end_script")
    status, out, _ = ask(capsys, *words, "--set", "purpose=eject", "--set", "n=1.5", "--set", "sure=true")
    assert status == 0 and "cdcdcdcdcdcd bracket restarted.gcode, 45.5 kB. It fits K1." in out
    assert daemon.asked[0].json["parameters"] == {
        "at": "before_end_script", "script": "M190 R30\nG91\n", "purpose": "eject", "n": 1.5, "sure": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "words", [("melt",), ("restart", "--layer", "0"), ("restart", "--set", "lift"), ("insert", "--script", "nowhere")]
)
def test_wrong_usage_is_2(words: tuple[str, ...], daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ask(capsys, "program", "transform", "ababab", *words)
    assert status == 2 and err and daemon.asked == []


def test_a_refusal_is_one_sentence(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {
        "detail": "The spindle is off at this line.",
        "code": "cannot-transform",
        "line": 6,
        "hint": "Another.",
    }
    daemon.answer("POST programs/ababab/transformations", problem, status=422)
    status, _, err = ask(capsys, "program", "transform", "ababab", "restart", "--line", "6")
    assert status == 1 and err == "line 6: The spindle is off at this line. Another."


def test_a_directory_is_no_script(tmp_path: Path, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ask(capsys, "program", "transform", "ababab", "insert", "--script", str(tmp_path))
    assert status == 2 and "is a directory" in err and "Name the file" in err and daemon.asked == []
