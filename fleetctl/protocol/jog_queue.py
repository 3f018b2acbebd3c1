"""When the short moves that were sent to a machine end, slowing down included.

A move that comes when the tool slows down for the end already costs the speed that was lost; how much depends on
whether the firmware plans the move again that runs. Lengths are seconds at a move's own speed, speeds shares of it.
Must not know axes, heartbeats or any firmware's words.
"""

from __future__ import annotations

import copy
import math
from collections import deque
from typing import NamedTuple, Protocol

ARRIVES_S = 0.005
"""How long a move is under way at most; one that is begun meanwhile is planned without it."""

RAMP_LEAST_S = 1e-6


class Queued(NamedTuple):
    """One move: its length, the time from rest to its speed, and what the change from the one before costs."""

    way_s: float
    ramp_s: float
    change_s: float = 0.0


class JogQueue(Protocol):
    """The moves that went out and are not over."""

    def push(self, move: Queued, now: float) -> None:
        """A move goes out now."""
        ...

    def ends_with_s(self, move: Queued, now: float) -> float:
        """When the tool would come to rest if this one went out now, and nothing behind it."""
        ...

    def ends_s(self) -> float:
        """When it comes to rest; in the past if it rests."""
        ...


class PlannedAgain:
    """`JogQueue` of a firmware that plans the move again that runs, when another comes behind it.

    Grbl does: planner_recalculate (planner.c) calls st_update_plan_block_parameters.
    """

    def __init__(self) -> None:
        """It rests."""
        self._ends_s = -math.inf

    def push(self, move: Queued, now: float) -> None:
        """A move goes out now."""
        self._ends_s = self.ends_with_s(move, now)

    def ends_with_s(self, move: Queued, now: float) -> float:
        """When it would come to rest.

        With the ramp R and r seconds left the tool goes at the share r/R of its speed, and has R (1 - r/R)^2 more to
        go until it is where it would have been; r = 0 is a start from rest.
        """
        left_s = max(0.0, self._ends_s - now)
        lost_s = move.ramp_s * (1 - left_s / move.ramp_s) ** 2 if left_s < move.ramp_s else 0.0
        return max(self._ends_s, now) + move.change_s + lost_s + move.way_s

    def ends_s(self) -> float:
        """When it comes to rest."""
        return self._ends_s


class PlannedOnce:
    """`JogQueue` of a firmware that plans a move when it begins it, and leaves it so (Marlin, TinyG).

    One that is begun while nothing waits behind it is planned to a stop, and whatever comes later starts from rest.
    """

    def __init__(self, arrives_s: float = 0.0) -> None:
        """It rests. Each move is under way for `arrives_s`."""
        self._arrives_s = arrives_s
        self._waiting: deque[Queued] = deque()
        self._begun_ends_s = -math.inf
        self._leaves_at = 0.0

    def push(self, move: Queued, now: float) -> None:
        """A move goes out now."""
        self._pass(now + self._arrives_s)
        self._waiting.append(move)
        if self._begun_ends_s <= now:
            self._leaves_at = 0.0
            self._begin(now)

    def ends_with_s(self, move: Queued, now: float) -> float:
        """When it would come to rest."""
        then = self._copy()
        then.push(move, now)
        return then.ends_s()

    def ends_s(self) -> float:
        """When it comes to rest."""
        then = self._copy()
        then._pass(math.inf)
        return then._begun_ends_s

    def _copy(self) -> PlannedOnce:
        then = copy.copy(self)
        then._waiting = self._waiting.copy()
        return then

    def _pass(self, until_s: float) -> None:
        while self._waiting and self._begun_ends_s <= until_s:
            self._begin(self._begun_ends_s)

    def _begin(self, at_s: float) -> None:
        move, entry = self._waiting.popleft(), self._leaves_at
        ramp_s, leave = max(move.ramp_s, RAMP_LEAST_S), 0.0
        if self._waiting:
            behind_s = sum(each.way_s for each in self._waiting)
            reached = math.sqrt(entry * entry + 2 * move.way_s / ramp_s)
            leave = min(1.0, reached, math.sqrt(2 * behind_s / ramp_s))
        self._begun_ends_s = at_s + move.change_s + _lasts_s(move.way_s, ramp_s, entry, leave)
        self._leaves_at = leave


class Latest:
    """`PlannedOnce`, of which nobody knows when a move arrived.

    Once as if each had been there at once, once as if each had been long under way; what ends later counts.
    """

    def __init__(self) -> None:
        """It rests."""
        self._queues = (PlannedOnce(), PlannedOnce(ARRIVES_S))

    def push(self, move: Queued, now: float) -> None:
        """A move goes out now."""
        for queue in self._queues:
            queue.push(move, now)

    def ends_with_s(self, move: Queued, now: float) -> float:
        """When it would come to rest."""
        return max(queue.ends_with_s(move, now) for queue in self._queues)

    def ends_s(self) -> float:
        """When it comes to rest."""
        return max(queue.ends_s() for queue in self._queues)


def _lasts_s(way_s: float, ramp_s: float, entry: float, leave: float) -> float:
    """A move that speeds up, goes on and slows down, between two shares of its speed."""
    peak_squared = way_s / ramp_s + (entry * entry + leave * leave) / 2
    if peak_squared < max(entry, leave) ** 2:
        return 2 * way_s / (entry + leave)  # one ramp all along
    if peak_squared <= 1.0:
        return (2 * math.sqrt(peak_squared) - entry - leave) * ramp_s
    ramps_s = (2 - entry * entry - leave * leave) / 2 * ramp_s
    return (2 - entry - leave) * ramp_s + way_s - ramps_s
