"""A sample of the fault matrix over real pseudo-terminals: a simulator process with planned faults, the driver."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from fleetctl_plugins.marlin.simulator import as_executed

from fleetctl.clock import SystemClock
from fleetctl.driver.api import EndKind, MachineSpec
from fleetctl.model.profile import PROFILES
from fleetctl.plugin.manager import PluginManager
from fleetctl.testing.suite import Recorder, Source
from fleetctl.transport.opener import TransportOpener

PATIENCE_S = 60.0
PROGRAM = (
    "G28\nM83\n" + "".join(f"G1 X{10 + 17 * i % 200} Y{10 + 31 * i % 200} F6000\n" for i in range(80))
).encode()
LINES = as_executed(PROGRAM)

FINISHED, INTERRUPTED = EndKind.FINISHED, EndKind.INTERRUPTED


@pytest.mark.parametrize(
    ("firmware", "faults", "kinds"),
    [
        ("marlin2", ("garble%0.03", "drop%0.01"), {FINISHED, INTERRUPTED}),
        ("marlin2", ("duplicate%0.05",), {FINISHED}),
        ("prusa-buddy", ("garble%0.03",), {FINISHED}),
        ("prusa-mk3", ("reset@40",), {INTERRUPTED}),
        ("repetier", ("lost-ok@20", "lost-ok@40"), {FINISHED}),
        ("smoothieware", ("garble@30", "garble@50"), {FINISHED}),
        ("reprapfirmware", ("thermal@30",), {EndKind.FAILED}),
        ("sprinter", ("duplicate-out%0.02",), {FINISHED, INTERRUPTED}),
    ],
)
async def test_exactly_the_program_or_a_named_end(
    tmp_path: Path, firmware: str, faults: tuple[str, ...], kinds: set[EndKind]
) -> None:
    trace = tmp_path / "trace.jsonl"
    command = [sys.executable, "-m", "fleetctl.sim.run", "marlin", "--speedup", "200", "--seed", "3"]
    command += ["--set", f"firmware={firmware}", "--trace", str(trace)]
    command += [word for fault in faults for word in ("--fault", fault)]
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = (await asyncio.to_thread(process.stdout.readline)).removeprefix("port: ").strip()
        kind, reason = await print_on(port)
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)
    assert kind in kinds, reason
    executed = [json.loads(line)[2] for line in trace.read_text().splitlines()]
    made = [line for line in executed if line.startswith(("G28", "M83", "G1 "))]
    assert made == LINES[: len(made)], reason
    assert made == LINES if kind is FINISHED else reason


async def print_on(port: str) -> tuple[EndKind, str]:
    """One run of the program on this port."""
    clock = SystemClock()
    plugins = PluginManager()
    plugins.load()
    recorder = Recorder()
    spec = MachineSpec(name="rig", port=port, profile=PROFILES["generic-220"])
    driver = plugins.drivers()["marlin"].make(spec, TransportOpener(clock).make(port), clock, recorder)
    try:
        await driver.connect(clock.monotonic() + PATIENCE_S)
        await driver.start(Source(PROGRAM))
        async with asyncio.timeout(PATIENCE_S):
            while not recorder.ends:
                recorder.changed.clear()
                await recorder.changed.wait()
        return recorder.ends[0][:2]
    finally:
        await driver.close()
