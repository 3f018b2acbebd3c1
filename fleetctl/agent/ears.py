"""What one driver tells, passed on while its link is the session's link.

A driver that was given up may still speak from its own timers; nobody listens to it any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fleetctl.clock import Clock
from fleetctl.driver.api import EndKind, Progress, Telemetry
from fleetctl.model.machine import Activity


class Hearing(Protocol):
    """Who is told: the session."""

    def heard_activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        """The firmware changed what it does."""
        ...

    def heard_telemetry(self, telemetry: Telemetry) -> None:
        """New readings."""
        ...

    def heard_progress(self, progress: Progress) -> None:
        """Lines were acknowledged."""
        ...

    def heard_ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """The run in hand ended."""
        ...

    def heard_lost(self, reason: str) -> None:
        """The link is gone."""
        ...


WINDOW_S = 10.0
CHANGES_MOST = 200
"""Changes of state in ten seconds that a machine may have: each one is journalled and sent until acknowledged. A
firmware that pauses and goes on with every line has a fault of its own."""

EVENTS_MOST = 50_000
"""Readings and progress in ten seconds: five times what the fastest stream acknowledges."""

REASON_MOST = 500
"""Characters of a reason; what a firmware says in one line is far shorter."""


class Ears:
    """The `Listener` of one driver. A driver that tells more than anybody can want loses its link, and nobody else
    anything (I9)."""

    def __init__(self, hearing: Hearing, clock: Clock) -> None:
        """Open until `shut`."""
        self._hearing: Hearing | None = hearing
        self._clock = clock
        self._since_s = clock.monotonic()
        self._changes = 0
        self._events = 0
        self._kept: list[Callable[[], None]] | None = None

    def keep(self) -> None:
        """From now on keep what is told instead of passing it on: while a stop goes out to a room full of machines,
        none of them waits for what another one has to say."""
        self._kept = []

    def pass_on(self) -> None:
        """Pass on what was kept, in order, and keep nothing more; idempotent."""
        kept, self._kept = self._kept, None
        for tell in kept or ():
            tell()

    def shut(self) -> None:
        """Listen no more."""
        self._hearing = None

    def activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        """The firmware changed what it does."""
        self._changes += 1
        if self._changes > CHANGES_MOST:
            self._flooded(self._changes, CHANGES_MOST, "changes of state")
        self._tell(lambda hearing: hearing.heard_activity(activity, reason[:REASON_MOST], position_lost))

    def telemetry(self, telemetry: Telemetry) -> None:
        """New readings."""
        self._count()
        if self._hearing is not None:
            self._hearing.heard_telemetry(telemetry)

    def progress(self, progress: Progress) -> None:
        """Lines were acknowledged."""
        self._count()
        self._tell(lambda hearing: hearing.heard_progress(progress))

    def ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """The run in hand ended."""
        self._tell(lambda hearing: hearing.heard_ended(kind, reason[:REASON_MOST], progress))

    def lost(self, reason: str) -> None:
        """The link is gone."""
        self._tell(lambda hearing: hearing.heard_lost(reason[:REASON_MOST]))

    def _tell(self, tell: Callable[[Hearing], None]) -> None:
        hearing = self._hearing
        if hearing is None:
            return
        if self._kept is None:
            tell(hearing)
        else:
            self._kept.append(lambda: tell(hearing))

    def _count(self) -> None:
        self._events += 1
        if self._events > EVENTS_MOST:
            self._flooded(self._events, EVENTS_MOST, "readings")

    def _flooded(self, count: int, most: int, what: str) -> None:
        """Too many: in too short a time it is the end of this link, else counting begins anew."""
        elapsed_s = self._clock.monotonic() - self._since_s
        if elapsed_s > WINDOW_S or self._hearing is None:
            self._since_s = self._clock.monotonic()
            self._changes = self._events = 0
            return
        hearing, self._hearing = self._hearing, None
        hearing.heard_lost(
            f"The driver told {count} {what} within {elapsed_s:.1f} s, more than {most}; it is given up."
        )
