"""One machine moved by hand: who may move it when, and what is told of it.

A heartbeat is done now or not at all, is not journalled, and counts as long as it says (`Jog.not_after_s`), at most
`VALID_S`. While somebody jogs, and for a moment after, no run starts: their hands may be in the machine. Motion ends
by itself (`protocol.jogging`); nothing here keeps it going. Must not know any firmware's words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleetctl.agent.wire import JogAsked
from fleetctl.driver.api import Driver, Jogs
from fleetctl.errors import FleetctlError, LatchClosed, LinkError, MachineBusy, MachineError
from fleetctl.model.deeds import BY_HAND
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import Jog
from fleetctl.model.profile import Envelope
from fleetctl.protocol.jogging import VALID_S

if TYPE_CHECKING:
    from fleetctl.agent.session import Session

HANDS_OFF_S = 3.0
"""How long after the last heartbeat, and after the machine came to rest, nothing starts."""

MOVES_MOST_S = 60.0
"""What moves longer after that is not moved by this hand."""

SHOWN_AFTER_S = 0.5
"""A firmware that refuses a jog says so sooner; until then, and until it moves, nobody is told that it is moved."""


class JogHand:
    """The hand on one machine's keys."""

    def __init__(self, session: Session) -> None:
        """Nobody jogs."""
        self._session = session
        self._hands_off: asyncio.TimerHandle | None = None
        self._held_s = 0.0
        self._shown: asyncio.TimerHandle | None = None

    def take(self, jog: Jog, wall_s: float) -> str:
        """Obey one heartbeat; why not, or nothing. What the driver raises besides ends the link."""
        session = self._session
        stops = not any(jog.velocity_mm_s.values())
        valid_s = min(VALID_S, jog.not_after_s - wall_s)
        if valid_s <= 0 and not stops:
            return ""  # it lay somewhere too long; the newer ones count
        try:
            driver = self._driver(stops)
            if driver is None:
                return ""
            velocity_mm_s, within = {} if stops else jog.velocity_mm_s, bounds(session)
            session.wire.by_hand("jog", JogAsked(velocity_mm_s=velocity_mm_s, valid_s=valid_s, within=within))
            driver.jog(velocity_mm_s, valid_s, within=within)
            if not stops:
                self.hold()
        except FleetctlError as error:
            self.refused()
            return str(error)
        except Exception as error:  # noqa: BLE001 - the boundary of a session: a driver may raise anything
            session.break_link(error)
            return "The driver failed."
        return ""

    def _driver(self, stops: bool) -> Jogs | None:
        """Who moves it. To stop there must only be somebody who can. Raises what stands in the way."""
        session = self._session
        driver = session.driver
        if stops:
            # A stop is only for a jog: in a run `jog` is never called, whatever it would do there.
            can = driver is not None and driver.capabilities.jog and isinstance(driver, Jogs)
            return driver if can and session.hand is None and session.facts.link is Link.ONLINE else None  # type: ignore[return-value]
        return jogs(session, driver)

    def hold(self) -> None:
        """Somebody is about to move the machine: nothing starts on it for a while. It is told when
        the driver says that it moves, and soon in any case."""
        self._held_s = self._session.now_s()
        self._wait()
        if not self._session.facts.by_hand:
            self._session.facts.by_hand = BY_HAND
            self._shown = asyncio.get_running_loop().call_later(SHOWN_AFTER_S, self._session.facts.tell)

    @contextlib.contextmanager
    def doing(self) -> Iterator[None]:
        """Around a deed that may move the machine and may be refused."""
        self.hold()
        try:
            yield
        except BaseException:
            self.refused()
            raise
        self.hold()
        self._session.facts.tell()

    def refused(self) -> None:
        """It was not done. Where nobody was told that somebody moves the machine, it did not move, and it is the
        queue's; else a hand may still be in it."""
        if not self._session.facts.shows_by_hand:
            self.let_go()

    def _wait(self) -> None:
        if self._hands_off is not None:
            self._hands_off.cancel()
        self._hands_off = asyncio.get_running_loop().call_later(HANDS_OFF_S, self._look)

    def _look(self) -> None:
        """The time is over; a long step may still be under way."""
        facts = self._session.facts
        moves = facts.link is Link.ONLINE and facts.activity is Activity.RUNNING and self._session.hand is None
        if moves and self._session.now_s() < self._held_s + MOVES_MOST_S:
            self._wait()
        else:
            self.let_go()

    def let_go(self) -> None:
        """The machine is the queue's again."""
        for timer in (self._hands_off, self._shown):
            if timer is not None:
                timer.cancel()
        self._hands_off = self._shown = None
        if self._session.facts.by_hand:
            self._session.facts.by_hand = ""
            self._session.facts.tell()


def jogs(session: Session, driver: Driver | None) -> Jogs:
    """The machine, if it may be moved by hand now. Raises LatchClosed (I15), LinkError, MachineBusy, MachineError."""
    if session.stopped:
        raise LatchClosed(machine=session.name, hint="Release the stop first.")
    if driver is None or session.facts.link is not Link.ONLINE:
        raise LinkError(f"The machine is {session.facts.link.value}.", machine=session.name)
    if session.hand is not None:
        raise MachineBusy("A run is on it; wait for its end, or cancel it.", machine=session.name)
    if session.facts.activity is Activity.FAULT:
        raise MachineError("It has a fault.", machine=session.name, hint="Clear the fault first.")
    if not driver.capabilities.jog or not isinstance(driver, Jogs):
        raise MachineError("This machine cannot be jogged.", machine=session.name)
    return driver


def bounds(session: Session) -> Envelope | None:
    """What must not be left; None when nobody knows where the tool is, or how far the machine reaches."""
    known = session.facts.position is Position.KNOWN
    return session.assignment.profile.envelope if known else None
