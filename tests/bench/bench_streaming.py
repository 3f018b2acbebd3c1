"""How many machines one agent drives: CPU, fairness, delays and memory, beside a bare loop and Printrun."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from streaming_rig import BUILD, HERE, Load, agent, compiled_load, cpu_s, own_mb, program, store_program


def say(text: str) -> None:
    """Progress, for a person."""
    sys.stderr.write(text + "\n")


async def with_agent(machines: int, rate: float, window: int, seconds: float) -> dict[str, Any]:
    """One agent over so many machines."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        data = Path(folder)
        content = program(int((rate or 60_000 / machines * 4) * (seconds + 30)))
        sha256 = store_program(data, content)
        load = Load(data / "port", machines, rate, window)
        try:
            async with agent(data) as under_test:
                empty_mb = own_mb(under_test.pid)
                await under_test.hold(load.ports)
                idle_mb = own_mb(under_test.pid)
                await under_test.start(machines, sha256)
                await asyncio.sleep(2.0)
                load.mark()
                used_s = cpu_s(under_test.pid)
                telemetry = under_test.told.telemetry
                await asyncio.sleep(seconds)
                used_s = cpu_s(under_test.pid) - used_s
                counted = load.tell()
                found = {
                    "lines_s": round(counted["lines"] / counted["seconds"]),
                    "cores": round(used_s / counted["seconds"], 3),
                    "us_per_line": round(used_s / max(1, counted["lines"]) * 1e6, 2),
                    "lines_s_per_core": round(counted["lines"] / used_s),
                    "own_mb": {"empty": empty_mb, "idle": idle_mb, "streaming": own_mb(under_test.pid)},
                    "telemetry": under_test.told.telemetry - telemetry,
                    "load": counted,
                }
                report = await under_test.stop()
                stopped = load.tell()
                found["stop"] = {
                    "agent_s": report.last_byte_s,
                    "halted": stopped["halted"],
                    "outcomes": sorted({outcome.outcome for outcome in report.outcomes}),
                }
                return found
        finally:
            load.close()


def with_bare_loop(machines: int, rate: float, seconds: float) -> dict[str, Any]:
    """The same load, and nothing but asyncio."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        load = Load(Path(folder) / "port", machines, rate, 1)
        try:
            command = [sys.executable, str(HERE / "bare_loop.py"), str(seconds), *load.ports]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.readline()
                load.mark()
                own = json.loads(process.stdout.readline())
                counted = load.tell()
            return {
                "lines_s": round(own["lines"] / own["seconds"]),
                "cores": round(own["cpu_s"] / own["seconds"], 3),
                "us_per_line": round(own["cpu_s"] / own["lines"] * 1e6, 2),
                "load": counted,
            }
        finally:
            load.close()


def main() -> None:
    """Measure and print."""
    compiled_load()
    machines, rate, window, seconds = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    if len(sys.argv) > 6:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    for _ in range(int(sys.argv[5])):
        say(json.dumps(asyncio.run(with_agent(machines, rate, window, seconds))))
        if window == 1:
            say(json.dumps(with_bare_loop(machines, rate, seconds)))
    say(str(os.getloadavg()))


if __name__ == "__main__":
    main()
