"""The stop of everything on real processes when something is broken already: a dead controller, a locked store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.real_site import RealSite, mill_program, print_program, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    """A printer and a mill in the middle of a run."""
    with RealSite(tmp_path) as made:
        for name, driver, program in (("K1", "marlin", print_program(400)), ("M1", "grbl", mill_program(400))):
            made.add_machine(name, driver)
            made.submit(program, 1, machine=name)
        wait_for("both at work", lambda: all(m.state().get("executed", 0) > 20 for m in made.machines.values()))
        yield made


def estop(site: RealSite) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fleetctl", "estop", "--data", str(site.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_i15_a_stop_without_a_controller_is_taken_by_the_agent_and_adopted_later(site: RealSite) -> None:
    site.kill_controller()
    done = estop(site)
    assert done.returncode == 0, done.stderr
    assert "2 confirmed" in " ".join(done.stdout.split())
    wait_for("heaters and spindle off", lambda: all(machine.is_safe() for machine in site.machines.values()))
    site.start_controller()
    wait_for("the controller to hold it too", lambda: site.get("estop")["stopped"])
    wait_for("both runs ended on record", lambda: not site.runs(active="true"))
    assert not site.post("estop/release", {})["stopped"]


def test_i15_a_stop_reaches_the_machines_while_the_store_is_locked(site: RealSite) -> None:
    other = sqlite3.connect(site.data / "fleetctl.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(AssertionError, match=r"503.*The stop went out \(2 confirmed\)"):
            site.post("estop", {})
        wait_for("heaters and spindle off", lambda: all(machine.is_safe() for machine in site.machines.values()))
        assert not site.get("estop")["stopped"], "nobody sees what is not committed (I5)"
    finally:
        other.execute("ROLLBACK")
        other.close()
    wait_for("the stop on record", lambda: site.get("estop")["stopped"])
    wait_for("both runs ended on record", lambda: not site.runs(active="true"))
    assert len(site.runs()) == 2
