"""`fleetctl demo` as a person starts it: real processes, terminals and sockets; and what is left when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLEETCTL = [sys.executable, "-m", "fleetctl"]
WITHIN_S = 240.0


@contextmanager
def demo(data: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A demo on a free port; its output goes to `data`/output. It is ended like by Ctrl-C if it still runs."""
    data.mkdir(exist_ok=True)
    with (data / "output").open("a") as output:
        command = [*FLEETCTL, "demo", "--data", str(data), "--listen", "127.0.0.1:0", *words]
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60.0)


def until(process: subprocess.Popen[str], data: Path, true: Callable[[], Any]) -> Any:
    """Look again until `true` gives something; fails with the demo's output when it ended or takes too long."""
    give_up_s = time.monotonic() + WITHIN_S
    while not (found := true()):
        assert process.poll() is None and time.monotonic() < give_up_s, (data / "output").read_text()
        time.sleep(0.05)
    return found


def ask(data: Path, *words: str) -> Any:
    """The JSON answer of a listing; None while the daemon does not answer."""
    done = subprocess.run([*FLEETCTL, *words, "--json", "--data", str(data)], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def look(data: Path, question: str) -> list[tuple[Any, ...]]:
    """Rows of the database of a daemon that has ended."""
    with sqlite3.connect(f"file:{data / 'fleetctl.sqlite'}?mode=ro", uri=True) as database:
        return database.execute(question).fetchall()


def left_behind(data: Path) -> list[str]:
    """Command lines of processes that name the data directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(data) in command:
                found.append(command)
    return found


def follow(link: str) -> int:
    """The status when a person follows a link in a browser."""
    try:
        asked = urllib.request.Request(link, headers={"Sec-Fetch-Mode": "navigate"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


@pytest.mark.slow
def test_the_sample_order_gets_all_good_parts_with_scrap_made_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(data, "--once", "--speedup", "60") as process:
        assert process.wait(WITHIN_S) == 0, (data / "output").read_text()
    output = (data / "output").read_text()
    assert "The sample order is all good parts." in output
    jobs = dict(look(data, "SELECT id, quantity FROM jobs"))
    good = dict(
        look(data, "SELECT job_id, count(*) FROM parts WHERE state = 'good' AND place IS NOT NULL GROUP BY 1")
    )
    assert len(jobs) == 3 and good == jobs
    scrap = look(data, "SELECT job_id, count(*) FROM parts WHERE state = 'scrap' GROUP BY 1")
    assert len(scrap) >= 2, "the brackets and the clips each have one part out of tolerance"
    for job_id, _ in scrap:
        made = look(data, f"SELECT count(*) FROM parts WHERE job_id = '{job_id}'")
        assert made[0][0] > jobs[job_id], "a scrapped part is made again"
    assert look(data, "SELECT count(*) FROM runs WHERE state != 'finished'") == [(0,)]
    assert "presses cycle start" in output and "clears" in output
    assert left_behind(data) == []


@pytest.mark.slow
def test_a_killed_controller_comes_back_and_a_second_start_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    words = ("--once", "--machines", "2", "--speedup", "60")
    with demo(data, *words) as process:
        until(process, data, lambda: [run for run in ask(data, "run", "list") or [] if run["state"] == "running"])
        os.kill(int((data / "controller.lock").read_text()), signal.SIGKILL)
        until(process, data, lambda: "The controller is back" in (data / "output").read_text())
        until(process, data, lambda: any(job["good"] for job in ask(data, "job", "list") or []))
        assert {run["state"] for run in ask(data, "run", "list")} <= {"claimed", "preparing", "running", "finished"}
        until(process, data, lambda: [run for run in ask(data, "run", "list") or [] if run["state"] == "running"])
        process.send_signal(signal.SIGINT)
        assert process.wait(60.0) == 1
    assert left_behind(data) == []
    before = look(data, "SELECT count(*) FROM jobs")
    with demo(data, *words) as process:
        assert process.wait(WITHIN_S) == 0, (data / "output").read_text()
    assert look(data, "SELECT count(*) FROM jobs") == before == [(1,)], "it goes on with the order it had"
    assert look(data, "SELECT count(*) FROM parts WHERE state = 'good' AND place IS NOT NULL") == [(6,)]
    assert left_behind(data) == []


@pytest.mark.slow
def test_the_link_it_prints_signs_in_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(data, "--machines", "1") as process:
        link = until(process, data, lambda: re.search(r"http://\S+/login\?once=\S+", (data / "output").read_text()))
        answers = [follow(link[0]) for _ in range(2)]
    assert answers == [200, 403]
    assert left_behind(data) == []


def test_an_address_in_use_is_said_with_the_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [*FLEETCTL, "demo", "--machines", "1", "--data", str(tmp_path), "--listen", listen]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1 and listen in done.stderr and "--listen" in done.stderr, done.stdout + done.stderr
    assert left_behind(tmp_path) == []
