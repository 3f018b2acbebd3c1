"""A whole site of real processes for tests: simulators behind pseudo-terminals, controller, agent.

Everything is started here and ended by its id. Waiting polls a state until a deadline.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleetctl_plugins.grbl.simulator import as_executed as grbl_lines
from fleetctl_plugins.marlin.simulator import as_executed as marlin_lines

import fleetctl
from fleetctl.model.messages import PROTOCOL_VERSION

WAIT_S = 40.0
POLL_S = 0.05
SPEEDUP = 20.0


def wait_for(what: str, condition: Callable[[], Any], within_s: float = WAIT_S) -> Any:
    """The first truthy value of `condition`; fails with `what` after `within_s`."""
    deadline_s = time.monotonic() + within_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            raise AssertionError(f"waited {within_s:g} s in vain for: {what}")
        time.sleep(POLL_S)


def print_program(seconds: int = 160, name: str = "print") -> bytes:
    """A print of about `seconds` machine seconds, some of it heating."""
    lines = [f";{name}", "M140 S50", "M104 S180", "G28", "M109 S180", "G90", "M82", "G1 Z0.3 F600"]
    for step in range(seconds):
        lines.append(f"G1 X{20 + 60 * (step % 2)} Y{20 + step / 10:.1f} E{step + 1} F3600")
    return "\n".join([*lines, "M107", "M104 S0", "M140 S0", "M84", ""]).encode()


def mill_program(seconds: int = 160) -> bytes:
    """A milling program of about `seconds` machine seconds."""
    lines = ["G21", "G90", "G54", "M3 S8000", "G0 X0 Y0 Z5", "G1 Z-1 F600"]
    for step in range(seconds):
        lines.append(f"G1 X{40 * (step % 2)} Y{step / 10:.1f} F2000")
    return "\n".join([*lines, "G0 Z5", "M5", "M30", ""]).encode()


def executed_lines(driver: str, program: bytes) -> list[str]:
    """What a simulator must have executed of a program, read by its own code."""
    return marlin_lines(program) if driver == "marlin" else grbl_lines(program)


class RealMachine:
    """One simulator process."""

    def __init__(self, site: RealSite, name: str, driver: str) -> None:
        self.name = name
        self.driver = driver
        self.seed = 5
        """Another one is another board."""
        self._home = site.home / "machines"
        self._home.mkdir(exist_ok=True)
        self.port = self._home / f"{name}.tty"
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "fleetctl.sim.run", self.driver, "--link", str(self.port)]
        command += [
            "--seed",
            str(self.seed),
            "--speedup",
            str(SPEEDUP),
            "--trace",
            str(self.trace),
            "--state",
            str(self._state),
        ]
        if self.driver == "grbl":
            command += ["--set", "work_mm=-250,-150,-20"]
        with (self._home / f"{self.name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(f"the port of {self.name}", self.port.exists)
        return process

    @property
    def trace(self) -> Path:
        return self._home / f"{self.name}.trace"

    @property
    def _state(self) -> Path:
        return self._home / f"{self.name}.state"

    def state(self) -> dict[str, Any]:
        """What the simulator last said of itself."""
        try:
            found: dict[str, Any] = json.loads(self._state.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def executed(self) -> list[str]:
        """Every program line it ever executed, in order."""
        if not self.trace.exists():
            return []
        return [json.loads(line)[2] for line in self.trace.read_text().splitlines() if line.endswith("]")]

    def is_safe(self) -> bool:
        """Heaters, spindle and coolant are off."""
        outputs = self.state().get("outputs", {"unknown": 1.0})
        return all(value == 0 for name, value in outputs.items() if name != "fan")

    def power_cycle(self) -> None:
        """Cut its power and switch it on again."""
        self.end()
        self.process = self._start()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


class RealSite:
    """One data directory with its processes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.machines: dict[str, RealMachine] = {}
        self.controller: subprocess.Popen[bytes] | None = None
        self.tree: Path | None = None
        self.plugins: Path | None = None
        """A folder with plug-ins that are installed besides."""

    # Processes

    def __enter__(self) -> RealSite:
        """With a controller that answers; everything ends with the context."""
        try:
            self.start_controller()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def start_controller(self) -> None:
        """Start the controller and wait until it answers."""
        self.data.mkdir(exist_ok=True)
        (self.data / "address").unlink(missing_ok=True)
        command = [sys.executable, "-m", "fleetctl", "serve", "--data", str(self.data), "--listen", "127.0.0.1:0"]
        with (self.home / "controller.log").open("ab") as log:
            folders = [str(folder) for folder in (self.tree, self.plugins) if folder is not None]
            elsewhere = {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}
            self.controller = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.tree, env=os.environ | elsewhere
            )
        wait_for("the controller's address", (self.data / "address").exists)
        wait_for("an answer of the controller", self.answers)

    def answers(self) -> bool:
        try:
            self.get("machines")
        except OSError:
            return False
        return True

    def install(self, version: str, protocol: int | None = None) -> None:
        """From the next start on the daemon is another version, in a tree of its own; `protocol`: and speaks that."""
        self.tree = self.home / f"fleetctl-{version}"
        package = self.tree / "fleetctl"
        shutil.copytree(Path(fleetctl.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
        _edit(package / "__init__.py", f'__version__ = "{fleetctl.__version__}"', f'__version__ = "{version}"')
        if protocol is not None:
            old = f"PROTOCOL_VERSION = {PROTOCOL_VERSION}\n"
            _edit(package / "model" / "messages.py", old, f"PROTOCOL_VERSION = {protocol}\n")

    def terminate_controller(self) -> None:
        assert self.controller is not None
        self.controller.terminate()
        assert self.controller.wait(20) == 0

    def kill_controller(self) -> None:
        assert self.controller is not None
        self.controller.kill()
        self.controller.wait(10)

    @property
    def agent_pid(self) -> int:
        return int((self.data / "agent.lock").read_text().split()[0])

    def kill_agent(self) -> None:
        os.kill(self.agent_pid, signal.SIGKILL)

    def add_machine(self, name: str, driver: str, by: str = "", **more: Any) -> RealMachine:
        """Start a simulator and put it on record, cleared; `by` another driver than its own, `more` said besides."""
        machine = self.machines[name] = RealMachine(self, name, driver)
        mill = driver == "grbl"
        self.post(
            "machines",
            {
                "name": name,
                "driver": by or driver,
                "port": str(machine.port),
                "profile": "generic-mill-3018" if mill else "generic-220",
                "setup": {"offsets_mm": {"G54": [-250, -150, -20]}} if mill else {},
                "unattended": mill,
                **more,
            },
        )
        wait_for(f"{name} online", lambda: self.machine(name)["link"] == "online")
        self.post(f"machines/{name}/clear", {})
        return machine

    def end(self) -> None:
        """End everything that is still alive."""
        if self.controller is not None and self.controller.poll() is None:
            self.kill_controller()
        self._end_agents()
        for machine in self.machines.values():
            if machine.process.poll() is None:
                machine.end()

    def _end_agents(self) -> None:
        """Every process of this site, also an agent that has only just been started and holds no lock yet: left
        alone it would open the ports of the tests that follow."""
        own = str(self.data).encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if own in words and b"fleetctl" in words:
                    os.kill(int(folder.name), signal.SIGKILL)

    # API

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> Any:
        return self._ask("POST", path, json.dumps(body).encode(), "application/json")

    def upload(self, name: str, program: bytes) -> str:
        """Send a program; its hash."""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + program + f"\r\n--{edge}--\r\n".encode()
        answer = self._ask("POST", "programs", body, f"multipart/form-data; boundary={edge}")
        return str(answer["sha256"])

    def submit(self, program: bytes, quantity: int, **wishes: Any) -> str:
        """Order parts; the job's code."""
        sha256 = self.upload("part.gcode", program)
        return str(self.post("jobs", {"program_sha256": sha256, "quantity": quantity, **wishes})["code"])

    def _ask(self, method: str, path: str, body: bytes | None, kind: str = "") -> Any:
        url = (self.data / "address").read_text().strip() + "/api/v1/" + path
        token = (self.data / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": kind} if kind else {})
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def machine(self, name: str) -> Any:
        return self.get(f"machines/{name}")

    def runs(self, **query: str) -> list[Any]:
        text = "&".join(f"{key}={value}" for key, value in query.items())
        return list(self.get(f"runs?{text}"))

    def events(self) -> list[Any]:
        """The whole log."""
        found: list[Any] = []
        while page := self.get(f"events?after={len(found)}&limit=500"):
            found += page
        return found

    def copy_data(self, target: Path) -> None:
        """What a power cut leaves: the data directory at one moment, with every process stopped for the copy."""
        assert self.controller is not None
        pids = [self.controller.pid, self.agent_pid]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            shutil.copytree(self.data, target, ignore=shutil.ignore_patterns("agent.sock", "address"))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
