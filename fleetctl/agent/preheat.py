"""Heat by hand ends by itself: what is hot or turns without a run goes off after the profile's time.

A person preheats, is called away, and nobody is there. It counts however the heat came on: by the page, by a line
sent to the machine, at its own panel, or left on by an agent that died. The heat of a run is not its matter. Must not
know any firmware's words.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fleetctl.driver.api import Telemetry
from fleetctl.model.machine import Link

if TYPE_CHECKING:
    from fleetctl.agent.session import Session

log = logging.getLogger(__name__)

RETRY_S = 60.0
"""Pause before heat that could not be switched off is tried again."""


class Preheat:
    """Watches the readings of one machine, and switches off what was on without a run for too long."""

    def __init__(self, session: Session) -> None:
        """Nothing is on."""
        self._session = session
        self._hot = False
        self._due_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def asked(self) -> None:
        """A person set a target just now: the time begins anew."""
        if self._due_s is not None:
            self._set_due(self._session.now_s() + self._after_s())

    def read(self, telemetry: Telemetry) -> None:
        """New readings."""
        hot = any(target > 0 for _now, target in telemetry.temperatures_degc.values())
        self._hot = hot or (telemetry.spindle_rpm or 0.0) > 0
        if not self._hot or self._session.hand is not None:
            self._due_s = None
        elif self._due_s is None:
            self._set_due(self._session.now_s() + self._after_s())

    def _after_s(self) -> float:
        return self._session.assignment.profile.heat_off_after_paused_s

    def _set_due(self, due_s: float) -> None:
        """A timer that runs already is kept, and looks again when it fires."""
        self._due_s = due_s
        if self._timer is None:
            delay_s = due_s - self._session.now_s()
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._fired)

    def _fired(self) -> None:
        self._timer = None
        session = self._session
        if self._due_s is None or session.hand is not None or session.facts.link is not Link.ONLINE:
            self._due_s = None  # the next reading begins anew
        elif self._due_s > session.now_s():
            self._set_due(self._due_s)
        else:
            log.warning("%s: heat or spindle was on without a run for too long; switched off", session.name)
            self._set_due(session.now_s() + RETRY_S)  # gone when the readings say that it is off
            session.switch_off()

    def close(self) -> None:
        """The session ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
