"""The TinyG driver under the conformance suite of fleetctl, against this folder's simulator of each firmware."""

from __future__ import annotations

from dataclasses import replace

from fleetctl_plugins.tinyg.driver import DRIVER
from fleetctl_plugins.tinyg.simulator import TinygSimulator, as_executed, simulator

from fleetctl.driver.api import EndKind
from fleetctl.testing.suite import ByHandSuite, DriverSuite, FaultSuite, Subject

MOVES = b"".join(b"G1 X-%d Y-%d F900 (a cut)\n" % (10 + 17 * i % 200, 10 + 31 * i % 150) for i in range(60))

SUBJECT = Subject(
    driver=DRIVER,
    make_machine=simulator,
    program=b"(made for the suite)\nG21 G90 G94\nM3 S5000\nG4 P1\n" + MOVES + b"M5\nG0 X-1 Y-1\nM30\n",
    cleaned=as_executed,
    waiting_program=b"G21 G90\nG0 X-5\nM0\nG0 X-6\nM30\n",
    safe_lines=frozenset({"M5", "M9"}),
    switch_on="M3 S1000",
    question=('{"fb":null}', "440.21"),
    fault="hard-limit",
    fault_end=EndKind.INTERRUPTED,
    clears_fault=True,
    has_checksums=False,
    holds_lines=48,
    safe_in_pause=False,
)


def g2core(seed: int) -> TinygSimulator:
    """g2core, which reads JSON ahead of G-code and in a hold too."""
    return simulator(seed, firmware="g2core")


class TestTinyg(DriverSuite, FaultSuite, ByHandSuite):
    """Everything that a driver must do."""

    subject = SUBJECT


class TestG2core(DriverSuite, FaultSuite, ByHandSuite):
    """The same with g2core."""

    subject = replace(SUBJECT, make_machine=g2core, question=('{"fb":null}', "101.03"), safe_in_pause=True)
