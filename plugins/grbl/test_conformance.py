"""The Grbl driver under the conformance suite of fleetctl, against this folder's simulator of each firmware."""

from __future__ import annotations

from dataclasses import replace

from fleetctl_plugins.grbl.driver import DRIVER
from fleetctl_plugins.grbl.simulator import GrblSimulator, as_executed, simulator

from fleetctl.driver.api import EndKind
from fleetctl.testing.suite import ByHandSuite, DriverSuite, FaultSuite, Subject

MOVES = b"".join(b"G1 X-%d Y-%d F900 (a cut)\n" % (10 + 17 * i % 200, 10 + 31 * i % 150) for i in range(60))

SUBJECT = Subject(
    driver=DRIVER,
    make_machine=simulator,
    program=b"(made for the suite)\nG21 G90 G94\nM3 S5000\nG4 P1\n" + MOVES + b"M5\nG0 X-1 Y-1\nM30\n",
    cleaned=as_executed,
    waiting_program=b"G21 G90\nG0 X-5\nM0\nG0 X-6\nM30\n",
    sync_lines=frozenset({"G4P0.01"}),
    safe_lines=frozenset({"M5", "M9"}),
    switch_on="M3 S1000",
    question=("$G", "[GC:"),
    fault="hard-limit",
    fault_end=EndKind.INTERRUPTED,
    clears_fault=True,
    has_checksums=False,
)


def grblhal(seed: int) -> GrblSimulator:
    """grblHAL that tells its buffer in each report; of 254 bytes, as one of its boards has (gsender issue 917)."""
    return simulator(seed, firmware="grblhal", settings="10=3", rx_bytes=254, planner_blocks=17)


def fluidnc(seed: int) -> GrblSimulator:
    """FluidNC that tells its buffer in each report, where alone it can be read."""
    return simulator(seed, firmware="fluidnc", settings="10=3")


class TestGrbl(DriverSuite, FaultSuite, ByHandSuite):
    """Everything that a driver must do."""

    subject = SUBJECT


class TestGrblHal(DriverSuite, FaultSuite, ByHandSuite):
    """The same with grblHAL."""

    subject = replace(SUBJECT, make_machine=grblhal, profile_name="generic-mill-grblhal")


class TestFluidNc(DriverSuite, FaultSuite, ByHandSuite):
    """The same with FluidNC."""

    subject = replace(SUBJECT, make_machine=fluidnc, profile_name="generic-mill-fluidnc")
