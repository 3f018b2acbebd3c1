"""What hundreds of machines cost the controller: to add, clear and start them, to watch them stream, to show them.

The machines are `machines.c` on real pseudo-terminals, controller and agent are the real ones in processes of their
own. CPU is what the kernel says of a process's threads: trust it more than seconds, for the computer may be busy.

usage: bench_controller.py [--machines N] [--rate R] [--seconds S] [--pages N]     prints one JSON object
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from streaming_rig import BUILD, Load, compiled_load, cpu_s
from streaming_site import Site, _printed, _until

SETTLE_S = 3.0


def say(text: str) -> None:
    """Progress, for a person."""
    sys.stderr.write(text + "\n")


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[tuple[Site, aiohttp.ClientSession]]:
    """A controller with its agent; both end with the context."""
    data = folder / "data"
    data.mkdir()
    command = [sys.executable, "-m", "fleetctl", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    agent_pid = 0
    with (BUILD / "bench_controller.log").open("wb") as log:
        process = await asyncio.to_thread(subprocess.Popen, command, stdout=log, stderr=log)
    try:

        async def up() -> bool:
            return (data / "address").exists() and (data / "agent.sock").exists()

        await _until("the controller is up", up)
        token = (data / "admin.token").read_text().strip()
        address = (data / "address").read_text().strip()
        async with aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {token}"}) as http:
            made = Site(data, process, http)
            agent_pid = made.agent_pid
            yield made, http
    finally:
        process.kill()
        process.wait()
        if agent_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(agent_pid, signal.SIGKILL)


class Phases:
    """Seconds and CPU seconds of what is done, one after the other."""

    def __init__(self, site: Site) -> None:
        self.found: dict[str, dict[str, float]] = {}
        self._site = site

    async def phase(self, name: str, work: Awaitable[Any]) -> None:
        """Do `work` and remember what it took."""
        begun_s = time.monotonic()
        controller_s, agent_s = cpu_s(self._site.process.pid), cpu_s(self._site.agent_pid)
        await work
        self.found[name] = {
            "seconds": round(time.monotonic() - begun_s, 2),
            "controller_cpu_s": round(cpu_s(self._site.process.pid) - controller_s, 2),
            "agent_cpu_s": round(cpu_s(self._site.agent_pid) - agent_s, 2),
        }
        say(f"{name}: {self.found[name]}")


async def begin(site: Site, load: Load, rate: float, seconds: float) -> dict[str, Any]:
    """Add, connect, clear and start all machines, one request after the other as a person's script does."""
    machines = len(load.ports)
    phases = Phases(site)

    async def add() -> None:
        for number, port in enumerate(load.ports):
            body = {"name": f"m{number}", "driver": "marlin", "port": port, "profile": "generic-220", "setup": {}}
            await site.post("machines", body)

    async def online() -> None:
        async def all_online() -> bool:
            return all(machine["link"] == "online" for machine in await site.get("machines"))

        await _until("all machines are online", all_online)

    async def clear() -> None:
        for number in range(machines):
            await site.post(f"machines/m{number}/clear", {})

    async def start() -> None:
        sha256 = await site.upload("print.gcode", _printed(int(rate * (4 * seconds + 60))))
        await site.post("jobs", {"program_sha256": sha256, "quantity": machines})

        async def running() -> bool:
            runs = await site.get("runs?limit=1000")
            return sum(run["state"] == "running" for run in runs) == machines

        await _until("all machines print", running)

    for name, work in (("add", add()), ("online", online()), ("clear", clear()), ("start", start())):
        await phases.phase(name, work)
    phases.found["all"] = {
        key: round(sum(each[key] for each in phases.found.values()), 2) for key in phases.found["add"]
    }
    return phases.found


async def watched(http: aiohttp.ClientSession, path: str) -> None:
    """A page that listens, until cancelled."""
    async with http.get(path, headers={"Accept": "text/event-stream"}) as answer:
        async for _ in answer.content.iter_any():
            pass


async def streaming(site: Site, load: Load, seconds: float) -> dict[str, float]:
    """Cores of controller and agent while the machines stream."""
    load.mark()
    controller_s, agent_s = cpu_s(site.process.pid), cpu_s(site.agent_pid)
    await asyncio.sleep(seconds)
    controller_s, agent_s = cpu_s(site.process.pid) - controller_s, cpu_s(site.agent_pid) - agent_s
    counted = load.tell()
    return {
        "lines_s": round(counted["lines"] / counted["seconds"]),
        "controller_cores": round(controller_s / counted["seconds"], 3),
        "agent_cores": round(agent_s / counted["seconds"], 3),
        "wrong_or_asked_again": counted["wrong"] + counted["asked_again"],
    }


async def shown(site: Site, http: aiohttp.ClientSession) -> dict[str, dict[str, float]]:
    """What lists and pages cost: bytes, and CPU milliseconds of the controller beyond what it uses anyway."""
    found = {}
    for path, accept in (
        ("/api/v1/machines", "application/json"),
        ("/api/v1/machines/m1", "application/json"),
        ("/api/v1/runs?limit=1000", "application/json"),
        ("/", "text/html"),
        ("/machines/m1", "text/html"),
    ):
        size = 0
        begun_s, used_s = time.monotonic(), cpu_s(site.process.pid)
        for _ in range(5):
            async with http.get(path, headers={"Accept": accept}) as answer:
                answer.raise_for_status()
                size = len(await answer.read())
        found[path] = {
            "bytes": size,
            "ms": round((time.monotonic() - begun_s) / 5 * 1000, 1),
            "controller_cpu_ms": round((cpu_s(site.process.pid) - used_s) / 5 * 1000, 1),
        }
    return found


async def measure(machines: int, rate: float, seconds: float, pages: int) -> dict[str, Any]:
    """All of it."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        load = Load(Path(folder) / "port", machines, rate, 1)
        try:
            async with site(Path(folder)) as (under_test, http):
                found: dict[str, Any] = {"begin": await begin(under_test, load, rate, seconds)}
                await asyncio.sleep(SETTLE_S)
                found["streaming"] = await streaming(under_test, load, seconds)
                say(f"streaming: {found['streaming']}")
                for kind, path in (("pages", "/live"), ("event_streams", "/api/v1/events")):
                    open_pages = [asyncio.create_task(watched(http, path)) for _ in range(pages)]
                    await asyncio.sleep(SETTLE_S)
                    found[f"streaming_with_{kind}"] = await streaming(under_test, load, seconds)
                    say(f"{pages} {kind}: {found[f'streaming_with_{kind}']}")
                    for page in open_pages:
                        page.cancel()
                    await asyncio.gather(*open_pages, return_exceptions=True)
                found["shown"] = await shown(under_test, http)
                return found
        finally:
            load.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=300)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--pages", type=int, default=20)
    asked = parser.parse_args()
    compiled_load()
    load_average = os.getloadavg()
    found = asyncio.run(measure(asked.machines, asked.rate, asked.seconds, asked.pages))
    print(
        json.dumps({"machines": asked.machines, "rate": asked.rate, "load_average": load_average} | found, indent=1)
    )


if __name__ == "__main__":
    main()
