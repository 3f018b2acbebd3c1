"""Simulators as real processes: a naive host streams a program over a pseudo-terminal and over TCP."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from fleetctl_plugins.marlin.simulator import as_executed

from fleetctl.sim.gauge import Gauge
from fleetctl.sim.record import digest

DEADLINE_S = 15.0

PRINT = [
    "G21",
    "M104 S200",
    "G28",
    "M109 S200",
    *(f"G1 X{10 + i} Y{20 + i % 3} E{i}" for i in range(40)),
    "M400",
    "M84",
]
CUT = ["G21 G90", "M3 S8000", *(f"G1 X{i % 7} Y{i % 5} F1200" for i in range(40)), "M30"]

Start = Callable[..., "Simulator"]


class Simulator:
    """One simulator process and the files beside it."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.tray, self.state = folder / "parts.jsonl", folder / "state.json"
        command = [
            sys.executable,
            "-m",
            "fleetctl.sim.run",
            *words,
            "--tray",
            str(self.tray),
            "--state",
            str(self.state),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert first.startswith("port: "), f"the simulator said {first!r}"
        self.address = first.removeprefix("port: ").strip()

    def seen(self, wanted: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """The state file, once it is as wanted."""
        end_s = time.monotonic() + DEADLINE_S
        state: dict[str, object] = {}
        while time.monotonic() < end_s:
            if self.state.exists() and wanted(state := json.loads(self.state.read_text())):
                return state
            select.select([], [], [], 0.02)
        raise AssertionError(f"never as wanted: {state}")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(DEADLINE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Simulator] = []

    def begin(*words: str) -> Simulator:
        running.append(Simulator(tmp_path, list(words)))
        return running[-1]

    yield begin
    for simulator in running:
        simulator.stop()


class Host:
    """A host that sends one line and waits for its ok, over any descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.heard: list[str] = []
        self._buffer = b""

    def line(self) -> str:
        """The next line from the machine. Fails after a deadline."""
        end_s = time.monotonic() + DEADLINE_S
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self.descriptor], [], [], end_s - time.monotonic())
            assert ready, f"the machine went silent after {self.heard[-5:]}"
            data = os.read(self.descriptor, 4096)
            assert data, "the machine hung up"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\n")
        self.heard.append(text.decode("latin-1").strip())
        return self.heard[-1]

    def send(self, raw: bytes) -> None:
        os.write(self.descriptor, raw)

    def ask(self, text: str) -> str:
        self.send(text.encode() + b"\n")
        while not (answer := self.line()).startswith(("ok", "error", "Resend")):
            pass
        return answer

    def stream(self, program: list[str], *, numbers: bool) -> None:
        """Ping-pong, with line numbers, checksums and resends if asked."""
        if numbers:
            assert self.ask("M110 N0") == "ok"
        at = 1
        while at <= len(program):
            text = program[at - 1]
            body = f"N{at} {text}".encode()
            answer = self.ask(f"{body.decode()}*{reduce(xor, body)}" if numbers else text)
            if answer.startswith("Resend: "):
                at = int(answer.removeprefix("Resend: "))
                assert self.line() == "ok"
            else:
                assert answer.startswith("ok"), f"{text!r} was answered with {answer!r}"
                at += 1


def open_pty(address: str) -> int:
    descriptor = os.open(address, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    return descriptor


def test_a_print_over_a_pseudo_terminal(start: Start, tmp_path: Path) -> None:
    link = tmp_path / "mk1"
    simulator = start(
        "marlin", "--link", str(link), "--speedup", "200", "--seed", "7", "--defect-at", "1", "--fault", "garble@9"
    )
    assert str(link.readlink()) == simulator.address
    descriptor = open_pty(str(link))
    try:
        host = Host(descriptor)
        host.stream(PRINT, numbers=True)
        state = simulator.seen(lambda s: s["parts_made"] == 1)
    finally:
        os.close(descriptor)
    assert "Resend: 10" in host.heard
    assert state["executed_sha256"] == digest(PRINT) == digest(as_executed("\n".join(PRINT).encode()))
    assert state["position_mm"] == [49.0, 20.0, 0.0]
    (part,) = Gauge(seed=1).newest(simulator.tray)
    assert abs(part.value_mm - 20) > 0.15
    assert simulator.stop() == 0 and not link.is_symlink()


def test_a_cut_over_tcp(start: Start) -> None:
    simulator = start("grbl", "--tcp", "127.0.0.1:0", "--speedup", "200", "--parts-per-program", "2")
    assert simulator.address.startswith("socket://127.0.0.1:")
    port = int(simulator.address.rpartition(":")[2])
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        host = Host(connection.fileno())
        host.stream(CUT, numbers=False)
        host.send(b"?")
        assert host.line().startswith("<Idle|")
    state = simulator.seen(lambda s: s["executed"] == len(CUT))
    assert state["executed_sha256"] == digest(text.replace(" ", "") for text in CUT)
    assert state["outputs"] == {"spindle": 0.0, "flood": 0.0, "mist": 0.0} and state["parts_made"] == 2
    with (
        closing(socket.create_connection(("127.0.0.1", port))) as first,
        closing(socket.create_connection(("127.0.0.1", port))) as second,
    ):
        assert Host(first.fileno()).ask("G21") == "ok"
        second.settimeout(DEADLINE_S)
        assert second.recv(1) == b"", "a second host is turned away"


def test_a_machine_survives_its_host_and_may_reset_when_the_port_is_opened(start: Start) -> None:
    simulator = start("marlin", "--speedup", "50", "--dtr-reset")
    for opened in (1, 2):
        descriptor = open_pty(simulator.address)
        try:
            host = Host(descriptor)
            assert host.line() == "start", "the boot's own greeting is not heard, that of the reset is"
            assert host.ask("M104 S200") == "ok"
            simulator.seen(lambda s, opened=opened: (s["resets"], s["executed"]) == (opened, opened))
        finally:
            os.close(descriptor)


def test_without_dtr_the_machine_goes_on_when_the_host_leaves(start: Start) -> None:
    simulator = start("grbl", "--speedup", "50")
    for reached_mm in (50.0, 100.0):
        descriptor = open_pty(simulator.address)
        try:
            host = Host(descriptor)
            assert host.ask("G91 G1 X50 F600") == "ok"
            assert host.heard == ["ok"], "a new host hears nothing of what was said to the last one"
            host.send(b"?" * 20)  # answers that this host does not wait for
        finally:
            os.close(descriptor)
        state = simulator.seen(lambda s, x=reached_mm: s["position_mm"] == [x, 0.0, 0.0] and s["activity"] == "idle")
    assert state["resets"] == 0


def test_a_waiting_simulator_uses_next_to_no_processor(start: Start) -> None:
    simulator = start("marlin", "--speedup", "50")

    def spent_s() -> float:
        fields = Path(f"/proc/{simulator.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    descriptor = open_pty(simulator.address)
    try:
        host = Host(descriptor)
        host.ask("M155 S50")
        before_s = spent_s()
        for _ in range(2):
            host.line()
        assert spent_s() - before_s < 0.2
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["toaster"], 1, "no simulator for the driver 'toaster'"),
        (["marlin", "--set", "colour=red"], 2, "no option 'colour'"),
        (["marlin", "--fault", "hard-limit@3"], 2, "cannot have the fault"),
        (["grbl", "--tcp", "nowhere"], 2, "HOST:PORT"),
        (["grbl", "--speedup", "0"], 2, "more than 0"),
    ],
)
def test_what_cannot_be_is_said(words: list[str], status: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fleetctl.sim.run", *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, "") and said in done.stderr
