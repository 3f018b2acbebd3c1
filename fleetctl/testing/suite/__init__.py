"""Conformance suites for plug-in authors: name your driver and your simulator, inherit the tests.

    from fleetctl.testing.suite import DriverSuite, Subject

    class TestMachine(DriverSuite):
        subject = Subject(driver=DRIVER, make_machine=simulator, ...)

Only tests may import this. It must not know any firmware's words: those come with the subject.
"""

from __future__ import annotations

from fleetctl.testing.suite.bench import Bench, Recorder, Source
from fleetctl.testing.suite.by_hand import ByHandSuite
from fleetctl.testing.suite.driver import DriverSuite
from fleetctl.testing.suite.faults import FaultSuite
from fleetctl.testing.suite.matrix import FaultMatrix
from fleetctl.testing.suite.subject import Subject

__all__ = ["Bench", "ByHandSuite", "DriverSuite", "FaultMatrix", "FaultSuite", "Recorder", "Source", "Subject"]
