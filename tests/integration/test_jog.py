"""A held key over everything that is real: WebSocket, controller, agent, a pseudo-terminal, and a watched tool.

What is measured here is wall time on a busy computer, so the bound is loose; the 200 ms are proved under the virtual
clock (`tests/unit/plugins/test_*_jogging.py`). Run it with `-s` to see the figures.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from fleetctl_plugins.grbl.simulator import simulator as grbl
from fleetctl_plugins.marlin.simulator import simulator as marlin

from fleetctl.sim.endpoints import PtyEndpoint
from fleetctl.sim.machine import SimulatedMachine
from tests.integration.real_site import RealSite, wait_for

BEAT_S = 0.08
HELD_S = 1.2
LOOSE_S = 1.0
"""Without its heartbeat the machine would travel on for many seconds."""


class Watched:
    """A pretend machine behind a pseudo-terminal, in a thread of this process; `moved_at_s` is when it moved last."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self.machine = machine
        self.endpoint = PtyEndpoint()
        self.moved_at_s = 0.0
        self.way_mm = 0.0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ends.set()
        self._thread.join()
        self.endpoint.close()

    def _run(self) -> None:
        origin_s, before = time.monotonic(), self.machine.position_mm
        with selectors.DefaultSelector() as selector:
            self.endpoint.register(selector)
            while not self._ends.is_set():
                selector.select(0.003)
                now_s = time.monotonic()
                _, data = self.endpoint.poll()
                self.machine.receive(data, now_s - origin_s)
                if output := self.machine.take_output():
                    self.endpoint.write(output)
                if (here := self.machine.position_mm) != before:
                    self.moved_at_s = now_s
                    self.way_mm += max(abs(a - b) for a, b in zip(here, before, strict=True))
                    before = here


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as site:
        yield site


def add(site: RealSite, watched: Watched, driver: str) -> None:
    """Put the machine on record, online, and homed where it can."""
    machine = {"name": "M", "driver": driver, "port": watched.endpoint.address}
    site.post("machines", machine)
    wait_for("M online", lambda: site.machine("M")["link"] == "online")
    if driver == "marlin":
        site.post("machines/M/home", {})


async def held(site: RealSite, velocity: dict[str, float], gone: str) -> float:
    """Hold a key, then vanish in some way; when the last heartbeat went out."""
    url = (site.data / "address").read_text().strip() + "/api/v1/machines/M/jog"
    token = (site.data / "admin.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as client, client.ws_connect(url) as socket:
        ends_s = time.monotonic() + HELD_S
        while time.monotonic() < ends_s:
            last_s = time.monotonic()
            await socket.send_json({"velocity_mm_s": velocity, "at_ms": last_s * 1000})
            await asyncio.sleep(BEAT_S)
        if gone == "page cut":
            transport = socket.get_extra_info("socket")
            assert transport is not None
            socket._response.connection.transport.abort()  # type: ignore[union-attr]
        elif gone == "controller killed":
            site.kill_controller()
        elif gone == "agent killed":
            site.kill_agent()
        await asyncio.sleep(LOOSE_S + 0.5)
    return last_s


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "gone"),
    [("grbl", "silent"), ("grbl", "agent killed"), ("marlin", "page cut"), ("marlin", "controller killed")],
)
def test_whoever_vanishes_the_tool_comes_to_rest(site: RealSite, driver: str, gone: str) -> None:
    made = grbl(7, settings="22=0,120=300,121=300,122=150") if driver == "grbl" else marlin(7, homing_mm_s=500.0)
    velocity = {"X": -20.0 if driver == "grbl" else 20.0}
    with Watched(made) as watched:
        add(site, watched, driver)
        watched.way_mm = 0.0
        last_s = asyncio.run(held(site, velocity, gone))
        rested_s = watched.moved_at_s - last_s
        print(
            f"\n{driver}, {gone}: at rest {rested_s * 1000:.0f} ms after the last heartbeat, {watched.way_mm:.1f} mm"
        )
        assert watched.way_mm > 5.0
        assert rested_s < LOOSE_S
