"""The Marlin driver under the conformance suite against each firmware of its table of quirks.

What a firmware cannot do is said in its subject, never skipped in silence.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fleetctl_plugins.marlin.simulator import simulator
from fleetctl_plugins.marlin.test_conformance import SUBJECT

from fleetctl.testing.suite import DriverSuite, FaultMatrix, FaultSuite, Subject


def speaking(firmware: str, **facts: object) -> Subject:
    """The subject of the conformance test with another firmware on the board."""
    machine = partial(simulator, firmware=firmware, planner_blocks=16)  # else a pause takes minutes, as it does there
    return replace(SUBJECT, make_machine=machine, **facts)  # type: ignore[arg-type]


class TestMarlin1(DriverSuite, FaultSuite, FaultMatrix):
    """No emergency parser: what waits for a person hears nothing, so that only the button goes on."""

    subject = speaking("marlin1", waiting_program=None)


class TestPrusaBuddy(DriverSuite, FaultSuite, FaultMatrix):
    """The ok behind a request comes by chance."""

    subject = speaking("prusa-buddy", waiting_program=None)


class TestPrusaMk3(DriverSuite, FaultSuite, FaultMatrix):
    """A full receive ring is emptied without a request."""

    subject = speaking("prusa-mk3", waiting_program=None)


class TestRepRapFirmware(DriverSuite, FaultSuite, FaultMatrix):
    """Numbers are not compared: a spoiled line is lost without a word; the run is interrupted and nothing guessed."""

    subject = speaking(
        "reprapfirmware", waiting_program=None, has_checksums=False, checks_order=False, confirms_stop=False,
        clears_fault=True,
    )  # fmt: skip


class TestRepetier(DriverSuite, FaultSuite, FaultMatrix):
    """Ok means read. A number without a checksum is taken: a line whose star is spoiled passes unnoticed."""

    subject = speaking("repetier", clears_fault=True, waiting_program=None, unchecked=b"*")


class TestSmoothieware(DriverSuite, FaultSuite, FaultMatrix):
    """`rs`, `ok - ignored`, Ctrl-X; and a spoiled star as with Repetier."""

    subject = speaking("smoothieware", clears_fault=True, waiting_program=None, unchecked=b"*")


class TestSprinter(DriverSuite, FaultSuite, FaultMatrix):
    """It has no emergency stop."""

    subject = speaking("sprinter", waiting_program=None, confirms_stop=False)
