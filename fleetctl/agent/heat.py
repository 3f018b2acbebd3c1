"""When heat must go off: of a run that stands still, and of a machine that is hot without a run.

Pure: states and times in, a deadline out.
"""

from __future__ import annotations

from fleetctl.model.run import RunState

STANDING = frozenset({RunState.PAUSED, RunState.WAITING})


RETRY_S = 60.0
"""Pause before heat that could not be switched off is tried again."""


class HeatPolicy:
    """Heaters and spindle go off once for each time that a run stands still longer than the profile allows."""

    def __init__(self, off_after_s: float) -> None:
        """`off_after_s`: how long a run may stand still with its heat on, in seconds."""
        self._off_after_s = off_after_s
        self._standing = False
        self.due_s: float | None = None

    def state_is(self, state: RunState, now_s: float) -> None:
        """The run is in `state` at `now_s`; going from paused to waiting does not begin the time anew."""
        standing = state in STANDING
        if standing and not self._standing:
            self.due_s = now_s + self._off_after_s
        elif not standing:
            self.due_s = None
        self._standing = standing

    def failed(self, now_s: float) -> None:
        """It could not be switched off: try again."""
        if self._standing:
            self.due_s = now_s + RETRY_S

    def done(self) -> None:
        """The heat is off; nothing is due until the run stands still the next time."""
        self.due_s = None


class IdleHeat:
    """Heat or spindle that is on while no run works: preheated by hand, left on, or waiting for cycle start."""

    def __init__(self, off_after_s: float) -> None:
        """`off_after_s`: how long it may be on, in seconds."""
        self._off_after_s = off_after_s
        self.due_s: float | None = None

    def forget(self) -> None:
        """Nobody sees the machine any more, or a run has begun: the next reading tells."""
        self.due_s = None

    def seen(self, on: bool, now_s: float) -> bool:
        """The machine says whether anything is on; whether the time begins to run with this."""
        if not on:
            self.due_s = None
        elif self.due_s is None:
            self.due_s = now_s + self._off_after_s
            return True
        return False

    def asked(self, now_s: float) -> None:
        """A person set a target just now: the time begins anew."""
        if self.due_s is not None:
            self.due_s = now_s + self._off_after_s

    def failed(self, now_s: float) -> None:
        """It could not be switched off: try again."""
        if self.due_s is not None:
            self.due_s = now_s + RETRY_S
