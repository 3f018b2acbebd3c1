"""Drives a simulated machine with explicit times: no clock, no sleeping."""

from __future__ import annotations

from functools import reduce
from operator import xor

from fleetctl.sim.machine import SimulatedMachine


def numbered(number: int, text: str) -> bytes:
    """A line with number and checksum, made here and not by the core under test."""
    body = f"N{number} {text}".encode()
    return body + b"*%d\n" % reduce(xor, body)


class Rig:
    """One machine and the time it is."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self.machine = machine
        self.now_s = machine.now_s
        self.banner = self.lines()

    def lines(self) -> list[str]:
        """What the machine said since last asked, without line ends."""
        return self.machine.take_output().decode("latin-1").splitlines()

    def send(self, data: str | bytes) -> list[str]:
        """Text gets a line feed, bytes go as they are; the answers of this very moment."""
        raw = data.encode() + b"\n" if isinstance(data, str) else data
        self.machine.receive(raw, self.now_s)
        return self.lines()

    def wait(self, duration_s: float) -> list[str]:
        """Let time pass; everything said meanwhile."""
        self.now_s += duration_s
        self.machine.elapse(self.now_s)
        return self.lines()

    def until(self, text: str, limit_s: float = 10_000.0) -> list[str]:
        """Jump from deadline to deadline until a line begins with `text`."""
        said = self.lines()
        end_s = self.now_s + limit_s
        while not any(line.startswith(text) for line in said):
            deadline_s = self.machine.next_deadline()
            assert deadline_s is not None and deadline_s <= end_s, f"never said {text!r}; said {said[-5:]}"
            self.now_s = max(self.now_s, deadline_s)
            self.machine.elapse(self.now_s)
            said += self.lines()
        return said
