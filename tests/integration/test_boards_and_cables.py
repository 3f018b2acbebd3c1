"""Cables pulled and boards exchanged, on real processes: controller, agent, simulator behind a pseudo-terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.real_site import RealSite, print_program, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as made:
        yield made


def test_a_board_exchanged_during_a_run_is_refused_until_a_person_confirms_it(site: RealSite) -> None:
    machine = site.add_machine("K1", "marlin")
    known = site.machine("K1")["board"]
    assert known["uuid"]
    site.submit(print_program(120), 1, machine="K1")
    run = wait_for("a run", lambda: site.machine("K1")["run"])["code"]
    wait_for("some lines", lambda: machine.state().get("executed", 0) > 25)
    machine.end()
    wait_for("the run to be over", lambda: site.get(f"runs/{run}")["state"] == "interrupted")
    machine.seed, before = 6, len(machine.executed())
    machine.power_cycle()
    refused = wait_for("the new board to be refused", lambda: site.machine("K1")["board_refused"])
    shown = site.machine("K1")
    assert shown["link"] == "offline"
    assert known["uuid"] in shown["reason"] and refused["uuid"] in shown["reason"]
    assert shown["board"] == known
    site.post("machines/K1/confirm-board", {})
    wait_for("the new board to be online", lambda: site.machine("K1")["link"] == "online")
    shown = site.machine("K1")
    assert (shown["board"]["uuid"], shown["board_refused"]) == (refused["uuid"], None)
    assert (shown["clearance"], shown["position"]) == ("uncleared", "suspect")
    moves = [line for line in machine.executed()[before:] if line.startswith(("G0", "G1", "G28"))]
    assert moves == []
