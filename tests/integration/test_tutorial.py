"""The tutorial, typed in order: every command of docs/tutorial/first-order.md against a real daemon."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl.sim import sample

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-order.md"
FLEETCTL = [sys.executable, "-m", "fleetctl"]
WITHIN_S = 120.0


class Reader:
    """Somebody who reads the tutorial with a simulated printer, as it offers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "FLEETCTL_DATA": str(folder / "data")}
        self.typed: list[str] = []

    def type(self, line: str) -> str:
        """Type one command and expect it to succeed."""
        port, program = str(self.folder / "ender1"), str(self.folder / "part.gcode")
        words = shlex.split(line.replace("/dev/ttyUSB0", port).replace("part.gcode", program))[1:]
        if words == ["watch"]:
            words.append("--once")
        self.typed.append(line)
        done = subprocess.run([*FLEETCTL, *words], capture_output=True, text=True, env=self.env, timeout=60)
        # A doctor may find that this computer's own serial port belongs to somebody else.
        assert done.returncode == 0 or words == ["doctor"], f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, *words: str) -> Any:
        done = subprocess.run([*FLEETCTL, *words, "--json"], capture_output=True, text=True, env=self.env, timeout=60)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def until(self, what: str, true: Callable[[], Any]) -> None:
        """Wait for a state, as a person would before the next step."""
        give_up_s = time.monotonic() + WITHIN_S
        while not true():
            assert time.monotonic() < give_up_s, f"waited in vain for: {what}"
            time.sleep(0.1)

    def machine(self) -> Any:
        return self.ask("machine", "show", "ender1") or {"link": "", "word": ""}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "part.gcode").write_bytes(sample.bracket(4))
    person = Reader(tmp_path)
    commands = (
        [*FLEETCTL, "simulate", "marlin", "--link", str(tmp_path / "ender1"), "--speedup", "200"],
        [*FLEETCTL, "serve", "--listen", "127.0.0.1:0"],
    )
    running = []
    for number, command in enumerate(commands):
        with (tmp_path / f"output{number}").open("wb") as output:
            running.append(subprocess.Popen(command, stdout=output, stderr=output, env=person.env))
    person.until("the daemon", lambda: (tmp_path / "data" / "address").exists())
    yield person
    lock = tmp_path / "data" / "agent.lock"
    agent = int(lock.read_text().strip() or 0)
    for process in reversed(running):
        process.terminate()
        process.wait(30.0)
    for _ in range(2):  # the first lets runs finish, the second does not
        if agent:
            try:
                os.kill(agent, signal.SIGTERM)
            except ProcessLookupError:
                break
            time.sleep(0.3)


def command_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return [line for block in blocks for line in block.splitlines() if line.startswith("fleetctl ")]


@pytest.mark.slow
def test_the_tutorial_ends_with_five_good_parts(reader: Reader) -> None:
    lines = [line for line in command_lines() if line != "fleetctl serve"]
    for line in lines:
        if line.startswith("fleetctl machine clear") and "--good" in line:
            for _ in range(5):
                reader.until(
                    "a plate on the bed", lambda: reader.machine()["parts_to_clear"] and not reader.machine()["run"]
                )
                reader.type(line)
            reader.until("done", lambda: reader.ask("job", "list")[0]["state"] == "done")
        elif line.startswith("fleetctl job list"):
            assert "5 of 5" in reader.type(line)
        else:
            reader.type(line)
        if line.startswith("fleetctl machine add"):
            reader.until("the link", lambda: reader.machine()["link"] == "online")
            assert reader.machine()["word"] == "uncleared"
    assert reader.typed[0] == "fleetctl doctor" and len(reader.typed) >= len(lines)
    assert {part["state"] for part in reader.ask("part", "list")} == {"good"}
