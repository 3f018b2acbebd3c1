"""What one driver tells, passed on while its link is the session's link.

A driver that was given up may still speak from its own timers; nobody listens to it any more.
"""

from __future__ import annotations

from typing import Protocol

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


class Ears:
    """The `Listener` of one driver."""

    def __init__(self, hearing: Hearing) -> None:
        """Open until `shut`."""
        self._hearing: Hearing | None = hearing

    def shut(self) -> None:
        """Listen no more."""
        self._hearing = None

    def activity(self, activity: Activity, reason: str, position_lost: bool) -> None:
        """The firmware changed what it does."""
        if self._hearing is not None:
            self._hearing.heard_activity(activity, reason, position_lost)

    def telemetry(self, telemetry: Telemetry) -> None:
        """New readings."""
        if self._hearing is not None:
            self._hearing.heard_telemetry(telemetry)

    def progress(self, progress: Progress) -> None:
        """Lines were acknowledged."""
        if self._hearing is not None:
            self._hearing.heard_progress(progress)

    def ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """The run in hand ended."""
        if self._hearing is not None:
            self._hearing.heard_ended(kind, reason, progress)

    def lost(self, reason: str) -> None:
        """The link is gone."""
        if self._hearing is not None:
            self._hearing.heard_lost(reason)
