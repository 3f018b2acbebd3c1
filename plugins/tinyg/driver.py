"""The driver for TinyG and g2core: the engine, wrapped. It must not know anything that the engine knows better."""

from __future__ import annotations

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, DriverType, Facet, Listener, MachineSpec
from fleetctl.driver.stream import StreamDriver
from fleetctl.protocol.feeder import Feeder
from fleetctl.transport.base import Transport

from .engine import LINE_MOST_BYTES, PLANNER_BUFFERS, TinygEngine

CAPABILITIES = Capabilities(facets=frozenset({Facet.STREAM}), pause=False)


def make(spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
    """A driver for one machine; does no I/O."""
    limit_bytes = min(spec.profile.line_max_bytes, LINE_MOST_BYTES)
    return StreamDriver(
        spec,
        transport,
        clock,
        listener,
        engine=TinygEngine(),
        capabilities=CAPABILITIES,
        make_feeder=lambda: Feeder(line_limit_bytes=limit_bytes, remove_spaces=True),
        planner_depth=PLANNER_BUFFERS,
    )


DRIVER = DriverType(name="tinyg", title="TinyG and g2core (mills)", make=make, profiles=("generic-mill-3018",))
