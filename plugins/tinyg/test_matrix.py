"""The TinyG driver under the fault matrix. A line of TinyG has no checksum of its own, so what needs one is not
claimed; its answers tell the size of the line, which shows most of what is spoiled or doubled, and not all."""

from __future__ import annotations

from dataclasses import replace

from fleetctl_plugins.tinyg.test_conformance import SUBJECT, g2core

from fleetctl.testing.suite import FaultMatrix


class TestTinygFaults(FaultMatrix):
    """What a link without checksums can promise."""

    subject = replace(SUBJECT, checks_order=False)


class TestG2coreFaults(FaultMatrix):
    """The same with g2core."""

    subject = replace(SUBJECT, make_machine=g2core, question=('{"fb":null}', "101.03"), checks_order=False)
