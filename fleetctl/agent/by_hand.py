"""What a person does by hand at one machine, and when it is refused: steps, overrides, heat, work offsets, probing.

Responsible for the conditions; the driver does the deed. Heat is bounded by the profile's caps. Must not know how
answers travel, nor any firmware's words.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, TypeVar

from fleetctl.agent.jogging import bounds, jogs
from fleetctl.driver.api import Driver, Heats, Probes, SetsOffsetOrigins, SetsWorkOffsets, TakesOverrides
from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.deeds import Heat, JogStep, Override, Probe, SetWorkOffset
from fleetctl.model.messages import Verb
from fleetctl.model.profile import Profile

if TYPE_CHECKING:
    from fleetctl.agent.session import Session

Values = dict[str, tuple[float, ...]]

HOTEND = re.compile(r"T[0-9]{1,2}")
"""Digits of ASCII only: the name goes into a line to the machine."""

D = TypeVar("D")


async def jog_step(verb: Verb, session: Session, driver: Driver) -> list[str]:
    """One bounded move."""
    step = _deed(verb, JogStep)
    mover = jogs(session, driver)
    with session.jog_hand.doing():
        await mover.jog_step(
            {str(axis): mm for axis, mm in step.distance_mm.items()}, step.feed_mm_s, within=bounds(session)
        )
    return []


async def override(verb: Verb, session: Session, driver: Driver) -> list[str]:
    """Also while a program runs: that is what it is for."""
    asked = _deed(verb, Override)
    if not math.isfinite(asked.percent):
        raise UsageError("An override is a percentage.")
    if not driver.capabilities.override or not isinstance(driver, TakesOverrides):
        raise _cannot(session, "take overrides")
    await driver.override(asked.what, asked.percent)
    return []


async def heat(verb: Verb, session: Session, driver: Driver) -> list[str]:
    """Only outside a run, and not above what the profile says that the machine stands."""
    asked = _deed(verb, Heat)
    _no_run(session)
    check_target(session.assignment.profile, asked.heater, asked.target_degc)
    if not driver.capabilities.heat or not isinstance(driver, Heats):
        raise _cannot(session, "be heated by hand")
    session.safing.asked()
    await driver.heat(asked.heater, asked.target_degc)
    return []


async def work_offsets(_verb: Verb, session: Session, driver: Driver) -> Values:
    """As the controller has them."""
    _no_run(session)
    return dict(await _offsets(session, driver).work_offsets())


async def set_work_offset(verb: Verb, session: Session, driver: Driver) -> Values:
    """The tool stands where the frame's coordinates are to be these."""
    asked = _deed(verb, SetWorkOffset)
    _no_run(session)
    setter = _offsets(session, driver)
    if asked.origin_mm:
        if asked.axes_mm:
            raise UsageError("Say what is here, or where zero is, and not both.")
        if not isinstance(setter, SetsOffsetOrigins):
            raise _cannot(session, "set an offset from a probe")
        origin_mm = {str(axis): mm for axis, mm in asked.origin_mm.items()}
        return dict(await setter.set_offset_origin(asked.frame, origin_mm))
    with session.jog_hand.doing():
        axes_mm = {str(axis): mm for axis, mm in asked.axes_mm.items()}
        return dict(await setter.set_work_offset(asked.frame, axes_mm))


async def probe(verb: Verb, session: Session, driver: Driver) -> Values:
    """Find a surface. What it found is a measurement; nothing is set by it."""
    asked = _deed(verb, Probe)
    _no_run(session)
    if not driver.capabilities.probe or not isinstance(driver, Probes):
        raise _cannot(session, "probe")
    if (session.spindle_rpm or 0.0) > 0:
        raise MachineError(
            "The spindle turns: it would take the probe along.",
            machine=session.name,
            hint="Switch it off first (M5).",
        )
    with session.jog_hand.doing():
        found = await driver.probe(
            asked.axis, asked.direction, asked.distance_mm, asked.feed_mm_s, within=bounds(session)
        )
    return {axis: (mm,) for axis, mm in found.items()}


def check_target(profile: Profile, heater: str, target_degc: float) -> None:
    """Raises UsageError for a heater or temperature that the profile does not allow; off is always allowed."""
    caps = {"T": profile.nozzle_max_degc, "B": profile.bed_max_degc, "C": profile.chamber_max_degc}
    numbered = HOTEND.fullmatch(heater) is not None and int(heater[1:]) < (profile.extruders or 1)
    if not numbered and heater not in ("B", "C"):
        raise UsageError(f"There is no heater {heater[:20]!r}; there are T0, B (bed) and C (chamber).")
    if not (math.isfinite(target_degc) and target_degc >= 0):
        raise UsageError(f"{target_degc:g} is no temperature to heat to.")
    most_degc = caps[heater[0]]
    if target_degc > 0 and most_degc is None:
        raise UsageError(f"The profile {profile.name} does not say how hot {heater} may become.")
    if most_degc is not None and target_degc > most_degc:
        raise UsageError(f"{heater} may become {most_degc:g} degC at most, says the profile {profile.name}.")


def _deed(verb: Verb, kind: type[D]) -> D:
    if not isinstance(verb.deed, kind):
        raise UsageError(f"{verb.verb} came without what it needs.")
    return verb.deed


def _no_run(session: Session) -> None:
    if session.hand is not None:
        raise MachineBusy("A run is on it; wait for its end, or cancel it.", machine=session.name)


def _offsets(session: Session, driver: Driver) -> SetsWorkOffsets:
    if not driver.capabilities.set_work_offsets or not isinstance(driver, SetsWorkOffsets):
        raise _cannot(session, "keep work offsets")
    return driver


def _cannot(session: Session, what: str) -> MachineError:
    return MachineError(f"This machine cannot {what}.", machine=session.name)
