"""The last scenario of bench_streaming.py: a real controller leads the agent and has everything else to do as well.

While all machines stream: 20 browsers listen to every event, 50 MB are uploaded, a program of 170 MB is analysed, and
a hook of a plug-in spins in Python for a second. What counts is whether the machines notice.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from streaming_rig import BUILD, Load, cpu_s, program

BROWSERS = 20
UPLOAD_BYTES = 50_000_000
ANALYSED_BYTES = 170_000_000
WITHIN_S = 180.0
QUIET_S = 8.0

SPINNER = '''"""A plug-in whose hook spins for a second."""
import time

from fleetctl.plugin.hookspecs import hookimpl


@hookimpl
def fleetctl_discover():
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        pass
    return []
'''


class Site:
    """A controller process, and its HTTP interface."""

    def __init__(self, data: Path, process: subprocess.Popen[bytes], http: aiohttp.ClientSession) -> None:
        self.data = data
        self.process = process
        self._http = http

    async def get(self, path: str) -> Any:
        """The answer's JSON."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Any) -> Any:
        """The answer's JSON."""
        return await self._ask("POST", path, body)

    async def upload(self, name: str, content: bytes) -> str:
        """Send a program; gives its hash."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        async with self._http.post("/api/v1/programs", data=form) as answer:
            answer.raise_for_status()
            return str((await answer.json())["sha256"])

    async def browse(self) -> None:
        """A browser that listens, until cancelled."""
        headers = {"Accept": "text/event-stream"}
        async with self._http.get("/api/v1/events", headers=headers) as answer:
            async for _ in answer.content.iter_any():
                pass

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        async with self._http.request(method, f"/api/v1/{path}", json=body) as answer:
            if answer.status >= 400:
                raise SystemExit(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    @property
    def agent_pid(self) -> int:
        """The agent that it started."""
        return int((self.data / "agent.lock").read_text().split()[0])


def _with_spinner(folder: Path) -> dict[str, str]:
    """An environment in which the spinning plug-in is installed."""
    (folder / "spinner.py").write_text(SPINNER)
    about = folder / "spinner-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spinner\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[fleetctl]\nspinner = spinner\n")
    return os.environ | {"PYTHONPATH": str(folder)}


def _printed(lines: int) -> bytes:
    """A print that passes the gate, as long as wanted."""
    return b"M140 S60\nM104 S200\nG28\nM109 S200\nM190 S60\n" + program(lines) + b"M104 S0\nM140 S0\nM107\n"


async def _until(what: str, true: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    while not (found := await true()):
        if loop.time() - begun_s > WITHIN_S:
            raise SystemExit(f"not within {WITHIN_S:.0f} s: {what}")
        await asyncio.sleep(0.2)
    return found


async def busy_site(machines: int, rate: float, say: Callable[[str], None]) -> dict[str, Any]:
    """How the machines fare while the controller is quiet, and while it is busy."""
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        load = Load(Path(folder) / "port", machines, rate, 1)
        command = [sys.executable, "-m", "fleetctl", "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
        with (Path(folder) / "log").open("wb") as log:
            process = await asyncio.to_thread(
                subprocess.Popen, command, stdout=log, stderr=log, env=_with_spinner(Path(folder))
            )
        agent_pid = 0
        try:

            async def up() -> bool:
                return (data / "address").exists() and (data / "agent.sock").exists()

            await _until("the controller is up", up)
            token = (data / "admin.token").read_text().strip()
            address = (data / "address").read_text().strip()
            async with aiohttp.ClientSession(address, headers={"Authorization": f"Bearer {token}"}) as http:
                site = Site(data, process, http)
                agent_pid = site.agent_pid
                await _begin(site, load, rate, say)
                return await _measure(site, load, say)
        finally:
            load.close()
            process.kill()
            process.wait()
            if agent_pid:
                os.kill(agent_pid, signal.SIGKILL)


async def _begin(site: Site, load: Load, rate: float, say: Callable[[str], None]) -> None:
    say(f"Putting {len(load.ports)} machines on record")
    for number, port in enumerate(load.ports):
        body = {"name": f"m{number}", "driver": "marlin", "port": port, "profile": "generic-220", "setup": {}}
        await site.post("machines", body)

    async def online() -> bool:
        return all(machine["link"] == "online" for machine in await site.get("machines"))

    await _until("all machines are online", online)
    for number in range(len(load.ports)):
        await site.post(f"machines/m{number}/clear", {})
    sha256 = await site.upload("print.gcode", _printed(int(rate * 240)))
    await site.post("jobs", {"program_sha256": sha256, "quantity": len(load.ports)})

    async def running() -> bool:
        runs = await site.get("runs?limit=1000")
        return sum(run["state"] == "running" for run in runs) == len(load.ports)

    await _until("all machines print", running)


async def _measure(site: Site, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    say("Quiet")
    quiet = await _counted(site, load, asyncio.sleep(QUIET_S))
    say("Busy: browsers, an upload, an analysis, a hook that spins")
    browsers = [asyncio.create_task(site.browse()) for _ in range(BROWSERS)]
    await asyncio.sleep(1.0)
    busy = await _counted(site, load, _keep_busy(site))
    for browser in browsers:
        browser.cancel()
    await asyncio.gather(*browsers, return_exceptions=True)
    return {"quiet": quiet, "busy": busy}


async def _keep_busy(site: Site) -> None:
    line = b"G1 X100.123 Y100.456 E0.01234\n"
    small, large = UPLOAD_BYTES // len(line), ANALYSED_BYTES // len(line)
    async with asyncio.TaskGroup() as group:
        group.create_task(site.upload("small.gcode", b"G90\nM83\n" + line * small))
        group.create_task(site.upload("large.gcode", b"G90\nM83\n;\n" + line * large))
        group.create_task(site.get("machines/discover"))


async def _counted(site: Site, load: Load, work: Any) -> dict[str, Any]:
    load.mark()
    agent_s, controller_s = cpu_s(site.agent_pid), cpu_s(site.process.pid)
    await work
    counted = load.tell()
    seconds = counted["seconds"]
    return {
        "seconds": round(seconds, 1),
        "lines_s": round(counted["lines"] / seconds),
        "lines_s_of_the_slowest": round(counted["least"] / seconds, 1),
        "lines_s_of_the_fastest": round(counted["most"] / seconds, 1),
        "agent_cores": round((cpu_s(site.agent_pid) - agent_s) / seconds, 2),
        "controller_cores": round((cpu_s(site.process.pid) - controller_s) / seconds, 2),
        "wire_to_wire_us": counted["round_trip_us"],
        "wrong_or_asked_again": counted["wrong"] + counted["asked_again"],
    }
