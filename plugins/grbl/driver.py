"""The driver for Grbl 1.1: the engine, wrapped. It must not know anything that the engine knows better."""

from __future__ import annotations

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, DriverType, Facet, Listener, MachineSpec
from fleetctl.driver.stream import StreamDriver
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.jogging import limits_of
from fleetctl.transport.base import Transport

from .engine import LINE_MOST_BYTES, GrblEngine
from .state import DEFAULT_PLANNER_BLOCKS

CAPABILITIES = Capabilities(
    facets=frozenset({Facet.STREAM}), jog=True, override=True, set_work_offsets=True, probe=True
)


def make(spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
    """A driver for one machine; does no I/O."""
    engine = GrblEngine()
    engine.expect_offsets(spec.work_offsets_mm)
    engine.limit_jogs(limits_of(spec.profile, spec.options))
    limit_bytes = min(spec.profile.line_max_bytes, LINE_MOST_BYTES)
    return StreamDriver(
        spec,
        transport,
        clock,
        listener,
        engine=engine,
        capabilities=CAPABILITIES,
        make_feeder=lambda: Feeder(line_limit_bytes=limit_bytes, remove_spaces=True),
        planner_depth=DEFAULT_PLANNER_BLOCKS + 1,
    )


DRIVER = DriverType(
    name="grbl",
    title="Grbl 1.1 (mills, routers, lasers)",
    make=make,
    profiles=("generic-mill-3018",),
)
