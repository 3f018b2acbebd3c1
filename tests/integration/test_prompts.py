"""A question of a printer's firmware over a real pseudo-terminal: shown by HTTP, page and command line, and answered
by each of them."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.real_site import RealMachine, RealSite, executed_lines, print_program, wait_for

pytestmark = pytest.mark.slow

LINES = print_program(40).splitlines()
PROGRAM = b"\n".join([*LINES[:20], b"M600", *LINES[20:30], b"M0", *LINES[30:], b""])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as made:
        yield made


def asked(site: RealSite, text: str) -> Any:
    """What K1 asks, once it asks this."""
    return wait_for(f"the question {text}", lambda: _prompt(site, text))


def _prompt(site: RealSite, text: str) -> Any:
    prompt = site.machine("K1")["prompt"]
    return prompt if prompt and text in prompt["text"] else None


def page_of(site: RealSite, path: str, form: bytes | None = None) -> str:
    """A page as a browser gets it; with a form, what is shown after it was sent."""
    address, token = (site.data / "address").read_text().strip(), (site.data / "admin.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    request = urllib.request.Request(address + path, form, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def typed(site: RealSite, *words: str) -> str:
    """What a command says."""
    command = [sys.executable, "-m", "fleetctl", "machine", *words]
    data = {"FLEETCTL_DATA": str(site.data), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=data, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stands_still(machine: RealMachine) -> None:
    """It executes nothing more while it waits."""
    before = machine.executed()
    for _ in range(3):
        wait_for("a new state of the simulator", machine.state)
    assert machine.executed() == before


def test_a_question_of_the_firmware_is_shown_and_answered_by_page_command_line_and_http(site: RealSite) -> None:
    printer = site.add_machine("K1", "marlin")
    site.submit(PROGRAM, 1, machine="K1")
    assert asked(site, "Nozzle Parked")["choices"] == ["Continue"]
    run = site.machine("K1")["run"]
    assert site.get(f"runs/{run['code']}")["state"] == "waiting"
    assert "was answered" in typed(site, "answer", "K1", "continue")
    assert asked(site, "Paused")["choices"] == ["PurgeMore", "Continue"]
    assert site.get(f"runs/{run['code']}")["state"] == "waiting"
    stands_still(printer)

    assert "Paused (PurgeMore, Continue)" in typed(site, "show", "K1")
    assert "1 PurgeMore, 2 Continue" in typed(site, "answer", "K1")
    traffic(site)
    assert "was answered" in typed(site, "answer", "K1", "purgemore")
    wait_for("the answer on the wire", lambda: "M876 S0" in traffic(site))
    wait_for("the question once more", lambda: any("prompt_begin Paused" in line for line in traffic(site)))
    assert asked(site, "Paused")["choices"] == ["PurgeMore", "Continue"]
    assert site.get(f"runs/{run['code']}")["state"] == "waiting", "only Continue goes on"

    page = page_of(site, "/machines/K1/operate")
    assert "<strong>K1 asks:</strong> Paused" in page and ">PurgeMore<" in page and ">Continue<" in page
    page_of(site, "/api/v1/machines/K1/prompt", b"choice=1&asked=Paused")
    second = asked(site, "M0 Stop")
    assert second["choices"] == ["Continue"]
    site.post("machines/K1/prompt", {"choice": 0, "asked": "M0 Stop"})
    wait_for("the end of the run", lambda: site.get(f"runs/{run['code']}")["state"] == "finished")
    assert site.machine("K1")["prompt"] is None
    wanted = executed_lines("marlin", PROGRAM)
    assert [line for line in printer.executed() if line in set(wanted)] == wanted


def traffic(site: RealSite) -> list[str]:
    """What went over the link lately; it is kept as long as somebody asks for it."""
    return [entry["text"] for entry in site.get("machines/K1/console?traffic=true")["entries"]]
