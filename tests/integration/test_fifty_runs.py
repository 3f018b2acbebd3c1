"""The controller is killed, restarted or upgraded during 50 runs on real pseudo-terminals: no line is late, and the
events come afterwards.

What is measured is the machines' side: the gaps between lines as they arrive there, around the end and the new start,
beside the gaps of a quiet time just before on the same computer. An upgrade is the same daemon in a tree of its own
under another version, and once with another protocol besides: the agent of the old one goes on until its runs end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.real_site import RealSite, wait_for

COUNT = 50
MOVES = 350
MOVE_S = 0.1
QUIET_S = 6.0
AROUND_S = 8.0
WORST_GAP_S = 0.6
"""A planner of 16 moves of 0.1 s is empty after 1.6 s: with less than this no machine ever stands still."""

LINES = [f"G1 X{20 + 10 * (n % 2)} Y{20 + n / 2:g} F6000" for n in range(MOVES)]
PROGRAM = "\n".join(["G28", "G90", *LINES, "M84", ""]).encode()

pytestmark = pytest.mark.slow


class Room:
    """The machines' process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        command = [sys.executable, "-m", "tests.integration.many_machines", str(COUNT), str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        with self.process.stdout as said:
            assert said.readline() == b"ready\n"

    def arrivals(self) -> list[list[tuple[float, str]]]:
        """What came to each machine, and when; the machines end with this."""
        self.process.terminate()
        self.process.wait(30)
        found: list[list[tuple[float, str]]] = json.loads((self.folder / "arrivals.json").read_text())
        return found

    def late_s(self, from_s: float, to_s: float) -> float:
        """How long the machines themselves had no turn at most, once they have ended."""
        beats = [at_s for at_s in json.loads((self.folder / "beats.json").read_text()) if from_s <= at_s <= to_s]
        return max((after - before for before, after in pairwise(beats)), default=0.0)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "room")
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait(10)


@pytest.fixture
def site(tmp_path: Path, room: Room) -> Iterator[RealSite]:
    with RealSite(tmp_path) as made:
        for number in range(COUNT):
            port = str(room.folder / f"{number}.tty")
            made.post("machines", {"name": f"K{number}", "driver": "marlin", "port": port, "profile": "generic-220"})
        wait_for("all machines online", lambda: all(m["link"] == "online" for m in made.get("machines")), 60.0)
        for number in range(COUNT):
            made.post(f"machines/K{number}/clear", {})
        yield made


def worst_gap_s(arrivals: list[list[tuple[float, str]]], from_s: float, to_s: float) -> float:
    """The longest time without a line on any machine between two moments."""
    worst = 0.0
    for machine in arrivals:
        times = [at_s for at_s, _ in machine if from_s - 1.0 <= at_s <= to_s]
        within = [after - before for before, after in pairwise(times) if after >= from_s]
        worst = max([worst, *within])
    return worst


def at_work(site: RealSite) -> None:
    """Fifty runs, all of them printing."""
    site.submit(PROGRAM, COUNT)
    wait_for(
        "fifty runs", lambda: len([r for r in site.runs(active="true") if r["state"] == "running"]) == COUNT, 60.0
    )
    wait_for(
        "all to be at it", lambda: all(r["progress"]["acknowledged_line"] > 25 for r in site.runs(active="true"))
    )


HOWS = {"killed": "", "restarted": "", "upgraded": "9.8.7", "upgraded to another protocol": "9.8.8"}


USUAL = ("killed", "upgraded to another protocol")
"""What every run of the tests does; each takes about a minute. `make chaos` does all."""


@pytest.mark.parametrize("how", HOWS if "CHAOS" in os.environ else USUAL)
def test_not_one_line_is_late_when_the_controller_ends_and_starts_again(site: RealSite, room: Room, how: str) -> None:
    if version := HOWS[how]:
        site.install(version, 99 if "protocol" in how else None)
    at_work(site)
    quiet_from_s = time.monotonic()
    time.sleep(QUIET_S)  # the time that the other one is compared with
    agent, ended_at_s = site.agent_pid, time.monotonic()
    if how == "killed":
        site.kill_controller()
    else:
        site.terminate_controller()
    site.start_controller()
    if "protocol" in how:
        wait_for("it to say why", lambda: {m["why"]["code"] for m in site.get("machines")} == {"agent-leaving"}, 15.0)
    wait_for("time to pass", lambda: time.monotonic() > ended_at_s + AROUND_S)
    assert site.agent_pid == agent
    wait_for("the fifty runs to finish", lambda: not site.runs(active="true", limit="100"), 120.0)
    if version:
        assert_replaced(site, agent, version)
    arrivals = room.arrivals()
    quiet_s = worst_gap_s(arrivals, quiet_from_s, ended_at_s)
    around_s = worst_gap_s(arrivals, ended_at_s, ended_at_s + AROUND_S)
    late_s = room.late_s(ended_at_s, ended_at_s + AROUND_S)
    print(
        f"{how}: longest gap between lines {quiet_s:.3f} s before, {around_s:.3f} s around it,"
        f" in which the machines themselves were late by {late_s:.3f} s"
    )
    # What the computer takes from the machines it takes from their agent too: other processes begin and end here.
    assert around_s <= max(WORST_GAP_S, 2 * quiet_s) + 2 * late_s
    assert all([line for _, line in machine] == LINES for machine in arrivals), "none missing, doubled, out of order"
    assert_events_are_whole(site)


def assert_replaced(site: RealSite, agent: int, version: str) -> None:
    """The agent of the old version ended when it was idle; the new one holds all machines, and they are online."""
    wait_for("the new agent", lambda: [a["version"] for a in site.get("agents") if a["connected"]] == [version], 60.0)
    assert site.agent_pid != agent
    wait_for("all machines online", lambda: all(m["link"] == "online" for m in site.get("machines")), 60.0)


def assert_events_are_whole(site: RealSite) -> None:
    """Every event once, in order; what happened while nobody listened came afterwards."""
    log = site.events()
    assert [event["sequence"] for event in log] == list(range(1, len(log) + 1))
    for kind in ("run.claimed", "run.running", "run.finished"):
        told = Counter(event["subject"] for event in log if event["kind"] == kind)
        assert len(told) == COUNT and set(told.values()) == {1}, kind
    for run in site.runs(limit="100"):
        mine = [
            event["kind"] for event in log if event["subject"] == run["code"] and event["kind"].startswith("run.")
        ]
        assert mine == ["run.claimed", "run.preparing", "run.running", "run.finished"]
