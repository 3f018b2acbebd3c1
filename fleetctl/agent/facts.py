"""What the agent says of one machine, told only when it changes."""

from __future__ import annotations

from typing import NamedTuple

from fleetctl.agent.shared import Shared
from fleetctl.model.board import Board
from fleetctl.model.machine import Activity, Link, Position


class _Told(NamedTuple):
    link: Link
    activity: Activity
    position: Position
    reason: str
    firmware: str
    board: Board


class Facts:
    """Link, activity and position of one machine as the session knows them.

    `waits_for` stands for a wait of our own (cycle start), which the firmware does not know of; `by_hand` says that
    somebody moves the machine, and keeps runs off it.
    """

    def __init__(self, machine_id: str, position: Position, shared: Shared) -> None:
        """About to connect; says nothing yet."""
        self.link = Link.CONNECTING
        self.link_reason = ""
        self.activity = Activity.IDLE
        self.activity_reason = ""
        self.position = position
        self.positions_lost = 0
        self.firmware = ""
        self.board = Board()
        self.waits_for = ""
        self.by_hand = ""
        self._machine_id = machine_id
        self._shared = shared
        self._told: _Told | None = None

    def lose_position(self) -> None:
        """Nobody knows any more where the tool is."""
        self.position = Position.SUSPECT
        self.positions_lost += 1

    def tell(self, *, again: bool = False) -> None:
        """Report the facts, unless that is what was reported last; with `again` in any case."""
        now = self._now()
        if again or now != self._told:
            self._told = now
            self._shared.reports.machine(self._machine_id, *now)

    @property
    def shows_by_hand(self) -> bool:
        """Whether it was told that somebody moves the machine."""
        return bool(self.by_hand) and self._told is not None and self._told.reason == self.by_hand

    def obstacle(self) -> str:
        """What of the machine stands in the way of a run: one clause, empty when nothing does."""
        if self.link is not Link.ONLINE:
            return f"the machine is {self.link.value}"
        if self.activity is not Activity.IDLE:
            return f"the machine is {self.activity.value}" + (
                f" ({self.activity_reason})" if self.activity_reason else ""
            )
        if self.by_hand:
            return f"the machine is {self.by_hand}"
        if self.position is not Position.KNOWN:
            return "the position of the machine is suspect; home it"
        return ""

    def _now(self) -> _Told:
        if self.link is not Link.ONLINE:
            return _Told(self.link, Activity.IDLE, self.position, self.link_reason, self.firmware, self.board)
        if self.waits_for and self.activity is Activity.IDLE:
            return _Told(self.link, Activity.WAITING, self.position, self.waits_for, self.firmware, self.board)
        if self.by_hand and self.activity in (Activity.IDLE, Activity.RUNNING):
            return _Told(self.link, Activity.RUNNING, self.position, self.by_hand, self.firmware, self.board)
        return _Told(self.link, self.activity, self.position, self.activity_reason, self.firmware, self.board)
