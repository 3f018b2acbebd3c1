"""`fleetctl machine capture`: what it asks, what it writes, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.cli import invoke as fleetctl
from fleetctl.model.messages import CaptureState

from .daemon import PretendDaemon

FILE = b'{"format": "fleetctl-capture-1"}\n' * 100
DONE = CaptureState(begun_s=1.0, ends_s=31.0, size_bytes=len(FILE), ended="after 30 s")


def answers(daemon: PretendDaemon) -> None:
    daemon.answer("POST machines/K1/capture", CaptureState(begun_s=1.0, ends_s=31.0))
    daemon.answer("GET machines/K1/capture", DONE)
    daemon.answer("GET machines/K1/capture/file", FILE)


def test_it_waits_for_the_end_and_saves_the_file(
    daemon: PretendDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(daemon)
    out = tmp_path / "k1.jsonl"
    assert fleetctl(["machine", "capture", "K1", "--seconds", "30", "--reconnect", "--out", str(out)]) == 0
    assert daemon.asked[0].json == {"seconds": 30.0, "reconnect": True}
    assert out.read_bytes() == FILE and not list(tmp_path.glob("*.new"))
    said = capsys.readouterr()
    assert "3 kB are in" in said.out and "after 30 s" in said.out and "Look through it" in said.out
    assert "Recording the link of K1 for 30 s" in said.err


def test_it_is_named_after_the_machine(
    daemon: PretendDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(daemon)
    monkeypatch.chdir(tmp_path)
    assert fleetctl(["machine", "capture", "K1"]) == 0
    assert (tmp_path / "K1.capture.jsonl").read_bytes() == FILE
    assert daemon.asked[0].json == {"seconds": 60.0, "reconnect": False}


def test_what_ended_it_is_told_also_when_nothing_could_be_written(
    daemon: PretendDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(daemon)
    full = CaptureState(begun_s=1.0, ends_s=31.0, ended="its file could not be written: No space left on device")
    daemon.answer("GET machines/K1/capture", full)
    out = tmp_path / "k1.jsonl"
    assert fleetctl(["machine", "capture", "K1", "--out", str(out)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_recorded_for_a_folder_that_is_not_there(daemon: PretendDaemon, tmp_path: Path) -> None:
    answers(daemon)
    assert fleetctl(["machine", "capture", "K1", "--out", str(tmp_path / "none" / "x.jsonl")]) == 2
    assert daemon.asked == []
