"""What the simulation must be told of a machine type, and the two types that it tells itself: names, words, options.

A kind joins a driver and a simulator that the caller brings. What a session may say by itself is written down here,
independently of the driver, for I12 and I14. This module must not import a plug-in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleetctl.driver.api import DriverType
from fleetctl.model.profile import Setup
from fleetctl.sim.machine import SimulatedMachine

SimulatorFactory = Callable[..., SimulatedMachine]


@dataclass(frozen=True, kw_only=True)
class MachineKind:
    """One machine type.

    `harmless` matches lines that a session may send by itself at any time: questions, and heaters, spindle and
    coolant off. `acts` matches what the firmware takes for a command at all: a line that lost its N on the wire
    is not one. `by_hand` matches the moves of a person. `needs` says which verb of a person any other own line
    needs. `machine_faults` are kinds for `SimulatedMachine.inject`; `wire_out_faults` tells whether garbled lines
    are found out by the firmware.
    """

    name: str
    driver: DriverType
    simulator: SimulatorFactory
    profile: str
    setup: Setup
    options: dict[str, object]
    harmless: re.Pattern[str]
    acts: re.Pattern[str]
    needs: Mapping[str, frozenset[str]]
    machine_faults: tuple[str, ...]
    wire_out_faults: bool
    wire_line: re.Pattern[bytes]
    by_hand: re.Pattern[str]
    halted: frozenset[str] = field(default_factory=frozenset)
    forbidden_ordinary: re.Pattern[bytes] | None = None

    def permission(self, text: str) -> frozenset[str]:
        """The verbs of which one must have been asked for before `text` may be said; empty when none can allow it."""
        return next((verbs for start, verbs in self.needs.items() if text.startswith(start)), frozenset())


def _marlin(driver: DriverType, simulator: SimulatorFactory) -> MachineKind:
    return MachineKind(
        name="marlin",
        driver=driver,
        simulator=simulator,
        profile="generic-220",
        setup=Setup(material="PLA", nozzle_mm=0.4),
        options={"autoreport": False, "hotend_rise_s": 20.0, "residency_s": 1.0, "homing_mm_s": 100.0},
        harmless=re.compile(r"(?:M104 (?:T\d )?S0|M140 S0|M141 S0|M107|M400|M108|M110.*|M22[01] S100)\Z"),
        acts=re.compile(r"[GMT]\s*\d"),
        needs={
            "G28": frozenset({"home"}),
            "M999": frozenset({"reset"}),
            "M112": frozenset(),
            **dict.fromkeys(
                ("G21", "G90", "G91", "G1 ", "M82", "M83", "M120", "M121", "M410", "M220", "M221"),
                frozenset({"jog"}),
            ),
        },
        by_hand=re.compile(r"G1 "),
        machine_faults=("thermal", "kill", "reset", "stop"),
        wire_out_faults=True,
        wire_line=re.compile(rb"N\d+ ?(.*)\*\d+\Z"),
        halted=frozenset({"killed"}),
    )


def _grbl(driver: DriverType, simulator: SimulatorFactory) -> MachineKind:
    return MachineKind(
        name="grbl",
        driver=driver,
        simulator=simulator,
        profile="generic-mill-3018",
        setup=Setup(material="PLA", offsets_mm={"G54": (0.0, 0.0, 0.0)}),
        options={"settings": "22=1,25=3000"},
        harmless=re.compile(r"(?:M5|M9|G4P0\.01|\$I|\$\$|\$#|\$G)\Z"),
        acts=re.compile(r"[A-Z$]"),
        needs={"$H": frozenset({"home"}), "$X": frozenset({"reset"}), "$J=": frozenset({"jog"})},
        by_hand=re.compile(r"\$J="),
        machine_faults=("hard-limit", "soft-limit", "reset", "door"),
        wire_out_faults=False,
        wire_line=re.compile(rb"(.*)\Z"),
        forbidden_ordinary=re.compile(rb"[?!~\x18\x80-\xff]"),
    )


_KNOWN: dict[str, Callable[[DriverType, SimulatorFactory], MachineKind]] = {"marlin": _marlin, "grbl": _grbl}


def kinds(drivers: Mapping[str, DriverType], simulators: Mapping[str, SimulatorFactory]) -> dict[str, MachineKind]:
    """The kinds that the simulation knows and that the caller has both a driver and a simulator for."""
    return {
        name: make(drivers[name], simulators[name])
        for name, make in _KNOWN.items()
        if name in drivers and name in simulators
    }
