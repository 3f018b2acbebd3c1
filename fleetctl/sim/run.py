"""One simulated machine as a process: options, signals, tray, trace and state files around `simulate`.

    python -m fleetctl.sim.run marlin --link fleet/mk1 --speedup 20 --seed 7 --tray fleet/mk1.parts.jsonl

It must not know any machine type: simulators are found by name in the entry-point group `fleetctl.simulators`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TextIO

from fleetctl.errors import FleetctlError, NotFound, UsageError
from fleetctl.sim.endpoints import Endpoint, PtyEndpoint, TcpEndpoint
from fleetctl.sim.faults import FaultyMachine, read_fault
from fleetctl.sim.machine import SimulatedMachine
from fleetctl.sim.record import Executed
from fleetctl.sim.server import Stopper, simulate
from fleetctl.sim.tray import lay, look

GROUP = "fleetctl.simulators"
STATE_EVERY_S = 0.2

Factory = Callable[..., SimulatedMachine]


@dataclass(frozen=True)
class RunSettings:
    """How one simulator process runs. `tcp` is HOST:PORT (port 0: any free one); without it a pseudo-terminal is made
    and, with `link`, given a stable name. `options` are those of the machine type and of `PartSpec`."""

    seed: int = 0
    speedup: float = 1.0
    link: Path | None = None
    tcp: str | None = None
    tray: Path | None = None
    trace: Path | None = None
    state: Path | None = None
    dtr_reset: bool = False
    faults: Sequence[str] = ()
    options: Mapping[str, object] = field(default_factory=dict)


def find_simulator(driver: str) -> Factory:
    """The factory of a machine type. Raises NotFound, naming those there are."""
    for point in entry_points(group=GROUP, name=driver):
        factory: Factory = point.load()
        return factory
    known = ", ".join(sorted({point.name for point in entry_points(group=GROUP)})) or "none"
    raise NotFound(f"There is no simulator for the driver {driver!r}.", hint=f"Installed: {known}.")


def build_machine(driver: str, settings: RunSettings) -> SimulatedMachine:
    """The machine with its faults, its counters continued from the tray, and nothing running yet."""
    machine = find_simulator(driver)(settings.seed, **settings.options)
    if settings.tray is not None:
        earlier = look(settings.tray)
        if earlier:
            machine.maker.runs_made, machine.maker.parts_made = earlier[-1].run, earlier[-1].part
    if settings.faults:
        faults = [read_fault(text) for text in settings.faults]
        return FaultyMachine(machine, faults, seed=settings.seed)
    return machine


def run_simulator(driver: str, settings: RunSettings) -> int:
    """Run until SIGTERM or SIGINT. The first line on standard output is `port: ADDRESS`. Returns the exit status."""
    if settings.speedup <= 0:
        raise UsageError(f"The speed-up is {settings.speedup}; it must be more than 0.")
    machine = build_machine(driver, settings)
    endpoint = _endpoint(settings)
    stopper = Stopper()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopper.stop())
    observer = Observer(machine, settings)
    try:
        sys.stdout.write(f"port: {endpoint.address}\n")
        sys.stdout.flush()
        simulate(
            machine,
            endpoint,
            settings.speedup,
            stopper=stopper,
            reset_on_open=settings.dtr_reset,
            observe=observer.look,
        )
    finally:
        observer.close()
        endpoint.close()
        stopper.close()
    return 0


def _endpoint(settings: RunSettings) -> Endpoint:
    if settings.tcp is None:
        return PtyEndpoint(settings.link)
    host, _, port = settings.tcp.rpartition(":")
    if not port.isdigit():
        raise UsageError(f"{settings.tcp!r} is not HOST:PORT.")
    return TcpEndpoint(host or "127.0.0.1", int(port))


class Observer:
    """Writes what a bystander would see: parts on the tray, a trace of lines, and the state, a few times a second."""

    def __init__(self, machine: SimulatedMachine, settings: RunSettings) -> None:
        self._machine = machine
        self._state = settings.state
        self._next_state_s = 0.0
        self._last = ""
        self._trace: TextIO | None = None
        if settings.tray is not None:
            tray = settings.tray
            machine.on_parts = lambda parts: lay(tray, parts)
        if settings.state is not None:
            settings.state.parent.mkdir(parents=True, exist_ok=True)
        if settings.trace is not None:
            settings.trace.parent.mkdir(parents=True, exist_ok=True)
            self._trace = settings.trace.open("a", encoding="utf-8", buffering=1)
            machine.executed.on_line = self._write_line

    def _write_line(self, line: Executed) -> None:
        if self._trace is not None:
            self._trace.write(json.dumps([round(line.at_s, 4), line.number, line.text]) + "\n")

    def look(self) -> float | None:
        """Write the state file if it is due; the answer is when to look again, in wall seconds."""
        if self._state is None:
            return None
        wait_s = self._next_state_s - time.monotonic()
        if wait_s > 0:
            return wait_s
        self._next_state_s = time.monotonic() + STATE_EVERY_S
        return STATE_EVERY_S if self._write_state(self._state) else None

    def _write_state(self, path: Path) -> bool:
        """False when nothing but the time has changed."""
        state = self._machine.snapshot()
        changing = json.dumps(state | {"at_s": None})
        if changing == self._last:
            return False
        self._last = changing
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(json.dumps(state) + "\n", encoding="utf-8")
        fresh.replace(path)
        return True

    def close(self) -> None:
        if self._state is not None:
            self._write_state(self._state)
        if self._trace is not None:
            self._trace.close()


def parser() -> argparse.ArgumentParser:
    """The command line of this module."""
    made = argparse.ArgumentParser(prog="python -m fleetctl.sim.run", description="Run one simulated machine.")
    made.add_argument("driver", help="machine type, for example marlin or grbl")
    made.add_argument("--link", type=Path, help="symbolic link to the pseudo-terminal")
    made.add_argument("--tcp", metavar="HOST:PORT", help="listen on TCP instead of a pseudo-terminal")
    made.add_argument("--speedup", type=float, default=1.0, help="machine seconds per real second (default 1)")
    made.add_argument("--seed", type=int, default=0, help="of everything random about this machine")
    made.add_argument("--tray", type=Path, help="append each part made to this JSON-lines file")
    made.add_argument("--trace", type=Path, help="append each executed line to this JSON-lines file")
    made.add_argument("--state", type=Path, help="keep the physical state in this JSON file")
    made.add_argument("--dtr-reset", action="store_true", help="reset whenever a host opens the port")
    made.add_argument("--fault", action="append", default=[], help="KIND@LINE, KIND@SECONDSs or KIND%%RATE, :VALUE")
    made.add_argument("--parts-per-program", type=int, help="parts that each finished program makes (default 1)")
    made.add_argument("--defect-rate", type=float, help="probability that a part is defective (default 0)")
    made.add_argument("--defect-seed", type=int, help="seed of the defects (default: --seed)")
    made.add_argument("--defect-at", help="parts that are certainly defective, counted from 1: 2,5")
    made.add_argument("--nominal-mm", type=float, help="dimension that the gauge measures (default 20)")
    made.add_argument("--sigma-mm", type=float, help="its standard deviation (default 0.02)")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="option of the machine type")
    return made


def read_settings(arguments: argparse.Namespace) -> RunSettings:
    """Settings from parsed arguments. Raises UsageError."""
    options: dict[str, Any] = {}
    for pair in arguments.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not NAME=VALUE.")
        options[name.replace("-", "_")] = value
    for name in ("parts_per_program", "defect_rate", "defect_seed", "defect_at", "nominal_mm", "sigma_mm"):
        if (value := getattr(arguments, name)) is not None:
            options[name] = value
    return RunSettings(
        seed=arguments.seed,
        speedup=arguments.speedup,
        link=arguments.link,
        tcp=arguments.tcp,
        tray=arguments.tray,
        trace=arguments.trace,
        state=arguments.state,
        dtr_reset=arguments.dtr_reset,
        faults=tuple(arguments.fault),
        options=options,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Entry of `python -m fleetctl.sim.run`."""
    arguments = parser().parse_args(words)
    try:
        return run_simulator(arguments.driver, read_settings(arguments))
    except (FleetctlError, OSError) as cause:
        sys.stderr.write(f"{cause}\n")
        return 2 if isinstance(cause, UsageError) else 1


if __name__ == "__main__":
    sys.exit(main())
