"""Scripted and seeded faults around a simulated machine: on its wire, and in the machine itself.

`FaultyMachine` is a machine itself, so whatever carries bytes to one carries them to the other. It must not know any
dialect beyond "a line ends with a line feed" and "an answer line begins with ok".

A fault is written `KIND@WHEN[:VALUE]`, once, or `KIND%RATE[:VALUE]`, by chance for each line:
    WHEN    `25`: as soon as 25 program lines have been executed (questions of the host do not count);
            `12.5s`: at this machine time
    KIND    to the machine: drop, garble, duplicate (the next line), delay (VALUE seconds, default 1)
            from the machine: lost-ok (the ok of that line), drop-out, garble-out, duplicate-out (its next line)
            the machine: reset, silence (VALUE seconds, default for ever: deaf and dumb), or a fault of its own kind,
            for example thermal, kill, hard-limit, door
"""

from __future__ import annotations

import math
import random
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from fleetctl.errors import UsageError
from fleetctl.sim.machine import SimulatedMachine
from fleetctl.sim.parts import Part

INWARD = ("drop", "garble", "duplicate", "delay")
OUTWARD = ("lost-ok", "drop-out", "garble-out", "duplicate-out")
WRITTEN = re.compile(r"([a-z-]+)(?:@(\d+(?:\.\d+)?)(s?)|%(\d*\.?\d+))(?::(\d+(?:\.\d+)?))?\Z")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: exactly one of `after_lines`, `at_s` and `rate` is set."""

    kind: str
    after_lines: int | None = None
    at_s: float | None = None
    rate: float | None = None
    value: float | None = None


def read_fault(text: str) -> Fault:
    """A fault as it is written on the command line. Raises UsageError."""
    found = WRITTEN.match(text)
    if found is None:
        hint = "Write KIND@LINE, KIND@SECONDSs or KIND%RATE, and :VALUE after it if it takes one."
        raise UsageError(f"{text!r} is not a fault.", hint=hint)
    kind, when, seconds, rate, value = found.groups()
    number = float(value) if value else None
    if rate is not None:
        if kind not in (*INWARD, *OUTWARD):
            raise UsageError(f"{kind!r} cannot have a rate; only faults of the wire can.")
        return Fault(kind, rate=float(rate), value=number)
    if seconds:
        return Fault(kind, at_s=float(when), value=number)
    if not when.isdigit():
        raise UsageError(f"{text!r}: a line is a whole number; seconds end with s.")
    return Fault(kind, after_lines=int(when), value=number)


class FaultyMachine(SimulatedMachine):
    """A machine with faults; everything an observer reads is the machine's own. `happened` lists what struck."""

    def __init__(self, machine: SimulatedMachine, faults: Iterable[Fault], *, seed: int) -> None:
        super().__init__(seed=seed)
        self.machine = machine
        self.faults = machine.faults
        self.executed, self.heard = machine.executed, machine.heard
        self.maker, self.made = machine.maker, machine.made
        machine.on_parts = self._hand_on
        self.happened: list[tuple[float, str]] = []
        faults = list(faults)
        self._check(faults)
        by_line = (f for f in faults if f.after_lines is not None)
        self._by_line = deque(sorted(by_line, key=lambda f: f.after_lines or 0))
        self._by_time = deque(sorted((f for f in faults if f.at_s is not None), key=lambda f: f.at_s or 0.0))
        self._by_chance = [f for f in faults if f.rate is not None]
        self._armed: list[Fault] = []
        self._random = random.Random(f"faults/{seed}")
        self._late: deque[tuple[float, bytes]] = deque()
        self._outgoing = bytearray()
        self._silent_until_s = -math.inf
        self._after()

    def _check(self, faults: Iterable[Fault]) -> None:
        known = (*INWARD, *OUTWARD, "silence", "reset", *self.machine.faults)
        for fault in faults:
            if fault.kind not in known:
                raise UsageError(f"This machine cannot have the fault {fault.kind!r}; it knows {', '.join(known)}.")

    def next_deadline(self) -> float | None:
        times = [self.machine.next_deadline()]
        if self._late:
            times.append(self._late[0][0])
        if self._by_time:
            times.append(self._by_time[0].at_s)
        return min((time for time in times if time is not None), default=None)

    @property
    def activity(self) -> str:
        return self.machine.activity

    @property
    def position_mm(self) -> tuple[float, float, float]:
        return self.machine.position_mm

    @property
    def outputs(self) -> dict[str, float]:
        return self.machine.outputs

    def snapshot(self) -> dict[str, object]:
        return self.machine.snapshot() | {"faults_struck": [list(struck) for struck in self.happened]}

    def _hand_on(self, parts: list[Part]) -> None:
        if self.on_parts is not None:
            self.on_parts(parts)

    # What reaches the machine

    def _hear(self, data: bytes) -> None:
        self.machine.elapse(self.now_s)
        for piece in data.splitlines(keepends=True):
            for damaged in self._inward(piece):
                if self._late:
                    self._late.append((self._late[-1][0], damaged))
                else:
                    self._deliver(damaged)

    def _inward(self, piece: bytes) -> list[bytes]:
        if self.now_s < self._silent_until_s:
            return []
        fault = self._pick(INWARD) if piece.endswith(b"\n") else None
        if fault is None:
            return [piece]
        if fault.kind == "drop":
            return []
        if fault.kind == "duplicate":
            return [piece, piece]
        if fault.kind == "garble":
            return [self._garbled(piece)]
        self._late.append((self.now_s + (1.0 if fault.value is None else fault.value), piece))
        return []

    def _deliver(self, piece: bytes) -> None:
        self.machine.receive(piece, self.now_s)
        self._after()

    def _wake(self) -> None:
        self.machine.elapse(self.now_s)
        while self._late and self._late[0][0] <= self.now_s:
            self._deliver(self._late.popleft()[1])
        self._after()

    def _settle(self) -> None:
        self.machine.elapse(self.now_s)

    def _boot(self) -> None:
        self.machine.reset(self.now_s)
        self._after()

    def _fail(self, kind: str) -> None:
        self.machine.inject(kind, self.now_s)
        self._after()

    # What comes from the machine

    def _after(self) -> None:
        """After every step of the machine: the faults whose moment has come strike.

        Those of the answer come before it is taken, so that `lost-ok@25` loses the ok of line 25; the others after.
        """
        due: list[Fault] = []
        while self._by_line and self.executed.count >= (self._by_line[0].after_lines or 0):
            due.append(self._by_line.popleft())
        while self._by_time and self.now_s >= (self._by_time[0].at_s or 0.0):
            due.append(self._by_time.popleft())
        self._armed += [fault for fault in due if fault.kind in OUTWARD]
        self._take()
        for fault in due:
            if fault.kind not in OUTWARD:
                self._strike(fault)
        self.resets = self.machine.resets

    def _take(self) -> None:
        self._outgoing += self.machine.take_output()
        end = self._outgoing.rfind(b"\n") + 1
        lines = bytes(self._outgoing[:end])
        del self._outgoing[:end]
        if self.now_s < self._silent_until_s:
            return
        for line in lines.splitlines(keepends=True):
            self._out += self._outward(line)

    def _outward(self, line: bytes) -> bytes:
        kinds = OUTWARD if line.startswith(b"ok") else OUTWARD[1:]
        fault = self._pick(kinds)
        if fault is None:
            return line
        if fault.kind == "garble-out":
            return self._garbled(line)
        return line + line if fault.kind == "duplicate-out" else b""

    # Faults

    def _strike(self, fault: Fault) -> None:
        if fault.kind in INWARD:
            self._armed.append(fault)
            return
        self._note(fault)
        if fault.kind == "silence":
            self._silent_until_s = math.inf if fault.value is None else self.now_s + fault.value
        elif fault.kind == "reset":
            self.machine.reset(self.now_s)
        else:
            self.machine.inject(fault.kind, self.now_s)
        self._take()

    def _pick(self, kinds: tuple[str, ...]) -> Fault | None:
        """The fault for this line: an armed one first, else one by chance."""
        for fault in self._armed:
            if fault.kind in kinds:
                self._armed.remove(fault)
                self._note(fault)
                return fault
        for fault in self._by_chance:
            if fault.kind in kinds and self._random.random() < (fault.rate or 0.0):
                self._note(fault)
                return fault
        return None

    def _note(self, fault: Fault) -> None:
        self.happened.append((round(self.now_s, 6), fault.kind))

    def _garbled(self, line: bytes) -> bytes:
        """One bit of one byte is wrong; the line end is spared."""
        if len(line) < 2:
            return line
        damaged = bytearray(line)
        damaged[self._random.randrange(len(line.rstrip(b"\r\n")) or 1)] ^= 1 << self._random.randrange(7)
        return bytes(damaged)
