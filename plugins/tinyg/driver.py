"""The driver for TinyG and g2core: the engine, wrapped. It must not know anything that the engine knows better."""

from __future__ import annotations

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, DriverType, Facet, Listener, MachineSpec
from fleetctl.driver.stream import StreamDriver
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.jogging import limits_of
from fleetctl.transport.base import Transport

from .dialects import G2CORE
from .engine import TinygEngine
from .sender import LINE_MOST_BYTES

CAPABILITIES = Capabilities(
    facets=frozenset({Facet.STREAM}), jog=True, override=True, set_work_offsets=True, probe=True
)


def make(spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
    """A driver for one machine; does no I/O."""
    limit_bytes = min(spec.profile.line_max_bytes, LINE_MOST_BYTES)
    engine = TinygEngine()
    engine.expect_offsets(spec.work_offsets_mm)
    engine.limit_jogs(limits_of(spec.profile, spec.options))
    return StreamDriver(
        spec,
        transport,
        clock,
        listener,
        engine=engine,
        capabilities=CAPABILITIES,
        make_feeder=lambda: Feeder(line_limit_bytes=limit_bytes, remove_spaces=True),
        planner_depth=G2CORE.planner_buffers,
    )


DRIVER = DriverType(name="tinyg", title="TinyG and g2core (mills)", make=make, profiles=("generic-mill-3018",))
