"""The Marlin driver against a Marlin-like machine that nobody here wrote: the virtual printer bundled with OctoPrint.

OctoPrint is AGPL software. It is installed by `make` into an environment of its own (build/peers) and runs as a
process of its own; nothing of it is imported here. What it taught is in plugins/marlin/README.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fleetctl_plugins.marlin.driver import DRIVER

from fleetctl.clock import SystemClock
from fleetctl.driver.api import Driver, EndKind, Identity, MachineSpec
from fleetctl.errors import MachineError
from fleetctl.model.machine import Activity
from fleetctl.model.profile import PROFILES
from fleetctl.testing.suite import Recorder, Source
from fleetctl.transport.opener import TransportOpener

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build/peers/bin/python"
BRIDGE = ROOT / "tests/peers/serial_object.py"
PATIENCE_S = 40.0

MOVES = [f"G1 X{10 + 17 * i % 200} Y{10 + 31 * i % 200} E{i}.5 F60000" for i in range(60)]
PROGRAM = "\n".join(["; made for the peer", "G28", "G90", "M104 S60", *MOVES, "M104 S0", "M84", ""]).encode()


class Rig:
    """The peer with one connected driver."""

    def __init__(self, trace: Path, driver: Driver, recorder: Recorder, identity: Identity) -> None:
        self.driver = driver
        self.recorder = recorder
        self.identity = identity
        self._trace = trace

    def moves(self) -> list[str]:
        """The moves that the peer has made, in order."""
        made = self._trace.read_text(encoding="utf-8").splitlines() if self._trace.exists() else []
        return [line for line in made if line.startswith("G1 X")]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.recorder.changed.clear()
                await self.recorder.changed.wait()


Begin = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Starts the virtual printer with these settings and connects the driver; both end with the test."""
    if not PYTHON.exists():
        if os.environ.get("CI"):
            pytest.fail("build/peers is missing; `make test` makes it.")
        pytest.skip("build/peers is missing: `make peers` installs OctoPrint's virtual printer there")
    processes: list[subprocess.Popen[str]] = []
    drivers: list[Driver] = []
    clock = SystemClock()

    async def start(**settings: object) -> Rig:
        trace = tmp_path / f"moves{len(processes)}.txt"
        wanted = {
            "make": "octoprint.plugins.virtual_printer.virtual:VirtualPrinter",
            "settings": "octoprint.plugins.virtual_printer:VirtualPrinterPlugin.().get_settings_defaults",
            "before": "octoprint.plugin:plugin_manager",
            "before_with": {"init": True, "plugin_folders": [], "plugin_bases": [], "plugin_entry_points": []},
            "set": {"throttle": 0.0005, "simulated_errors": [], **settings},
            "trace": "_performMove",
            "trace_file": str(trace),
        }
        command = [str(PYTHON), "-W", "ignore", str(BRIDGE), json.dumps(wanted)]
        process = await asyncio.to_thread(
            subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )
        processes.append(process)
        assert process.stdout is not None
        port = (await asyncio.to_thread(process.stdout.readline)).removeprefix("port: ").strip()
        spec = MachineSpec(name="peer", port=port, profile=PROFILES["generic-220"])
        recorder = Recorder()
        driver = DRIVER.make(spec, TransportOpener(clock).make(port), clock, recorder)
        drivers.append(driver)
        identity = await driver.connect(clock.monotonic() + PATIENCE_S)
        return Rig(trace, driver, recorder, identity)

    yield start
    for driver in drivers:
        await driver.close()
    for process in processes:
        await asyncio.to_thread(process.communicate)


async def printed(rig: Rig) -> None:
    """Print the program and see that just its moves were made."""
    await rig.driver.start(Source(PROGRAM))
    await rig.until(lambda: rig.recorder.ends)
    kind, reason, progress = rig.recorder.ends[0]
    assert kind is EndKind.FINISHED, reason
    assert progress.acknowledged_line == progress.sent_line == PROGRAM.count(b"\n")
    assert rig.moves() == MOVES


async def test_it_is_identified_and_prints(begin: Begin) -> None:
    rig = await begin()
    assert rig.identity.facts["quirks"] == "Marlin 1"
    assert rig.identity.facts["cap:EMERGENCY_PARSER"] == "1"
    await printed(rig)
    temperatures = rig.recorder.latest.temperatures_degc
    assert set(temperatures) >= {"T0", "B"}


@pytest.mark.parametrize("broken_resend", [True, False])
async def test_what_it_asks_for_again_is_repeated_and_nothing_is_made_twice(
    begin: Begin, broken_resend: bool
) -> None:
    rig = await begin(
        brokenResend=broken_resend,
        simulated_errors=[*(f"{n}:resend" for n in range(20, 30)), "50:missing_lineno", "70:checksum_mismatch"],
    )
    await printed(rig)


@pytest.mark.parametrize(
    "settings",
    [
        {"okBeforeCommandOutput": True, "firmwareName": "Repetier_1.0", "repetierStyleTargetTemperature": True},
        {"okFormatString": "ok N{lastN} P{buffer} B{buffer}", "firmwareName": "Marlin 2.0.9"},
        {"firmwareName": "Smoothieware", "smoothieTemperatureReporting": True, "capabilities": {}},
        {"sendBusy": True, "sendWait": False, "capabilities": {"AUTOREPORT_TEMP": False}},
    ],
    ids=["ok when read", "advanced ok", "Smoothieware's reports", "busy and no reports"],
)
async def test_its_other_manners(begin: Begin, settings: dict[str, object]) -> None:
    await printed(await begin(**settings))


async def test_a_halt_in_the_middle_is_a_fault_with_its_words(begin: Begin) -> None:
    rig = await begin(throttle=0.01)
    await rig.driver.start(Source(PROGRAM * 50))  # progress is told ten times a second
    await rig.until(lambda: rig.recorder.progresses and rig.recorder.progresses[-1][1].acknowledged_line > 20)
    rig.driver.stop()
    await rig.until(lambda: rig.recorder.ends)
    kind, reason, _ = rig.recorder.ends[0]
    assert (kind, reason) == (EndKind.INTERRUPTED, "software stop")
    assert rig.recorder.now is Activity.FAULT
    made = rig.moves()
    assert made == (MOVES * 50)[: len(made)]
    with pytest.raises(MachineError):
        await rig.driver.start(Source(PROGRAM))
