"""The Marlin driver under the conformance suite of fleetctl, against this folder's simulator."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fleetctl_plugins.marlin.driver import DRIVER
from fleetctl_plugins.marlin.simulator import simulator

from fleetctl.driver.api import EndKind
from fleetctl.testing.suite import ByHandSuite, DriverSuite, FaultMatrix, FaultSuite, Subject

BEGIN = b"; made for the suite\nM302 S0\nG28\nM83\nM140 S40\n\nM106 S80\nM109 S60\n"
MOVES = b"".join(b"G1 X%d Y%d E.4 F2400 ; a move\n" % (10 + 17 * i % 200, 10 + 31 * i % 200) for i in range(60))

SUBJECT = Subject(
    driver=DRIVER,
    make_machine=simulator,
    program=BEGIN + MOVES + b"M107\nM104 S0\nM140 S0\nM84\n",
    waiting_program=b"G28\nG1 X50 F3000\nM0 Change the nozzle\nG1 X60\n",
    sync_lines=frozenset({"M400"}),
    safe_lines=frozenset({"M104 S0", "M140 S0", "M107"}),
    switch_on="M140 S50",
    question=("M119", "x_min"),
    fault="thermal",
    fault_end=EndKind.FAILED,
    clears_fault=False,
    has_checksums=True,
    noise=r"(?![GMT]\d)",
)


class TestMarlin(DriverSuite, FaultSuite, FaultMatrix, ByHandSuite):
    """Everything that a driver must do."""

    subject = SUBJECT


class TestResendWithoutOk(FaultSuite, FaultMatrix):
    """The other Marlin source: `Resend:` is not followed by `ok`."""

    subject = replace(SUBJECT, make_machine=partial(simulator, resend_ok=False))


class TestAdvancedOk(FaultSuite, FaultMatrix):
    """A firmware that tells how much room it has, so that several lines are in flight."""

    subject = replace(SUBJECT, make_machine=partial(simulator, advanced_ok=True))


class TestAdvancedOkOverUsb(FaultSuite, FaultMatrix):
    """The same on native USB: what arrives with a bad line is thrown away with it."""

    subject = replace(SUBJECT, make_machine=partial(simulator, advanced_ok=True, usb_bursts=True))


class TestPlainFirmware(FaultSuite, FaultMatrix):
    """No emergency parser, no automatic reports; and a fault that M999 clears."""

    subject = replace(
        SUBJECT,
        make_machine=partial(simulator, emergency_parser=False, autoreport=False, host_actions=False),
        fault="stop",
        clears_fault=True,
    )
