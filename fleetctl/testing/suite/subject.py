"""What the conformance suite must be told about a machine type: its driver, its simulator and a few programs.

Facts about one machine type, stated by its author; nothing is tested here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleetctl.driver.api import DriverType, EndKind
from fleetctl.model.profile import PROFILES, Profile
from fleetctl.sim.machine import SimulatedMachine

Cleaner = Callable[[bytes], list[str]]


def plain_lines(program: bytes) -> list[str]:
    """What a machine executes of a program: its lines without comments from `;` on and without empty ones."""
    lines = (line.split(b";", 1)[0].strip().decode("ascii") for line in program.splitlines())
    return [line for line in lines if line]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One machine type under test. `make_machine(seed)` gives a simulator that has just been switched on.

    program: takes at least 20 s of machine time, moves, switches something on, and off again at its end.
    waiting_program: waits for a person once; None where the machine type cannot.
    cleaned: the texts that `executed` of the simulator holds after just this program.
    sync_lines: what the driver itself lets the machine execute to know that motion is done: at the end, at a stop.
    safe_lines: what it lets the machine execute to switch things off.
    switch_on: a line that turns something on that `make_safe` must turn off.
    question: a line with an answer, and a text in that answer.
    fault, fault_end: a fault the simulator can have, and how a run that meets it ends.
    clears_fault: `clear_fault` alone brings it back; False where a person must reset it.
    has_checksums: a spoiled line is noticed and asked for again.
    unchecked: bytes of a line whose loss makes the firmware take it without looking at the checksum.
    checks_order: a line that comes twice, or out of order, is noticed and not executed.
    holds_lines: how many lines taken but not executed it may hold when a link goes.
    confirms_stop: the firmware stops at once and says so; where it does neither, only the heat goes off.
    safe_in_pause: a paused run that is made safe stays in hand; False where the firmware hears nothing in a hold, so
        that the run is ended to switch things off.
    noise: what matches is no command to this firmware, whatever its record says: spoiled lines that it refused.
    """

    driver: DriverType
    make_machine: Callable[[int], SimulatedMachine]
    program: bytes
    cleaned: Cleaner = plain_lines
    sync_lines: frozenset[str] = frozenset()
    safe_lines: frozenset[str] = frozenset()
    waiting_program: bytes | None = None
    switch_on: str
    question: tuple[str, str]
    fault: str
    fault_end: EndKind
    clears_fault: bool
    has_checksums: bool
    unchecked: bytes = b""
    checks_order: bool = True
    confirms_stop: bool = True
    holds_lines: int = 16
    safe_in_pause: bool = True
    noise: str = r"(?!)"
    profile_name: str = ""

    @property
    def profile(self) -> Profile:
        """The profile the driver is tried with: the first it names unless the subject names another."""
        return PROFILES[self.profile_name or self.driver.profiles[0]]
