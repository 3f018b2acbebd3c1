"""Order, groups and filter of the floor. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fleetctl.fleet.shapes import MachineShape
from fleetctl.scheduling.reason import Need

VIEWS = ("cards", "dense", "wall")
CARDS_UP_TO = 12
DENSE_UP_TO = 120

_REST = {"running": 7, "ready": 8, "connecting": 9, "maintenance": 10, "locked-out": 10, "offline": 11}
_LAST = 12
"""Rank of machines that need nobody; lower numbers are `Need`."""


class Group(msgspec.Struct, frozen=True):
    """Machines under one heading; `need` of them wait for a person."""

    name: str
    machines: tuple[MachineShape, ...]
    need: int


def rank(machine: MachineShape) -> int:
    """1 (fault) to 11 (off): where a machine stands when those that need somebody come first."""
    need = machine.why.need if machine.why is not None else Need.NOBODY
    return int(need) if need < Need.NOBODY else _REST.get(machine.word, _LAST)


def needs_somebody(machine: MachineShape) -> bool:
    """Whether a person is needed now."""
    return rank(machine) < Need.WHEN_CONVENIENT


def matching(machines: Sequence[MachineShape], group: str, text: str) -> tuple[MachineShape, ...]:
    """Those of one group (empty: all) whose name, state, driver or job holds the text."""
    wanted = text.strip().lower()
    return tuple(
        machine
        for machine in machines
        if (not group or machine.group == group) and (not wanted or wanted in " ".join(_words(machine)).lower())
    )


def _words(machine: MachineShape) -> tuple[str, ...]:
    job = machine.run.job if machine.run else ""
    return (machine.name, machine.word, machine.sentence, machine.driver, job, machine.setup.material)


def in_order(machines: Sequence[MachineShape]) -> tuple[MachineShape, ...]:
    """Those that need somebody first, then running ones by their end, then by name."""

    def key(machine: MachineShape) -> tuple[int, float, str]:
        end = machine.run.progress.end_s if machine.run else None
        return (rank(machine), end if end is not None else float("inf"), machine.name)

    return tuple(sorted(machines, key=key))


def groups(machines: Sequence[MachineShape]) -> tuple[Group, ...]:
    """Machines by their group, groups by name, machines without a group first."""
    names = sorted({machine.group for machine in machines})
    return tuple(
        Group(name, inside, sum(map(needs_somebody, inside)))
        for name in names
        if (inside := in_order([machine for machine in machines if machine.group == name]))
    )


def chosen_view(asked: str, machines: int) -> str:
    """The view that was asked for, else by the number of machines."""
    if asked in VIEWS:
        return asked
    return "cards" if machines <= CARDS_UP_TO else "dense" if machines <= DENSE_UP_TO else "wall"
