"""The drivers over real pseudo-terminals and sockets, each against a simulator in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fleetctl_plugins.grbl.simulator import as_executed as grbl_executes
from fleetctl_plugins.marlin.simulator import as_executed as marlin_executes
from fleetctl_plugins.tinyg.simulator import as_executed as tinyg_executes

from fleetctl.clock import SystemClock
from fleetctl.driver.api import Driver, EndKind, MachineSpec
from fleetctl.model.machine import Activity
from fleetctl.model.profile import PROFILES
from fleetctl.plugin.manager import PluginManager
from fleetctl.sim.record import digest
from fleetctl.sim.sample import MILL_OFFSET_MM, bracket, milled_plate
from fleetctl.testing.suite import Recorder, Source
from fleetctl.transport.opener import TransportOpener

PATIENCE_S = 20.0
SPEEDUP = "400"

PRINT = bracket(layers=2)
CUT = milled_plate(depth_mm=1.0)
SQUARE = b"G21 G90\nM3 S900\nG1 X-5 Y-5 F900\nX-9\nY-9\nG0 X0 Y0\nM5\nM30\n"
WORK = "work_mm=" + ",".join(str(value) for value in MILL_OFFSET_MM)
GRBLHAL, FLUIDNC = ("--set", "firmware=grblhal"), ("--set", "firmware=fluidnc")


class Rig:
    """One simulator process with one connected driver."""

    def __init__(self, process: subprocess.Popen[str], state: Path, driver: Driver, recorder: Recorder) -> None:
        self.process = process
        self.driver = driver
        self.recorder = recorder
        self._state = state

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.recorder.changed.clear()
                await self.recorder.changed.wait()

    async def seen(self, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """The physical state as the simulator writes it, once it is as wanted."""
        state: dict[str, object] = {}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self._state.exists() and wanted(state := json.loads(self._state.read_text())):
                    return state
                await asyncio.sleep(0.05)


Begin = Callable[..., Awaitable[Rig]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Starts a simulator and connects a driver to it; both are ended with the test."""
    rigs: list[Rig] = []
    processes: list[subprocess.Popen[str]] = []
    plugins = PluginManager()
    plugins.load()
    clock = SystemClock()

    async def start(named: str, *words: str) -> Rig:
        name, _, profile = named.partition(":")
        state = tmp_path / f"{len(rigs)}.json"
        command = [sys.executable, "-m", "fleetctl.sim.run", name, "--speedup", SPEEDUP]
        command += ["--state", str(state), *words]
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        first = await asyncio.to_thread(process.stdout.readline)
        port = first.removeprefix("port: ").strip()
        if not port.startswith("/"):
            port = f"socket://{port.removeprefix('socket://')}"
        driver_type = plugins.drivers()[name]
        spec = MachineSpec(name="rig", port=port, profile=PROFILES[profile or driver_type.profiles[0]])
        recorder = Recorder()
        driver = driver_type.make(spec, TransportOpener(clock).make(port), clock, recorder)
        rigs.append(Rig(process, state, driver, recorder))
        await driver.connect(clock.monotonic() + PATIENCE_S)
        return rigs[-1]

    yield start
    for rig in rigs:
        await rig.driver.close()
    for process in processes:
        process.terminate()
        await asyncio.to_thread(process.communicate)


def named(state: dict[str, object], lines: list[str], sync: str) -> bool:
    """The simulator executed just these lines and what the driver adds to know that motion is done."""
    return state["executed_sha256"] == digest([*lines, *filter(None, [sync])])


@pytest.mark.parametrize(
    ("name", "words", "program", "lines", "sync"),
    [
        ("marlin", (), PRINT, marlin_executes(PRINT), "M400"),
        ("marlin", ("--tcp", "127.0.0.1:0"), PRINT, marlin_executes(PRINT), "M400"),
        ("marlin", ("--set", "advanced_ok=1"), PRINT, marlin_executes(PRINT), "M400"),
        ("grbl", ("--set", WORK), CUT, grbl_executes(CUT), "G4P0.01"),
        ("grbl", ("--set", WORK, "--tcp", "127.0.0.1:0"), CUT, grbl_executes(CUT), "G4P0.01"),
        ("grbl:generic-mill-grblhal", ("--set", WORK, *GRBLHAL), CUT, grbl_executes(CUT), "G4P0.01"),
        ("grbl:generic-mill-fluidnc", ("--set", WORK, *FLUIDNC), CUT, grbl_executes(CUT), "G4P0.01"),
        ("tinyg", (), SQUARE, tinyg_executes(SQUARE), ""),
    ],
)
async def test_a_run_over_a_real_link(
    begin: Begin, name: str, words: tuple[str, ...], program: bytes, lines: list[str], sync: str
) -> None:
    rig = await begin(name, *words)
    await rig.driver.start(Source(program))
    await rig.until(lambda: rig.recorder.ends)
    kind, reason, progress = rig.recorder.ends[0]
    assert kind is EndKind.FINISHED, reason
    assert progress.acknowledged_line == progress.sent_line
    await rig.seen(lambda state: named(state, lines, sync))


@pytest.mark.parametrize(("name", "program"), [("marlin", PRINT), ("grbl", CUT)])
async def test_a_stop_over_a_real_link(begin: Begin, name: str, program: bytes) -> None:
    rig = await begin(name, *(("--set", WORK) if name == "grbl" else ()))
    await rig.driver.start(Source(program * 20))
    await rig.until(lambda: rig.recorder.progresses)
    rig.driver.stop()
    assert await rig.driver.stopped()
    assert [kind for kind, _, _ in rig.recorder.ends] == [EndKind.INTERRUPTED]
    state = await rig.seen(lambda state: state["activity"] in ("killed", "alarm", "idle"))
    outputs = state["outputs"]
    assert isinstance(outputs, dict)
    assert not any(value for output, value in outputs.items() if output != "fan")


@pytest.mark.parametrize(("name", "program"), [("marlin", PRINT), ("grbl", CUT)])
async def test_a_machine_that_vanishes(begin: Begin, name: str, program: bytes) -> None:
    rig = await begin(name, *(("--set", WORK) if name == "grbl" else ()))
    await rig.driver.start(Source(program * 20))
    await rig.until(lambda: rig.recorder.now is Activity.RUNNING and rig.recorder.progresses)
    rig.process.kill()
    await rig.until(lambda: rig.recorder.losses)
    assert [kind for kind, _, _ in rig.recorder.ends] == [EndKind.INTERRUPTED]
    assert len(rig.recorder.losses) == 1


@pytest.mark.parametrize(
    ("fault", "words", "ends"),
    [
        ("drop@60", ("--set", "settings=10=3"), (EndKind.INTERRUPTED, EndKind.FAILED)),
        ("duplicate-out@60", ("--set", "settings=10=3"), (EndKind.INTERRUPTED, EndKind.FINISHED)),
        ("garble@60", ("--set", "echo=1"), (EndKind.INTERRUPTED, EndKind.FAILED, EndKind.FINISHED)),
        ("reset@60", (), (EndKind.INTERRUPTED,)),
        ("sleep@60", (), (EndKind.INTERRUPTED,)),
    ],
)
async def test_grbl_s_own_faults_over_a_real_link(
    begin: Begin, fault: str, words: tuple[str, ...], ends: tuple[EndKind, ...]
) -> None:
    rig = await begin("grbl", "--set", WORK, "--fault", fault, *words)
    await rig.driver.start(Source(CUT))
    await rig.until(lambda: rig.recorder.ends)
    kind, reason, _ = rig.recorder.ends[0]
    assert kind in ends, reason
    assert reason or kind is EndKind.FINISHED
    assert len(rig.recorder.ends) == 1


async def test_cancel_over_a_real_link(begin: Begin) -> None:
    rig = await begin("grbl", "--set", WORK)
    await rig.driver.start(Source(CUT * 20))
    await rig.until(lambda: rig.recorder.progresses)
    await rig.driver.cancel()
    await rig.until(lambda: rig.recorder.ends)
    assert rig.recorder.ends[0][0] is EndKind.CANCELLED
    await rig.seen(lambda state: state["activity"] == "idle")
    await rig.driver.make_safe()
