"""The clock for an answer that does not come: first ask again by a question, then give up.

Temperature reports and other chatter arrive whatever happens to an `ok`, so only answers and `busy:` count here.
A line is never sent again because time passed (I6). It must not know what was sent.
"""

from __future__ import annotations

from enum import Enum, auto

SILENT_S = 30.0
"""OctoPrint's communication timeout."""

BUSY_S = 10.0
"""Once the firmware has shown `busy:` it repeats it every 2 s (M113); five of them in a row do not get lost."""

SLOW_S = 600.0
"""Homing, levelling, heating and filament change on firmware without keep-alive."""

SLOW_BUSY_S = 60.0
"""The same with keep-alive, which some of them suppress for a while."""

PERSON_S = 5.0
"""M0 and its like are answered at once when they do not wait."""


class Pace(Enum):
    """How long the line that is answered next may take."""

    QUICK = auto()
    SLOW = auto()
    PERSON = auto()


class Overdue(Enum):
    """What is due."""

    NOTHING = auto()
    ASK = auto()
    GIVE_UP = auto()


class AnswerWatch:
    """`due_s` is None while no answer is expected."""

    def __init__(self) -> None:
        self.due_s: float | None = None
        self.busy_seen = False
        self._asked = False

    def arm(self, now: float, pace: Pace) -> None:
        """An answer is expected; keeps a clock that runs already."""
        if self.due_s is None:
            self.due_s = now + self._patience_s(pace)

    def alive(self) -> None:
        """The firmware answered or said that it is busy; the next `arm` starts the clock anew."""
        self.due_s = None
        self._asked = False

    def overdue(self, now: float) -> Overdue:
        """What to do now; after ASK the clock runs once more."""
        if self.due_s is None or now < self.due_s:
            return Overdue.NOTHING
        if self._asked:
            self.alive()
            return Overdue.GIVE_UP
        self._asked = True
        self.due_s = now + self._patience_s(Pace.QUICK)
        return Overdue.ASK

    def _patience_s(self, pace: Pace) -> float:
        if pace is Pace.QUICK:
            return BUSY_S if self.busy_seen else SILENT_S
        if pace is Pace.SLOW:
            return SLOW_BUSY_S if self.busy_seen else SLOW_S
        return PERSON_S
