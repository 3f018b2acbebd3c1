"""What bench_streaming.py measures with: the load of pretend machines, and a real agent that a thin controller leads.

The agent is `fleetctl agent` in a process of its own, with its journal and its own files; the controller here says
hello, starts runs, acknowledges reports and takes in telemetry, as the real one does, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetctl.errors import LinkUnavailable
from fleetctl.model.machine import Activity, Link
from fleetctl.model.messages import (
    PROTOCOL_VERSION,
    Acknowledge,
    Hello,
    MachineAssignment,
    MachineReport,
    RunReport,
    Start,
    Stop,
    StopReport,
    TelemetryReport,
    ToAgent,
    decode_to_controller,
    encode,
)
from fleetctl.model.profile import PROFILES
from fleetctl.transport.peer import StreamPeerLink, connect_peer

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "bench"


def compiled_load() -> Path:
    """The pretend machines, compiled."""
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / "machines"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(target), str(HERE / "machines.c")], check=True)
    return target


def compiled_stopwatch() -> Path:
    """The stop watch that is loaded before a process, compiled."""
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / "stopwatch.so"
    options = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", str(target), str(HERE / "stopwatch.c"), "-ldl"], check=True)
    return target


def timed(told: Path) -> dict[str, str]:
    """An environment in which a process is timed; on SIGUSR2 it writes what was found to `told`."""
    return os.environ | {"LD_PRELOAD": str(BUILD / "stopwatch.so"), "STOPWATCH_TO": str(told)}


def program(lines: int) -> bytes:
    """A program of short moves as slicers write them, 29 bytes a line."""
    moves = [
        f"G1 X{100 + n % 97}.{n % 1000:03d} Y{100 + n % 89}.{n % 997:03d} E0.{n % 99991:05d}\n" for n in range(997)
    ]
    body = "".join(moves).encode() * (lines // len(moves) + 1)
    return b"G90\nM83\nG1 F3000\n" + body


def mill_program(lines: int) -> bytes:
    """The same for a mill, 30 bytes a line as written and 26 as sent."""
    moves = [
        f"G1 X{100 + n % 97}.{n % 1000:03d} Y{100 + n % 89}.{n % 997:03d} Z-{n % 9}.{n % 991:03d}\n"
        for n in range(997)
    ]
    return b"G21 G90\nG1 F3000\n" + "".join(moves).encode() * (lines // len(moves) + 1)


class Load:
    """`machines` in a process of its own: `count` pseudo-terminals at `prefix`0, `prefix`1, ..."""

    def __init__(self, prefix: Path, count: int, rate: float, window: int, driver: str = "marlin") -> None:
        command = [str(BUILD / "machines"), str(prefix), str(count), str(rate), str(window)]
        command += ["grbl"] if driver == "grbl" else []
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.ports = [f"{prefix}{n}" for n in range(count)]
        self._line()

    def mark(self) -> None:
        """Count anew from now on."""
        self._say("mark")

    def tell(self) -> dict[str, Any]:
        """What was counted since the mark."""
        self._say("tell")
        found: dict[str, Any] = json.loads(self._line())
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def cpu_s(pid: int) -> float:
    """CPU seconds that all threads of a process have had, to the nanosecond where the kernel counts so."""
    with contextlib.suppress(OSError):
        threads = [Path(f"/proc/{pid}/task/{task}/schedstat") for task in os.listdir(f"/proc/{pid}/task")]
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_mb(pid: int) -> float:
    """Memory that only this process uses (USS), MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(each) for each in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) / 1000


@dataclass
class Told:
    """What the agent has told."""

    online: set[str] = field(default_factory=set)
    runs: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    telemetry: int = 0
    stop: StopReport | None = None


class AgentUnderTest:
    """One agent process and the thin controller's line to it."""

    def __init__(self, process: subprocess.Popen[bytes], link: StreamPeerLink) -> None:
        self.told = Told()
        self.pid = process.pid
        self._process = process
        self._link = link
        self._changed = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    def send(self, message: ToAgent) -> None:
        """One message to the agent."""
        if not self._link.send(encode(message)):
            raise SystemExit("the agent takes no messages")

    async def hold(self, ports: list[str], driver: str = "marlin") -> None:
        """Connect to a machine at each port."""
        profile = PROFILES["generic-mill-3018" if driver == "grbl" else "generic-220"]
        machines = tuple(
            MachineAssignment(
                machine_id=f"m{n}", name=f"m{n}", driver=driver, port=port, profile=profile, unattended=True
            )
            for n, port in enumerate(ports)
        )
        self.send(Hello(protocol_version=PROTOCOL_VERSION, site="bench", stop_id="", machines=machines))
        await self.until(lambda: len(self.told.online) == len(ports), 60.0, "all machines are online")

    async def start(self, machines: int, sha256: str) -> None:
        """Start the program on all machines, and wait until all run."""
        for n in range(machines):
            self.send(
                Start(
                    command_id=f"c{n}",
                    run_id=f"r{n}",
                    epoch=1,
                    machine_id=f"m{n}",
                    program_sha256=sha256,
                    not_after_s=time.time() + 60.0,
                )
            )
        await self.until(
            lambda: sum(state == "running" for state in self.told.runs.values()) == machines, 60.0, "all runs run"
        )

    async def stop(self) -> StopReport:
        """Stop everything; gives the agent's report."""
        self.send(Stop(command_id="stop"))
        await self.until(lambda: self.told.stop is not None, 20.0, "the stop is reported")
        assert self.told.stop is not None
        return self.told.stop

    async def until(self, true: Callable[[], bool], within_s: float, what: str) -> None:
        """Wait for what the agent tells."""
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            reasons = sorted(set(self.told.reasons.values()))[:5]
            raise SystemExit(f"not within {within_s:.0f} s: {what}; the agent says {reasons}") from None

    async def close(self) -> None:
        """End the agent."""
        self._listening.cancel()
        self._link.close()
        self._process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)

    async def _listen(self) -> None:
        async for data in self._link:
            message = decode_to_controller(data)
            if isinstance(message, TelemetryReport):
                self.told.telemetry += 1
                continue
            if isinstance(message, MachineReport):
                self._machine(message)
            elif isinstance(message, RunReport):
                self.told.runs[message.run_id] = message.state
                self.told.reasons[message.run_id] = message.reason
            elif isinstance(message, StopReport):
                self.told.stop = message
            if isinstance(message, MachineReport | RunReport):
                self.send(Acknowledge(sequence=message.sequence))
            self._changed.set()

    def _machine(self, report: MachineReport) -> None:
        if report.link is Link.ONLINE and report.activity is not Activity.FAULT:
            self.told.online.add(report.machine_id)
        else:
            self.told.online.discard(report.machine_id)
        self.told.reasons[report.machine_id] = report.reason


def store_program(data: Path, content: bytes) -> str:
    """Put a program where the agent finds it; gives its hash."""
    sha256 = hashlib.sha256(content).hexdigest()
    folder = data / "programs" / sha256[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / sha256).write_bytes(content)
    return sha256


@contextlib.asynccontextmanager
async def agent(
    data: Path, wrapper: list[str] | None = None, environment: dict[str, str] | None = None
) -> AsyncIterator[AgentUnderTest]:
    """A real agent with its journal in `data`, in a session of its own as the controller starts it, because Linux
    shares processors between sessions; `wrapper` runs it (a profiler) instead of the interpreter."""
    command = [*(wrapper or [sys.executable]), "-m", "fleetctl", "agent", "--data", str(data)]
    with (data / "agent.log").open("ab") as log:
        process = await asyncio.to_thread(
            subprocess.Popen,
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        link = await _connected(data, process)
    except BaseException:
        process.kill()
        raise
    under_test = AgentUnderTest(process, link)
    try:
        yield under_test
    finally:
        await under_test.close()


async def _connected(data: Path, process: subprocess.Popen[bytes]) -> StreamPeerLink:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + 20.0
    while loop.time() < deadline_s and process.poll() is None:
        with contextlib.suppress(LinkUnavailable):
            return await connect_peer(data / "agent.sock", deadline_s)
        await asyncio.sleep(0.05)
    raise SystemExit(f"the agent did not come up: {(data / 'agent.log').read_text()}")
