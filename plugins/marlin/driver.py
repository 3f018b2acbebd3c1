"""The driver for the Marlin family: the engine, wrapped. It must not know anything that the engine knows better."""

from __future__ import annotations

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, DriverType, Facet, Listener, MachineSpec
from fleetctl.driver.stream import StreamDriver
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.jogging import limits_of
from fleetctl.transport.base import Transport

from .engine import MarlinEngine
from .state import PLANNER_DEPTH

CAPABILITIES = Capabilities(facets=frozenset({Facet.STREAM}), jog=True, override=True, heat=True)


def make(spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
    """A driver for one machine; does no I/O."""
    # MAX_CMD_SIZE counts the closing zero byte (Marlin, Configuration_adv.h).
    limit_bytes = spec.profile.line_max_bytes - 1
    engine = MarlinEngine()
    engine.limit_jogs(limits_of(spec.profile, spec.options))
    return StreamDriver(
        spec,
        transport,
        clock,
        listener,
        engine=engine,
        capabilities=CAPABILITIES,
        make_feeder=lambda: Feeder(line_limit_bytes=limit_bytes, text_commands=True),
        planner_depth=PLANNER_DEPTH,
    )


DRIVER = DriverType(
    name="marlin",
    title="Marlin family (Marlin 1.1 and 2, and what speaks like it)",
    make=make,
    profiles=("generic-220", "generic-300"),
)
