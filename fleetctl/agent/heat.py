"""When heat must go off: of a run that stands still, and of a machine that is hot without a run.

Pure: states and times in, a deadline out.
"""

from __future__ import annotations

from collections.abc import Mapping

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


LOOK_FIRST_S = 30.0
"""How long after a new link nothing that is on goes off: what the machine does besides, such as a print from its own
card, is asked for every 5 s and may need to be asked twice."""


class IdleHeat:
    """Heat or spindle that is on while no run works: preheated by hand, left on, or waiting for cycle start.

    The time counts from when heat was last wanted, over all links: a link that flaps does not begin it anew.
    """

    def __init__(self, off_after_s: float) -> None:
        """`off_after_s`: how long it may be on, in seconds."""
        self._off_after_s = off_after_s
        self._wanted: Mapping[str, float] = {}
        self._ends_s: float | None = None
        self._not_before_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When what is on must go off; None while nothing is on, or somebody works with it."""
        return None if self._ends_s is None else max(self._ends_s, self._not_before_s)

    def new_link(self, now_s: float) -> None:
        """The machine is seen again: the time goes on, but first one looks what it does."""
        self._not_before_s = now_s + LOOK_FIRST_S

    def works(self) -> None:
        """Something works with it, be it a run or the machine's own program: the time begins when that ends."""
        self._ends_s = None

    def seen(self, wanted: Mapping[str, float], now_s: float) -> None:
        """What is on, with its target, says the machine, which does not work. A target that was set to something else
        since, perhaps at the machine's own panel, is wanted from now on."""
        if not wanted:
            self._ends_s = None
        elif self._ends_s is None or any(self._wanted.get(name) != target for name, target in wanted.items()):
            self._ends_s = now_s + self._off_after_s
        self._wanted = wanted

    def asked(self, now_s: float) -> None:
        """A person set a target just now: the time begins anew."""
        if self._ends_s is not None:
            self._ends_s = now_s + self._off_after_s

    def failed(self, now_s: float) -> None:
        """It could not be switched off: try again."""
        if self._ends_s is not None:
            self._ends_s = now_s + RETRY_S
