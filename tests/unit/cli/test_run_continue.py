"""`fleetctl run continue`: what it shows before it asks, and that nothing is sent without a yes."""

from __future__ import annotations

from typing import Any

import click
import pytest

from fleetctl.cli import invoke as fleetctl
from fleetctl.fleet.continuation_shapes import (
    ContinuationOffer,
    ContinuationPreview,
    Obstacle,
    Proposal,
    StoppedIn,
)
from fleetctl.gcode.transform import PreviewLine

from .daemon import PretendDaemon

PATH = "runs/R-0007/continuation"
CHOSEN = ("run", "continue", "R-0007", "--line", "801", "--set", "homed=true", "--set", "retract_z_mm=-1")
PARAMETERS = {"line": 801, "homed": True, "retract_z_mm": -1}
NEW = {
    "code": "R-0008", "job": "J-0001", "machine": "M1", "program": "", "program_sha256": "", "state": "claimed",
    "active": True, "reason": "", "started": False, "settled": False, "created_s": 1.0, "started_s": None,
    "ended_s": None, "progress": {}, "resumes": "R-0007",
}  # fmt: skip


def previewed(**facts: Any) -> ContinuationPreview:
    usual: dict[str, Any] = {
        "run": "R-0007", "version": 5, "machine": "M1", "summary": "The program from line 801 on.",
        "first_line": 801, "layer": 0, "position_mm": None, "repeated_lines": 16, "skipped_lines": 0,
        "lines": (PreviewLine("G53 G0 Z-1", "first straight up"),), "warnings": ("Look at the stock.",),
        "program_sha256": "c" * 64, "size_bytes": 10, "passed": True, "findings": (), "obstacles": (),
    }  # fmt: skip
    return ContinuationPreview(**(usual | facts))


@pytest.fixture
def canned(daemon: PretendDaemon) -> PretendDaemon:
    daemon.answer(f"POST {PATH}/preview", previewed())
    daemon.answer(f"POST {PATH}", NEW, 201)
    return daemon


def posted(daemon: PretendDaemon) -> list[Any]:
    return [asked.json for asked in daemon.asked if asked.path == f"/api/v1/{PATH}" and asked.method == "POST"]


def test_without_a_place_it_says_where_it_stopped(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    offer = ContinuationOffer(
        run="R-0007", version=5, machine="M1", process="subtractive", program="plate.nc", program_sha256="a" * 64,
        stopped=StoppedIn(surely_executed_line=800, acknowledged_line=816, lines=4000), parts=("P-00001",),
        proposals=(Proposal(name="homed", value=True, reason="the position is known"),),
        obstacles=(Obstacle(sentence="M1 is offline."),),
    )  # fmt: skip
    daemon.answer(f"GET {PATH}", offer)
    assert fleetctl(["run", "continue", "R-0007"]) == 0
    said = capsys.readouterr().out
    assert "stopped between line 800 (surely executed) and line 816 (acknowledged) of 4000" in said
    assert "homed" in said and "true" in said and "M1 is offline." in said
    assert "fleetctl run continue R-0007 --line 801 --preview" in said
    assert posted(daemon) == []


def test_a_preview_sends_nothing(canned: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert fleetctl([*CHOSEN, "--preview"]) == 0
    said = capsys.readouterr().out
    assert "G53 G0 Z-1" in said and "first straight up" in said and "Look at the stock." in said
    assert posted(canned) == [] and canned.asked[-1].json == {"parameters": PARAMETERS}


def test_what_was_shown_is_sent_after_a_yes(canned: PretendDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(click, "confirm", lambda question, **_: asked.append(question) or True)
    assert fleetctl([*CHOSEN]) == 0
    assert "Are you at M1" in asked[0]
    assert posted(canned) == [{"parameters": PARAMETERS, "program_sha256": "c" * 64, "version": 5}]


def test_without_a_yes_nothing_is_sent(canned: PretendDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "confirm", lambda question, **_: False)
    assert fleetctl([*CHOSEN]) == 130
    assert posted(canned) == []


@pytest.mark.parametrize(
    "facts", [{"passed": False}, {"obstacles": (Obstacle(sentence="M1 has a fault (alarm 1): reset it."),)}]
)
def test_yes_does_not_help_where_the_daemon_would_refuse(daemon: PretendDaemon, facts: dict[str, Any]) -> None:
    daemon.answer(f"POST {PATH}/preview", previewed(**facts))
    assert fleetctl([*CHOSEN, "--yes"]) == 1
    assert posted(daemon) == []
