"""How often the listener hears of progress: at most every 100 ms, and the last word before the end.

It must not know what the lines are or why a run ends.
"""

from __future__ import annotations

import asyncio

from fleetctl.clock import Clock
from fleetctl.driver.api import Listener
from fleetctl.driver.api import Progress as ApiProgress
from fleetctl.protocol.engine import Progress

INTERVAL_S = 0.1
"""The agent journals the acknowledged line every 100 ms; more often nobody could use it."""

SLACK_S = 0.02
"""Who is asked that often already may be a little early: a timer for the rest would cost more than the telling."""


class ProgressTeller:
    """Coalesces the engine's progress of one run at a time. `planner_depth` goes out with each."""

    def __init__(self, clock: Clock, listener: Listener, planner_depth: int) -> None:
        self.planner_depth = planner_depth
        self._clock = clock
        self._listener = listener
        self._sent_line = 0
        self._acknowledged_line = 0
        self._acknowledged_bytes = 0
        self._told_line = 0
        self._told_at_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A new run: nothing sent, nothing acknowledged."""
        self._stop_timer()
        self._sent_line = self._acknowledged_line = self._acknowledged_bytes = self._told_line = 0
        self._told_at_s = None

    def progress(self, progress: Progress) -> None:
        """Tell now, or in time."""
        self._sent_line = progress.sent_line
        self._acknowledged_line = progress.acknowledged_line
        self._acknowledged_bytes = progress.acknowledged_bytes
        if self._timer is not None:
            return
        due_s = None if self._told_at_s is None else self._told_at_s + INTERVAL_S
        if due_s is not None and due_s - SLACK_S > self._clock.monotonic():
            self._timer = asyncio.get_running_loop().call_at(due_s, self._tell)
        else:
            self._tell()

    def acknowledged(self, line: int, ends_at_bytes: int) -> None:
        """The end of a run names the last acknowledged line itself, and where in the file it ends."""
        if line != self._acknowledged_line:
            self._acknowledged_bytes = ends_at_bytes
        self._acknowledged_line = line
        self._sent_line = max(self._sent_line, line)

    def finish(self) -> ApiProgress:
        """The last word, told before the end is; the run may be over without any line acknowledged."""
        self._stop_timer()
        if self._acknowledged_line != self._told_line:
            self._tell()
        return self._current()

    def _current(self) -> ApiProgress:
        return ApiProgress(self._sent_line, self._acknowledged_line, self.planner_depth, self._acknowledged_bytes)

    def _tell(self) -> None:
        self._timer = None
        self._told_at_s = self._clock.monotonic()
        self._told_line = self._acknowledged_line
        self._listener.progress(self._current())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
