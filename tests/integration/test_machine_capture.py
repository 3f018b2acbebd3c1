"""A link is captured in the running agent of a real site, over HTTP and by the command line, and replayed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleetctl_plugins.grbl.driver import DRIVER as GRBL
from fleetctl_plugins.marlin.driver import DRIVER as MARLIN

from fleetctl.testing.captures import replay
from fleetctl.testing.fixtures import under_virtual_clock
from tests.integration.real_site import RealSite, executed_lines, print_program, wait_for


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as real:
        yield real


def capture(site: RealSite, name: str, *words: str) -> subprocess.Popen[bytes]:
    """`fleetctl machine capture`, under way."""
    command = [sys.executable, "-m", "fleetctl", "machine", "capture", name, "--data", str(site.data), *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("name", "kind"), [("K1", "marlin"), ("M1", "grbl")])
def test_a_capture_of_a_whole_link_is_replayed(site: RealSite, tmp_path: Path, name: str, kind: str) -> None:
    site.add_machine(name, kind)
    out = tmp_path / "whole.jsonl"
    doing = capture(site, name, "--seconds", "60", "--reconnect", "--out", str(out))
    wait_for("the capture", lambda: site.get(f"machines/{name}/capture")["begun_s"])
    wait_for("the new link", lambda: any(e["kind"] == "machine.verb" for e in site.events()))
    wait_for(f"{name} online again", lambda: site.machine(name)["link"] == "online")
    said = site.post(f"machines/{name}/command", {"text": "M115" if kind == "marlin" else "$G"})
    assert said["lines"]
    site.post(f"machines/{name}/capture/end", {})
    stdout, stderr = doing.communicate(timeout=90)
    assert doing.returncode == 0, stderr
    assert b"a person ended it" in stdout
    ways = [row.get("way") for row in rows_of(out)]
    assert "open" in ways and "verb" in ways and "in" in ways and ways[-1] == "end"

    @under_virtual_clock()
    async def again() -> None:
        await replay(out, MARLIN if kind == "marlin" else GRBL, early_s=5.0)  # other tests keep the computer busy

    again()


def test_a_run_is_not_disturbed_by_a_capture_of_its_link(site: RealSite, tmp_path: Path) -> None:
    machine = site.add_machine("K1", "marlin")
    program = print_program(120)
    site.submit(program, 1)
    wait_for("the run", lambda: site.runs(active="true") and site.runs(active="true")[0]["state"] == "running")
    # Past its heating, in which nothing is sent.
    wait_for("its moves", lambda: site.runs()[0]["progress"]["acknowledged_line"] > 15)
    out = tmp_path / "run.jsonl"
    doing = capture(site, "K1", "--seconds", "2", "--out", str(out))
    stdout, stderr = doing.communicate(timeout=90)
    assert doing.returncode == 0, stderr
    assert b"the capture ended: after 2 s" in stdout
    wait_for("the end", lambda: [run["state"] for run in site.runs()] == ["finished"])
    expected = executed_lines("marlin", program)
    assert [line for line in machine.executed() if line in expected][: len(expected)] == expected
    header, *rows = rows_of(out)
    assert header["machine"] == "K1" and header["driver"] == "marlin"
    assert sum(row["way"] == "out" for row in rows) > 10 and sum(row["way"] == "in" for row in rows) > 10
    assert all(0 <= row["t_s"] < 4 for row in rows)  # type: ignore[operator]
    # What comes afterwards does not go into the file, nor into a second download.
    assert site.get("machines/K1/capture")["ended"] == "after 2 s"


def test_a_full_disk_ends_the_capture_with_its_reason_and_not_the_run(site: RealSite, tmp_path: Path) -> None:
    """The agent may write no file longer than so: the kernel refuses what comes after, as on a full disk."""
    machine = site.add_machine("K1", "marlin")
    program = print_program(200)
    room_bytes = 20_000
    resource.prlimit(site.agent_pid, resource.RLIMIT_FSIZE, (room_bytes, room_bytes))
    out = tmp_path / "full.jsonl"
    doing = capture(site, "K1", "--seconds", "600", "--out", str(out))
    wait_for("the capture", lambda: site.get("machines/K1/capture")["begun_s"])
    site.submit(program, 1)
    stdout, stderr = doing.communicate(timeout=120)
    assert doing.returncode == 0, stderr
    assert b"its file could not be written: File too large" in stdout
    rows = rows_of(out)
    assert rows[-1]["way"] != "end" and 10_000 < out.stat().st_size <= room_bytes
    assert site.runs()[0]["state"] == "running", "the link was not touched"
    wait_for("the end", lambda: [run["state"] for run in site.runs()] == ["finished"], 90.0)
    expected = executed_lines("marlin", program)
    assert [line for line in machine.executed() if line in expected][: len(expected)] == expected
