"""The demo: simulated machines on real pseudo-terminals and sockets, a real daemon, an order, a pretend operator.

Everything is a process of its own: each machine, and the daemon with its agent, so that any of them can be killed to
see what happens. Machines and jobs are made through the public API. It must not import any part of the daemon.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetctl.clock import Clock
from fleetctl.errors import FleetctlError
from fleetctl.sim import sample
from fleetctl.sim.children import Children
from fleetctl.sim.demo_plan import DEFECT_RATE, GROUPS, NOMINAL_MM, SEED, TOLERANCE_MM, Machine, fleet, order_for
from fleetctl.sim.operator import Operator
from fleetctl.sim.site import Json, SiteApi, Unreachable

POLL_S = 0.2
START_WITHIN_S = 60.0
ONCE_WITHIN_S = 900.0
"""`--once` gives up after this long; at the usual speed-up the sample order takes two to four minutes."""

DAEMON = "controller"
AGENT = "agent"


@dataclass(frozen=True)
class Settings:
    """What `fleetctl demo` was asked for. `batches` multiplies the quantities of the sample order."""

    data: Path
    listen: str = "127.0.0.1:8420"
    machines: int = 6
    speedup: float = 30.0
    batches: int = 1
    daemon: Sequence[str] = field(default_factory=lambda: [sys.executable, "-m", "fleetctl", "serve"])


class Demo:
    """One demo in one data directory. `say` gets what a person should read."""

    def __init__(self, settings: Settings, clock: Clock, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._say = say
        self._data = settings.data.absolute()
        self._home = self._data / "demo"
        self._machines = fleet(settings.machines)
        self._children = Children(self._home / "children.json", self._home / "logs", clock)
        self._told: dict[str, tuple[int, int, str]] = {}
        self._listen = settings.listen
        self.url = ""

    async def start(self) -> SiteApi:
        """Machines, daemon, set-up, sample order; the answer is an API of the administrator, not yet entered."""
        adopted = self._children.adopt()
        if adopted:
            self._say(f"Found {', '.join(adopted)} still running and took over.")
        self._say(
            f"Starting {len(self._machines)} simulated machines at {self._settings.speedup:g} times life speed."
        )
        for machine in self._machines:
            await self._children.start(machine.name, self._machine_command(machine))
        for machine in self._machines:
            await self._wait_for_machine(machine)
        await self._start_daemon()
        token = (self._data / "admin.token").read_text(encoding="ascii").strip()
        return SiteApi(self.url, token)

    async def prepare(self, api: SiteApi) -> str:
        """Add the machines that are missing, and the sample order unless one is in work; gives a sign-in link."""
        known = {machine["name"] for machine in await api.get("machines")}
        for machine in self._machines:
            if machine.name not in known:
                await api.post("machines", self.description(machine))
        if not any(job["state"] not in ("done", "cancelled") for job in await api.get("jobs")):
            await self._order(api)
        made = await api.post("tokens", {"name": "demo", "role": "admin", "kind": "link"})
        return f"{self.url}/login?once={made['secret']}"

    async def run(self, api: SiteApi, *, once: bool) -> str:
        """Let the operator work and tell what happens; ends only with `once`.

        The answer is empty when the sample order is all good parts, else the reason why it is not.
        """
        made = await api.post("tokens", {"name": "demo", "role": "operator"})
        try:
            async with SiteApi(self.url, made["secret"]) as as_operator, asyncio.TaskGroup() as tasks:
                helpers = (
                    tasks.create_task(Operator(as_operator, self._clock, self._say, SEED).work()),
                    tasks.create_task(self._keep_daemon()),
                )
                try:
                    return await self._watch_order(api, once=once)
                finally:
                    for helper in helpers:
                        helper.cancel()
        except ExceptionGroup as group:  # what a helper raised, such as a controller that does not come back
            raise group.exceptions[0] from group

    async def end(self) -> None:
        """End everything that was started or adopted: the controller, its agent, then the machines."""
        if DAEMON in self._children.names:
            await self._children.end([DAEMON])
        if agents := self._children.take_over(AGENT, ("agent", "--data", str(self._data))):
            # They outlive their controller. The first signal lets runs finish, the second interrupts them: the
            # machines are about to go as well.
            await self._children.end(agents, insist=True)
        await self._children.end(self._children.names)

    # Machines

    def _machine_command(self, machine: Machine) -> list[str]:
        command = [sys.executable, "-m", "fleetctl.sim.run", machine.driver]
        command += ["--seed", str(machine.seed), "--speedup", f"{self._settings.speedup:g}"]
        command += ["--tray", str(self._tray(machine)), "--state", str(self._home / "state" / f"{machine.name}.json")]
        command += ["--parts-per-program", str(machine.parts_per_program), "--nominal-mm", f"{NOMINAL_MM:g}"]
        command += ["--defect-rate", f"{DEFECT_RATE:g}"]
        if machine.kind == "mill":
            # $20 and $22: soft limits and homing, so that it must be homed after power-on, as a real one.
            command += ["--set", f"work_mm={','.join(f'{each:g}' for each in sample.MILL_OFFSET_MM)}"]
            command += ["--set", "settings=20=1,22=1"]
        else:
            # Most printers' boards reset when their port is opened: the way back from a halt without a hand on it.
            command.append("--dtr-reset")
        if machine.by_socket:
            return [*command, "--tcp", self._port(machine).removeprefix("socket://")]
        return [*command, "--link", self._port(machine)]

    def _tray(self, machine: Machine) -> Path:
        return (self._home / "trays" / f"{machine.name}.jsonl").resolve()

    def _port(self, machine: Machine) -> str:
        """A name that is the same after a restart: a link to the terminal, or a TCP port chosen once."""
        if not machine.by_socket:
            return str(self._home.resolve() / "ports" / machine.name)
        file = self._home / "sockets.json"
        chosen: dict[str, int] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if machine.name not in chosen:
            with socket.create_server(("127.0.0.1", 0)) as free:
                chosen[machine.name] = free.getsockname()[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(chosen), encoding="utf-8")
        return f"socket://127.0.0.1:{chosen[machine.name]}"

    async def _wait_for_machine(self, machine: Machine) -> None:
        log = self._children.log_of(machine.name)
        deadline_s = self._clock.monotonic() + START_WITHIN_S
        while not log.exists() or b"port: " not in log.read_bytes():
            self._check_alive(machine.name)
            if self._clock.monotonic() >= deadline_s:
                raise FleetctlError(
                    f"The simulated machine {machine.name} did not start. {self._last_words(machine.name)}"
                )
            await self._clock.sleep(POLL_S)

    def description(self, machine: Machine) -> Json:
        """The machine as it is added through the API."""
        setup: dict[str, Json] = {"material": "PLA", "nozzle_mm": 0.4}
        if machine.kind == "mill":
            setup = {
                "material": "aluminium",
                "tools": ["3 mm end mill"],
                "offsets_mm": {"G54": sample.MILL_OFFSET_MM},
            }
        return {
            "name": machine.name,
            "driver": machine.driver,
            "port": self._port(machine),
            "profile": "generic-mill-3018" if machine.kind == "mill" else "generic-220",
            "group": GROUPS[machine.kind],
            "setup": setup,
            "options": {
                "tray": str(self._tray(machine)),
                "gauge_nominal_mm": f"{NOMINAL_MM:g}",
                "gauge_tolerance_mm": f"{TOLERANCE_MM:g}",
            },
        }

    # The daemon

    async def _start_daemon(self) -> None:
        address = self._data / "address"
        if DAEMON not in self._children.names or not self._children[DAEMON].alive:
            address.unlink(missing_ok=True)
        await self._children.start(
            DAEMON, [*self._settings.daemon, "--data", str(self._data), "--listen", self._listen]
        )
        deadline_s = self._clock.monotonic() + START_WITHIN_S
        while not await self._answers(address):
            self._check_alive(DAEMON)
            if self._clock.monotonic() >= deadline_s:
                raise FleetctlError(f"The controller did not start. {self._last_words(DAEMON)}")
            await self._clock.sleep(POLL_S)
        # A port that was picked stays the same when the controller is started again.
        self._listen = self.url.removeprefix("http://")

    async def _answers(self, address: Path) -> bool:
        if not address.exists() or not (self._data / "admin.token").exists():
            return False
        self.url = address.read_text(encoding="ascii").strip().rstrip("/")
        token = (self._data / "admin.token").read_text(encoding="ascii").strip()
        try:
            async with SiteApi(self.url, token) as api:
                await api.get("machines")
        except Unreachable:
            return False
        return True

    async def _keep_daemon(self) -> None:
        """Start the controller again when it was killed; the agent and the machines have gone on meanwhile."""
        while True:
            await self._clock.sleep(POLL_S)
            if not self._children[DAEMON].alive:
                status = self._children[DAEMON].exit_status
                self._say(f"The controller ended (status {status}). The machines go on; starting it again.")
                await self._start_daemon()
                self._say(f"The controller is back at {self.url}.")

    def _check_alive(self, name: str) -> None:
        if not self._children[name].alive:
            raise FleetctlError(f"{name} ended while it was starting. {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        log = self._children.log_of(name)
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        return f"Its log {log} ends with: {' '.join(lines[-2:])}" if lines else f"Its log {log} is empty."

    # The order

    async def _order(self, api: SiteApi) -> None:
        for line, quantity in order_for(self._machines, self._settings.batches):
            program = await api.upload(line.file, line.program())
            wanted = {
                "program_sha256": program["sha256"],
                "quantity": quantity,
                "title": line.title,
                "yield_parts": line.yield_parts,
                "group": GROUPS[line.kind],
            }
            job = await api.post("jobs", wanted)
            self._say(f"{job['code']}: {quantity} good of {line.title}.")

    async def _watch_order(self, api: SiteApi, *, once: bool) -> str:
        deadline_s = self._clock.monotonic() + ONCE_WITHIN_S
        finished = False
        while True:
            try:
                jobs = await api.get("jobs")
            except Unreachable:
                jobs = None
            if jobs is not None:
                self._tell(jobs)
                if all(job["state"] in ("done", "cancelled") for job in jobs):
                    if once:
                        return _verdict(jobs)
                    if not finished:
                        self._say("The sample order is done. Send something of your own, or end with Ctrl-C.")
                    finished = True
                else:
                    finished = False
            if once and self._clock.monotonic() >= deadline_s:
                return f"Not done after {ONCE_WITHIN_S:.0f} s. {_verdict(jobs or [])}"
            await self._clock.sleep(1.0)

    def _tell(self, jobs: Json) -> None:
        """One line when the good or the scrap parts of a job became more, or its state changed."""
        for job in jobs:
            now = (job["good"], job["scrap"], job["state"])
            if self._told.get(job["code"], (0, 0, "queued")) != now:
                scrap = f", {job['scrap']} scrap" if job["scrap"] else ""
                self._say(
                    f"{job['code']} {job['title']}: {job['good']} good of {job['quantity']}{scrap}, {job['state']}."
                )
            self._told[job["code"]] = now


def _verdict(jobs: Json) -> str:
    """Empty when every job is done with its quantity good; else a sentence for each that is not."""
    sentences = []
    for job in jobs:
        if job["state"] != "done" or job["good"] < job["quantity"]:
            why = (job.get("why") or {}).get("sentence", "")
            sentences.append(
                f"{job['code']} is {job['state']}: {job['good']} good of {job['quantity']}. {why}".strip()
            )
    return " ".join(sentences) if jobs else "The daemon knows no job."
