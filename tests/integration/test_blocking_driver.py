"""A plug-in that really blocks, installed beside the others, in a real agent: the watchdog names it, other machines
lose that time and nothing else, and an agent of its own cures it (I9).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.real_site import RealSite, executed_lines, print_program, wait_for

pytestmark = pytest.mark.slow

BLOCKS_S = 3.0
LOADED_S = 1.2
"""How long a machine may stand still for other reasons while the computer is busy; measured beside it."""

PRINT = print_program(500)

PLUGIN = '''
"""The Marlin driver by somebody who does not know asyncio: what it hears it works on, in the loop's thread."""

import time
from pathlib import Path

import msgspec
from fleetctl_plugins.marlin.driver import DRIVER as MARLIN

from fleetctl.plugin.hookspecs import hookimpl


class Blocking:
    def __init__(self, listener, order):
        self._listener = listener
        self._order = order

    def __getattr__(self, name):
        return getattr(self._listener, name)

    def telemetry(self, telemetry):
        if self._order.exists():
            how, seconds = self._order.read_text().split()
            self._order.unlink()
            if how == "sleep":
                time.sleep(float(seconds))
            else:
                spin(float(seconds))
        self._listener.telemetry(telemetry)


def spin(seconds):
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        pass


def make(spec, transport, clock, listener):
    return MARLIN.make(spec, transport, clock, Blocking(listener, Path(spec.options["order"])))


@hookimpl
def fleetctl_drivers():
    return [msgspec.structs.replace(MARLIN, name="blocking", title="Blocks", make=make)]
'''


def install(folder: Path) -> Path:
    """As pip leaves it: a module, and the metadata with its entry point."""
    metadata = folder / "blocking_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "blocking_plugin.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: blocking-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[fleetctl]\nblocking = blocking_plugin\n")
    return folder


@pytest.fixture
def order(tmp_path: Path) -> Path:
    return tmp_path / "order"


@pytest.fixture
def site(tmp_path: Path, order: Path) -> Iterator[RealSite]:
    made = RealSite(tmp_path)
    made.plugins = install(tmp_path / "plugins")
    with made:
        made.add_machine("K1", "marlin", by="blocking", options={"order": str(order)})
        made.add_machine("K2", "marlin")
        yield made


def begin(site: RealSite) -> None:
    """Both machines print."""
    before = {name: len(machine.executed()) for name, machine in site.machines.items()}
    site.submit(PRINT, 2)
    wait_for(
        "both at work", lambda: all(len(m.executed()) > before[name] + 40 for name, m in site.machines.items()), 60.0
    )


def end(site: RealSite, count: int) -> None:
    """Both runs finish, whole."""
    wait_for("the ends", lambda: not site.runs(active="true"), 90.0)
    assert [run["state"] for run in site.runs()] == ["finished"] * count
    expected = [line for line in executed_lines("marlin", PRINT) if line.startswith("G1 X")]
    for machine in site.machines.values():
        executed = [line for line in machine.executed() if line.startswith("G1 X")]
        assert executed == expected * (count // 2)


def longest_rest_s(site: RealSite, name: str, within_s: float) -> float:
    """The longest time from now on in which a machine executed nothing."""
    trace = site.machines[name].trace
    ends_s = time.monotonic() + within_s
    size, since_s, longest_s = trace.stat().st_size, time.monotonic(), 0.0
    while (now_s := time.monotonic()) < ends_s:
        if (now_size := trace.stat().st_size) != size:
            size, since_s = now_size, now_s
        longest_s = max(longest_s, now_s - since_s)
        time.sleep(0.01)
    return longest_s


def block(site: RealSite, order: Path, how: str) -> tuple[float, dict[str, Any]]:
    """Let it block once; how long the other machine stood still at most, and what the watchdog said."""
    known = len(named(site))
    unfinished = order.with_suffix(".new")
    unfinished.write_text(f"{how} {BLOCKS_S}")
    unfinished.rename(order)
    rest_s = longest_rest_s(site, "K2", BLOCKS_S + 5.0)
    assert not order.exists()
    blocked = wait_for("it to be named", lambda: named(site)[known:])[0]
    print(f"\n{how}: K2 stood still for {rest_s:.2f} s at most; {blocked}")
    return rest_s, blocked


def named(site: RealSite) -> list[dict[str, Any]]:
    return [blocked for agent in site.get("agents") for blocked in agent["blocked"]]


def test_a_driver_that_blocks_is_named_costs_the_others_that_time_and_is_cured_by_its_own_agent(
    site: RealSite, order: Path
) -> None:
    begin(site)
    quiet_s = longest_rest_s(site, "K2", 3.0)
    for how, where in (("sleep", "telemetry"), ("spin", "spin")):
        rest_s, blocked = block(site, order, how)
        assert (blocked["machine"], blocked["driver"]) == ("K1", "blocking")
        assert "blocking_plugin.py" in blocked["where"] and blocked["where"].endswith(where)
        assert BLOCKS_S - 0.3 < blocked["late_s"] < BLOCKS_S + LOADED_S
        assert rest_s < BLOCKS_S + LOADED_S + quiet_s, "it loses that time, and no more"
        if how == "sleep":
            time.sleep(10.0 - BLOCKS_S)  # who blocks again and again is named every ten seconds
    end(site, 2)

    site.post("machines/K1/agent", {"agent": "own"})
    wait_for("K1 online again", lambda: site.machine("K1")["link"] == "online")
    for name in site.machines:
        site.post(f"machines/{name}/clear", {})
    begin(site)
    rest_s, blocked = block(site, order, "sleep")
    assert blocked["machine"] == "K1"
    assert {a["name"]: bool(a["blocked"]) for a in site.get("agents")}["own-k1"]
    assert rest_s < LOADED_S + quiet_s < BLOCKS_S, "the other machine notices nothing"
    end(site, 4)
