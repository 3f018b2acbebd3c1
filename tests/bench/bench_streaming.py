"""How many machines one agent drives: CPU, fairness, delays, stops and memory, beside a bare loop and Printrun.

The machines are `machines.c` on real pseudo-terminals, in a process of its own; the agent is the real one with its
journal, led by a thin controller (`streaming_rig.py`), and in the last scenario by a real and busy one
(`streaming_site.py`). CPU is what the kernel says of the agent's threads. Agent and bare loop take turns, because the
computer may be busy with other things: trust CPU per line and ratios more than delays, and look at `load_average`.

usage: bench_streaming.py [--machines N] [--rate R] [--seconds S] [--rounds N] [--no-site] [--only-grbl]
prints one JSON object
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import serial
import serial_asyncio
from streaming_rig import (
    BUILD,
    HERE,
    AgentUnderTest,
    Load,
    agent,
    compiled_load,
    compiled_stopwatch,
    cpu_s,
    mill_program,
    own_mb,
    program,
    store_program,
    timed,
)
from streaming_site import busy_site

WARM_UP_S = 2.0
STOPPED_MACHINES = 250
WINDOW = 8
WINDOWED_MACHINES = 8
PEER = BUILD / "peer-printcore"
PEER_LINES = 3000


def say(text: str) -> None:
    """Progress, for a person."""
    sys.stderr.write(text + "\n")


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, least and greatest."""
    kept = list(values)
    return {"median": round(statistics.median(kept), 3), "least": round(min(kept), 3), "most": round(max(kept), 3)}


def percentiles(timings: Iterable[dict[str, float]]) -> dict[str, dict[str, float]]:
    """What a stop watch found in several rounds."""
    kept = list(timings)
    return {share: spread(each[share] for each in kept) for share in ("p50", "p90", "p99", "p999")}


async def count(load: Load, under_test: AgentUnderTest, seconds: float) -> dict[str, Any]:
    """What machines and kernel counted in a while."""
    load.mark()
    used_s, telemetry = cpu_s(under_test.pid), under_test.told.telemetry
    await asyncio.sleep(seconds)
    used_s = cpu_s(under_test.pid) - used_s
    counted = load.tell()
    return counted | {
        "agent_cores": used_s / counted["seconds"],
        "agent_us_per_line": used_s / counted["lines"] * 1e6,
        "readings_per_s": (under_test.told.telemetry - telemetry) / counted["seconds"],
    }


async def fleet(
    machines: int, rate: float, window: int, seconds: float, driver: str = "marlin", agent_by: list[str] | None = None
) -> dict[str, Any]:
    """One agent over so many machines; then all are stopped. `agent_by` runs it instead of the interpreter."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        data = Path(folder)
        lines_s = rate or 300_000 / machines
        made = mill_program if driver == "grbl" else program
        sha256 = store_program(data, made(int(lines_s * (seconds + WARM_UP_S + 20))))
        load = Load(data / "port", machines, rate, window, driver)
        try:
            async with agent(data, agent_by) as under_test:
                empty_mb = own_mb(under_test.pid)
                await under_test.hold(load.ports, driver)
                await under_test.start(machines, sha256)
                await asyncio.sleep(WARM_UP_S)
                found = await count(load, under_test, seconds)
                found["mb_per_machine"] = (own_mb(under_test.pid) - empty_mb) / machines
                asked_s = time.monotonic()
                report = await under_test.stop()
                stopped = load.tell()
                found["stop"] = {
                    "machines": machines,
                    "halted": stopped["halted"],
                    "agent_ms": round(report.last_byte_s * 1000, 1),
                    "asked_to_last_halted_ms": round((stopped["last_halted_s"] - asked_s) * 1000, 1),
                }
                return found
        finally:
            load.close()


async def inside(machines: int, rate: float, seconds: float) -> dict[str, float]:
    """How long a line takes inside the agent, by a stop watch around its system calls; microseconds."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        data = Path(folder)
        sha256 = store_program(data, program(int(rate * (seconds + WARM_UP_S + 20))))
        load = Load(data / "port", machines, rate, 1)
        told = data / "inside.json"
        try:
            async with agent(data, environment=timed(told)) as under_test:
                await under_test.hold(load.ports)
                await under_test.start(machines, sha256)
                await asyncio.sleep(WARM_UP_S)
                os.kill(under_test.pid, signal.SIGUSR1)
                await asyncio.sleep(seconds)
                os.kill(under_test.pid, signal.SIGUSR2)
                while not told.exists():  # noqa: ASYNC110  another process writes it
                    await asyncio.sleep(0.05)
                found: dict[str, float] = json.loads(told.read_text())
                return found
        finally:
            load.close()


def bare(machines: int, rate: float, seconds: float) -> dict[str, Any]:
    """The same load, and nothing but asyncio; timed inside as well, which costs it little."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        load = Load(Path(folder) / "port", machines, rate, 1)
        told = Path(folder) / "inside.json"
        try:
            command = [sys.executable, str(HERE / "bare_loop.py"), str(seconds), *load.ports]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdout=pipe, env=timed(told), start_new_session=True) as process:
                assert process.stdout is not None
                process.stdout.readline()
                process.send_signal(signal.SIGUSR1)
                load.mark()
                time.sleep(seconds - 0.5)
                process.send_signal(signal.SIGUSR2)
                own = json.loads(process.stdout.readline())
                counted = load.tell()
            return counted | {
                "us_per_line": own["cpu_s"] / own["lines"] * 1e6,
                "inside_us": json.loads(told.read_text()),
            }
        finally:
            load.close()


def printcore() -> dict[str, float] | str:
    """What Printrun's printcore needs for one machine that answers at once."""
    python = PEER / "bin" / "python"
    if not (PEER / ".made").exists():
        say("Installing Printrun into build/bench")
        try:
            subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
            subprocess.run([*pip, "Printrun==2.2.0", "pyserial", "platformdirs"], check=True, timeout=600)
        except (subprocess.SubprocessError, OSError) as error:
            return f"cannot be had here: {error}"
        (PEER / ".made").touch()
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        file = Path(folder) / "program.gcode"
        file.write_bytes(program(PEER_LINES))
        load = Load(Path(folder) / "port", 1, 0, 1)
        try:
            command = [str(python), str(HERE / "peer_printcore.py"), str(file), load.ports[0]]
            ended = subprocess.run(command, capture_output=True, text=True)
        finally:
            load.close()
    if ended.returncode != 0:
        return f"gave up: {ended.stderr.strip().splitlines()[-1:]}"
    own = json.loads(ended.stdout.splitlines()[-1])
    return {"us_per_line": own["cpu_s"] / own["lines"] * 1e6, "lines_s": own["lines"] / own["seconds"]}


def beside_a_bare_loop(wanted: argparse.Namespace) -> dict[str, Any]:
    """The fleet and the bare loop in turns."""
    ours, theirs = [], []
    for number in range(wanted.rounds):
        say(f"Round {number + 1}: the agent, then a bare loop")
        ours.append(asyncio.run(fleet(wanted.machines, wanted.rate, 1, wanted.seconds)))
        theirs.append(bare(wanted.machines, wanted.rate, wanted.seconds))
    trips: dict[str, dict[str, dict[str, float]]] = {}
    for share in ("p50", "p90", "p99"):
        pairs = [(a["round_trip_us"][share], b["round_trip_us"][share]) for a, b in zip(ours, theirs, strict=True)]
        trips[share] = {
            "agent_us": spread(a for a, _ in pairs),
            "bare_us": spread(b for _, b in pairs),
            "ratio": spread(a / b for a, b in pairs),
        }
    rates = [(found["least"] / found["seconds"], found["most"] / found["seconds"]) for found in ours]
    return {
        "machines": wanted.machines,
        "lines_s_wanted_of_each": wanted.rate,
        "lines_s": spread(found["lines"] / found["seconds"] for found in ours),
        "lines_s_of_the_slowest": spread(least for least, _ in rates),
        "lines_s_of_the_fastest": spread(most for _, most in rates),
        "agent_cores": spread(found["agent_cores"] for found in ours),
        "agent_us_per_line": spread(found["agent_us_per_line"] for found in ours),
        "bare_us_per_line": spread(found["us_per_line"] for found in theirs),
        "bare_lines_s": spread(found["lines"] / found["seconds"] for found in theirs),
        "wire_to_wire": trips,
        "inside_the_bare_loop_us": percentiles(found["inside_us"] for found in theirs),
        "lines_wrong_or_asked_again": sum(found["wrong"] + found["asked_again"] for found in ours),
        "mb_per_machine": spread(found["mb_per_machine"] for found in ours),
        "readings_per_s": spread(found["readings_per_s"] for found in ours),
    }


def grbl(wanted: argparse.Namespace) -> dict[str, Any]:
    """Machines that count characters, by the lane and by the engine alone in turns; a few that answer at once."""
    engine_alone = [sys.executable, str(HERE / "unlaned_agent.py")]
    found: dict[str, Any] = {"machines": wanted.machines, "lines_s_wanted_of_each": wanted.rate}
    for name, machines, rate in (("fleet", wanted.machines, wanted.rate), ("at_once", WINDOWED_MACHINES, 0)):
        kept: dict[str, list[dict[str, Any]]] = {"lane": [], "engine_alone": []}
        for number in range(wanted.rounds):
            say(f"Grbl, {name}, round {number + 1}: the lane, then the engine alone")
            for by, runs in kept.items():
                agent_by = engine_alone if by == "engine_alone" else None
                runs.append(asyncio.run(fleet(machines, rate, 1, wanted.seconds, "grbl", agent_by)))
        found[name] = {
            by: {
                "agent_us_per_line": spread(each["agent_us_per_line"] for each in runs),
                "agent_cores": spread(each["agent_cores"] for each in runs),
                "lines_s": spread(each["lines"] / each["seconds"] for each in runs),
                "lines_s_of_the_slowest": spread(each["least"] / each["seconds"] for each in runs),
                "lines_per_read": spread(each["lines"] / each["reads"] for each in runs),
                "buffer_overflowed": sum(each["wrong"] for each in runs),
                "stop": runs[-1]["stop"],
            }
            for by, runs in kept.items()
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--machines", type=int, default=300)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-site", action="store_true")
    parser.add_argument("--only-grbl", action="store_true")
    wanted = parser.parse_args()
    compiled_load()
    if wanted.only_grbl:
        json.dump({"load_average": os.getloadavg(), "grbl": grbl(wanted)}, sys.stdout)
        return
    compiled_stopwatch()
    found: dict[str, Any] = {"fleet": beside_a_bare_loop(wanted)}
    say("Inside the agent")
    timings = [asyncio.run(inside(wanted.machines, wanted.rate, wanted.seconds)) for _ in range(wanted.rounds)]
    found["inside_us"] = percentiles(timings)
    say("Windowed")
    windowed = [asyncio.run(fleet(WINDOWED_MACHINES, 0, WINDOW, wanted.seconds / 2)) for _ in range(wanted.rounds)]
    found["windowed"] = {
        "machines": WINDOWED_MACHINES,
        "lines_s_per_core": spread(each["lines"] / each["seconds"] / each["agent_cores"] for each in windowed),
        "lines_s": spread(each["lines"] / each["seconds"] for each in windowed),
        "lines_per_read": spread(each["lines"] / each["reads"] for each in windowed),
    }
    found["grbl"] = grbl(wanted)
    say("Stop")
    found["stop"] = asyncio.run(fleet(STOPPED_MACHINES, wanted.rate, 1, 2.0))["stop"]
    say("printcore")
    peer = printcore()
    if isinstance(peer, dict):
        ours = found["fleet"]["agent_us_per_line"]["median"]
        peer["times_the_agents_cpu_per_line"] = peer["us_per_line"] / ours
    found["printcore"] = {key: round(value, 1) for key, value in peer.items()} if isinstance(peer, dict) else peer
    if not wanted.no_site:
        say("With a real and busy controller")
        try:
            found["busy_site"] = asyncio.run(busy_site(wanted.machines, wanted.rate, say))
        except SystemExit as reason:  # what was measured before is worth printing
            found["busy_site"] = f"gave up: {reason}"
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    about = {
        "bench": "streaming",
        "machine": {
            "processor": names[0].partition(":")[2].strip() if names else platform.machine(),
            "cpus": os.cpu_count(),
            "kernel": platform.release(),
            "load_average": os.getloadavg(),
        },
        "versions": {
            "python": platform.python_version(),
            "pyserial": serial.__version__,
            "pyserial-asyncio": serial_asyncio.__version__,
            "Printrun": "2.2.0",
        },
        "method": {
            "rounds": wanted.rounds,
            "seconds": wanted.seconds,
            "spread": "median, least and most of the rounds",
        },
    }
    json.dump(about | found, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
