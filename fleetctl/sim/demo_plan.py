"""What the demo shows: which machines, what each makes, which parts come out wrong, and the sample order.

Only data and pure functions; how it is started is `fleetctl.sim.demo`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleetctl.sim import sample

SEED = 6071
"""With this seed the second part of K1 and the fourth of K3 are out of tolerance, and no other of the first eight of
each machine: the sample order always shows scrap and its remake."""

DEFECT_RATE = 0.08
NOMINAL_MM = 20.0
TOLERANCE_MM = 0.1
CYCLE = ("printer", "printer", "plate printer", "plate printer", "mill", "mill")
"""The kinds of machine, over and over until there are as many as wanted."""


@dataclass(frozen=True)
class Machine:
    """One simulated machine: `kind` says what it makes, `by_socket` that it hangs on TCP instead of a terminal."""

    name: str
    kind: str
    seed: int
    by_socket: bool = False

    @property
    def driver(self) -> str:
        """Whose words it speaks."""
        return "grbl" if self.kind == "mill" else "marlin"

    @property
    def parts_per_program(self) -> int:
        """How many parts are on its plate when a program has ended."""
        return CLIPS if self.kind == "plate printer" else 1


@dataclass(frozen=True)
class Line:
    """One line of the sample order: a program, how many good parts, and which kind of machine makes them."""

    title: str
    program: Callable[[], bytes]
    file: str
    kind: str
    quantity: int
    yield_parts: int = 1


CLIPS = 4
ORDER = (
    Line("Bracket", sample.bracket, "bracket.gcode", "printer", 6),
    Line("Cable clip", sample.clip_plate, "clips-x4.gcode", "plate printer", 12, CLIPS),
    Line("Pocket plate", sample.milled_plate, "pocket-plate.nc", "mill", 4),
)
GROUPS = {"printer": "printers", "plate printer": "plate printers", "mill": "mills"}


def fleet(count: int) -> list[Machine]:
    """The first `count` machines: four printers and two mills, and so on; printers K1.., mills M1.."""
    machines: list[Machine] = []
    for number in range(count):
        kind = CYCLE[number % len(CYCLE)]
        letter = "M" if kind == "mill" else "K"
        ordinal = 1 + sum(each.name[0] == letter for each in machines)
        machines.append(Machine(f"{letter}{ordinal}", kind, SEED + number, by_socket=number % len(CYCLE) == 5))
    return machines


def order_for(machines: Sequence[Machine], batches: int = 1) -> list[tuple[Line, int]]:
    """The lines that these machines can make, each with its quantity."""
    kinds = {machine.kind for machine in machines}
    return [(line, line.quantity * batches) for line in ORDER if line.kind in kinds]
