"""The driver for the Grbl family: the engine, wrapped. It must not know anything that the engine knows better."""

from __future__ import annotations

from fleetctl.clock import Clock
from fleetctl.driver.api import Capabilities, Driver, DriverType, Facet, Listener, MachineSpec
from fleetctl.driver.stream import StreamDriver
from fleetctl.errors import UsageError
from fleetctl.model.profile import Process
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.jogging import limits_of
from fleetctl.transport.base import Transport

from .lane import LanedGrblEngine
from .state import DEFAULT_PLANNER_BLOCKS

CAPABILITIES = Capabilities(
    facets=frozenset({Facet.STREAM}), jog=True, override=True, set_work_offsets=True, probe=True
)


def make(spec: MachineSpec, transport: Transport, clock: Clock, listener: Listener) -> Driver:
    """A driver for one machine; does no I/O."""
    engine = LanedGrblEngine()
    profile = spec.profile
    engine.expect_offsets(spec.work_offsets_mm)
    engine.expect(
        dialect=profile.dialect,
        laser=profile.process is Process.LASER,
        full_speed=_full_speed(spec),
        changes_tools_itself=profile.tool_change == "automatic",
        stops_at_m1=_stops_at_m1(spec),
    )

    def make_feeder() -> Feeder:
        """Lines as long as profile and firmware allow; by now it is known which firmware answered."""
        most_bytes = min(profile.line_max_bytes, engine.line_most_bytes)
        return Feeder(line_limit_bytes=most_bytes, remove_spaces=True, keep_notes=True)

    engine.limit_jogs(limits_of(spec.profile, spec.options))

    return StreamDriver(
        spec,
        transport,
        clock,
        listener,
        engine=engine,
        capabilities=CAPABILITIES,
        make_feeder=make_feeder,
        planner_depth=DEFAULT_PLANNER_BLOCKS + 1,
    )


def _full_speed(spec: MachineSpec) -> float | None:
    """S at full speed or power ($30): the machine's option `full_speed`, else what the profile says; 0 is nobody's.

    Raises UsageError for an option that is no number.
    """
    given = spec.options.get("full_speed")
    if given is None:
        return spec.profile.spindle_max_rpm
    try:
        return float(given)
    except ValueError as error:
        raise UsageError(f"full_speed is {given!r}; write the controller's $30, as 24000.") from error


def _stops_at_m1(spec: MachineSpec) -> bool:
    """The machine's option `optional_stop`: whether M1 waits for a person as M0 does; it does unless it says `off`.

    Raises UsageError for another word.
    """
    given = spec.options.get("optional_stop", "on")
    if given not in ("on", "off"):
        raise UsageError(f"optional_stop is {given!r}; write on or off.")
    return given == "on"


DRIVER = DriverType(
    name="grbl",
    title="Grbl 1.1, grblHAL, FluidNC (mills, routers, lasers)",
    make=make,
    profiles=("generic-mill-3018", "generic-mill-grblhal", "generic-mill-fluidnc"),
)
