"""The driver for the Marlin family: the engine, wrapped. It must not know anything that the engine knows better."""

from __future__ import annotations

import zlib

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, DriverType, Facet, Listener, MachineSpec
from fleetctl.driver.stream import StreamDriver
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.jogging import limits_of
from fleetctl.transport.base import Transport

from .lane import LanedMarlinEngine
from .link import MOST_LINES
from .speeds import SPEED_PROBE
from .state import POLL_S

BRIDGES = ("socket://", "tcp://", "telnet://", "rfc2217://", "ws://", "wss://")

CAPABILITIES = Capabilities(facets=frozenset({Facet.STREAM}), jog=True, override=True, heat=True, prompts=True)


def make(spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
    """A driver for one machine; does no I/O."""
    # A bridge sends in bursts and has no flow control towards the board: no more than one line at a time.
    engine = LanedMarlinEngine(most_lines=1 if spec.port.startswith(BRIDGES) else MOST_LINES)
    # Machines that were connected together shall not all be asked together.
    engine.first_poll_s = POLL_S * (1 + zlib.crc32(spec.name.encode()) % 1000) / 1000
    engine.limit_jogs(limits_of(spec.profile, spec.options))

    def make_feeder() -> Feeder:
        # MAX_CMD_SIZE counts the closing zero byte (Marlin, Configuration_adv.h).
        limit_bytes = min(spec.profile.line_max_bytes, engine.line_max_bytes) - 1
        return Feeder(line_limit_bytes=limit_bytes, text_commands=True, quotes=engine.quoted_text)

    return StreamDriver(
        spec,
        transport,
        clock,
        listener,
        engine=engine,
        capabilities=CAPABILITIES,
        make_feeder=make_feeder,
    )


DRIVER = DriverType(
    name="marlin",
    title="Marlin family (Marlin 1.1 and 2, and what speaks like it)",
    make=make,
    profiles=("generic-220", "generic-300"),
    speed_probe=SPEED_PROBE,
)
