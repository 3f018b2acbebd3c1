"""A process with many simulated printers behind pseudo-terminals, one thread each, that notes when each line came.

Run as `python -m tests.integration.many_machines COUNT FOLDER`: links FOLDER/0.tty, 1.tty and so on; a line on
standard output says that all are there. On SIGTERM it writes FOLDER/arrivals.json: for each machine when each line
of a program came in (seconds of the monotonic clock, which all processes share), and the line. FOLDER/beats.json says
when a thread of it had its turn that wanted one every 20 ms: how late the machines themselves were.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
import time
from pathlib import Path

from fleetctl_plugins.marlin.simulator import simulator

from fleetctl.sim.endpoints import PtyEndpoint
from fleetctl.sim.machine import SimulatedMachine
from fleetctl.sim.server import Stopper, simulate

MOVE = re.compile(rb"N\d+ (G1 [^*]*)\*")


class Noting:
    """One machine whose received lines are noted."""

    def __init__(self, number: int) -> None:
        self.machine: SimulatedMachine = simulator(number)
        self.arrivals: list[tuple[float, str]] = []
        receive = self.machine.receive

        def noted(data: bytes, now_s: float) -> None:
            at_s = time.monotonic()
            self.arrivals += [(at_s, found.group(1).decode()) for found in MOVE.finditer(data)]
            receive(data, now_s)

        self.machine.receive = noted  # type: ignore[method-assign]


def beat(beats: list[float]) -> None:
    """Note each turn."""
    while True:
        beats.append(time.monotonic())
        time.sleep(0.02)


def main(count: int, folder: Path) -> None:
    """Serve until SIGTERM."""
    notes = [Noting(number) for number in range(count)]
    stoppers = [Stopper() for _ in notes]
    threads = []
    for number, (note, stopper) in enumerate(zip(notes, stoppers, strict=True)):
        endpoint = PtyEndpoint(folder / f"{number}.tty")
        threads.append(
            threading.Thread(target=simulate, args=(note.machine, endpoint), kwargs={"stopper": stopper}, daemon=True)
        )
    for thread in threads:
        thread.start()
    beats: list[float] = []
    threading.Thread(target=beat, args=(beats,), daemon=True).start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    for stopper in stoppers:
        stopper.stop()
    for thread in threads:
        thread.join(5.0)
    (folder / "beats.json").write_text(json.dumps(beats))
    (folder / "arrivals.json").write_text(json.dumps([note.arrivals for note in notes]))


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(int(sys.argv[1]), Path(sys.argv[2]))
