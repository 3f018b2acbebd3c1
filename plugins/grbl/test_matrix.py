"""The Grbl driver under the fault matrix. Grbl numbers and sums nothing, so what needs that is not claimed."""

from __future__ import annotations

from dataclasses import replace

from fleetctl_plugins.grbl.test_conformance import SUBJECT

from fleetctl.testing.suite import FaultMatrix


class TestGrblFaults(FaultMatrix):
    """What a link without checksums can promise."""

    subject = replace(SUBJECT, checks_order=False)
