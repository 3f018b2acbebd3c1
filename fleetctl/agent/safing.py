"""Heat, spindle, laser and coolant off: after a run that ended badly, when something was left on, when nobody works.

Responsible for when one machine is told to be safe and for what is still owed; switching off is always allowed, and
nothing here ever moves a machine or switches anything on (I14). Must not know any firmware's words.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from fleetctl.agent.execution import Execution
from fleetctl.agent.facts import Facts
from fleetctl.agent.heat import IdleHeat
from fleetctl.agent.records import MadeSafe
from fleetctl.agent.shared import Shared
from fleetctl.agent.telemetry import Readings
from fleetctl.agent.wire import Wire
from fleetctl.driver.api import Driver, Telemetry
from fleetctl.errors import FleetctlError
from fleetctl.model.machine import Activity
from fleetctl.model.messages import MachineAssignment

log = logging.getLogger(__name__)

MAKE_SAFE_PATIENCE_S = 15.0
MAKE_SAFE_AGAIN_S = (5.0, 10.0, 20.0, 60.0)
"""Pauses before it is tried again; the last one for good."""

LEFT_ON_S = 10.0
"""How long after the end of a run its last readings are in: firmware reports every few seconds."""


class Held(Protocol):
    """The session of the machine, as far as it matters here."""

    assignment: MachineAssignment
    facts: Facts
    hand: Execution | None
    wire: Wire


class Safing:
    """One machine's way to be safe, over all its links."""

    def __init__(self, held: Held, shared: Shared, readings: Readings) -> None:
        """Does nothing by itself; the session says when."""
        self.under_way = False
        self._held = held
        self._shared = shared
        self._readings = readings
        self._watched = False
        self._idle = IdleHeat(held.assignment.profile.heat_off_after_idle_s)

    @property
    def owed(self) -> bool:
        """Whether a run may have left the machine hot or turning, and nobody has switched it off since."""
        return bool(self._shared.journal.state.content.unsafe.get(self._held.assignment.machine_id))

    @property
    def left_on(self) -> bool:
        """Whether the newest readings show heat or a turning spindle."""
        return bool(_what_is_on(self._readings.telemetry))

    def done(self) -> None:
        """Heaters and spindle are off: nothing is owed any more."""
        if not self._run_works and self.owed:
            self._shared.journal.append(MadeSafe(self._held.assignment.machine_id))

    async def make_safe(self, driver: Driver) -> bool:
        """Off where the firmware still listens; whether it was. The machine stays marked until it worked."""
        self.under_way = True
        self._held.wire.verb("make-safe")
        try:
            async with asyncio.timeout(MAKE_SAFE_PATIENCE_S):
                await driver.make_safe()
        except (FleetctlError, TimeoutError) as error:
            log.warning("%s: not made safe: %s", self._held.assignment.name, error)
            return False
        else:
            self.done()
            return True
        finally:
            self.under_way = False
            self._shared.run_ended.set()

    async def make_safe_at_last(self, driver: Driver) -> None:
        """Make safe, and try again as long as the link holds: a line in noise gets through in the end, and a firmware
        that is deaf for a while may listen again."""
        pauses_s = iter(MAKE_SAFE_AGAIN_S)
        pause_s = 0.0
        while not await self.make_safe(driver):
            pause_s = next(pauses_s, pause_s)
            await self._shared.clock.sleep(pause_s)
            if self._held.hand is not None or self.works or not self.owed:
                return

    async def switch_off_what_was_left_on(self, driver: Driver) -> None:
        """A program may end with heat or spindle on, and nobody need be there to see it."""
        self.under_way = True
        try:
            await self._shared.clock.sleep(LEFT_ON_S)
        finally:
            self.under_way = False
            self._shared.run_ended.set()
        if self._held.hand is None and self.left_on and not self.works:
            log.warning("%s: the program left heat or spindle on; switched off", self._held.assignment.name)
            await self.make_safe(driver)

    # Heat without a run

    def new_link(self) -> None:
        """Whoever watched over the link before has ended with it; how long something has been on goes on counting."""
        self._idle.new_link(self._shared.clock.monotonic())
        self._watched = False

    def asked(self) -> None:
        """A person set a heater just now: the time of what is on without a run begins anew."""
        self._idle.asked(self._shared.clock.monotonic())

    def begins_to_idle(self, telemetry: Telemetry) -> bool:
        """The machine told readings; whether it is on without a run and nobody watches it yet."""
        if self.works:
            self._idle.works()
        else:
            self._idle.seen(_what_is_on(telemetry), self._shared.clock.monotonic())
        return self._idle.due_s is not None and not self._watched

    async def watch_idle(self, driver: Driver) -> None:
        """Switch off what is on for too long while no run works; returns when nothing is on any more."""
        self._watched = True
        try:
            while (due_s := self._idle.due_s) is not None:
                now_s = self._shared.clock.monotonic()
                if now_s < due_s:
                    await self._shared.clock.sleep(due_s - now_s)
                    continue
                if self.works:  # begun since the last reading
                    self._idle.works()
                    return
                self._idle.failed(now_s)
                if await self.make_safe(driver) and not self.works:
                    self._tell_idle()
        finally:
            self._watched = False

    def _tell_idle(self) -> None:
        held = self._held
        minutes = held.assignment.profile.heat_off_after_idle_s / 60
        held.facts.activity_reason = f"heaters and spindle were switched off after {minutes:.0f} min without a run"
        log.warning("%s: %s", held.assignment.name, held.facts.activity_reason)
        held.facts.tell()

    @property
    def _run_works(self) -> bool:
        """Whether a run in hand has begun: its own policy says when its heat goes off."""
        return self._held.hand is not None and self._held.hand.started

    @property
    def works(self) -> bool:
        """Whether heat is wanted: by a run of ours, or by what the machine does by itself, such as a print from its
        own card. Somebody who moves it by hand does not want heat by that."""
        facts = self._held.facts
        return self._run_works or (facts.activity is Activity.RUNNING and not facts.by_hand)


def _what_is_on(read: Telemetry) -> dict[str, float]:
    """Heaters with their targets, in degC, and a spindle that turns, however fast."""
    on = {name: target for name, (_now, target) in read.temperatures_degc.items() if target > 0}
    return on | {"spindle": 1.0} if (read.spindle_rpm or 0.0) > 0 else on
