"""What all sessions of an agent share: the ways out, handed to each of them as one record."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleetctl.agent.journal import Journal
from fleetctl.agent.programs import Programs
from fleetctl.agent.reports import Reports
from fleetctl.agent.telemetry import TelemetryBoard
from fleetctl.clock import Clock
from fleetctl.driver.api import DriverType
from fleetctl.model.messages import MachineAssignment
from fleetctl.transport.base import Transport
from fleetctl.transport.hotplug import PortWatch
from fleetctl.transport.probing import KnownSpeed

OpenTransport = Callable[[MachineAssignment, DriverType, KnownSpeed], Transport]
"""Makes the transport for a machine; opens nothing yet. Raises LinkUnavailable or UsageError when
the port has no known form."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Only `journal`, `reports` and `telemetry` are written to by sessions; `run_ended` is set by them after each
    run."""

    clock: Clock
    rng: random.Random
    journal: Journal
    reports: Reports
    telemetry: TelemetryBoard
    programs: Programs
    drivers: Mapping[str, DriverType]
    open_transport: OpenTransport
    run_ended: asyncio.Event
    port_watch: PortWatch = field(default_factory=PortWatch)
