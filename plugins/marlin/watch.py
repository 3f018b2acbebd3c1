"""The clocks for an answer that does not come: first ask again by a question, then give up.

Temperature reports and other chatter arrive whatever happens to an `ok`, so only answers and `busy:` stop the first
clock (OctoPrint issue 2454); the second runs when there is not even chatter any more.
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

MUTE_S = 300.0
"""How long a question may go unanswered by a firmware without keep-alive: one long move may hold its queue."""

ECHO_S = 1.0
"""After a request that repeats one before. Lines in flight bring such echoes within a round trip; a board that has
emptied its ring (Marlin, queue.cpp, gcode_line_error) brings none, and then it asks because the repetition was
spoiled too (seen with Marlin 2.1.2.5)."""

PERSON_S = 5.0
"""M0 and its like are answered at once when they do not wait."""

QUIET_S = 120.0
"""Reports every 2 s were asked for, and now there was not one line for so long: nobody is at the other end."""


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
    """Two clocks. `due_s` runs while an answer is expected and starts anew with each answer or `busy:`; None while no
    answer is expected. `heard_s` is when anything at all was heard; it counts once `reports` are known to come.
    `keep_alive`: the firmware says `busy:` while one command lasts long.
    """

    def __init__(self) -> None:
        self.due_s: float | None = None
        self.heard_s = 0.0
        self.busy_seen = False
        self.reports = False
        self.keep_alive = True
        self._asked = False

    def arm(self, now: float, pace: Pace) -> None:
        """An answer is expected; keeps a clock that runs already."""
        if self.due_s is None:
            self.due_s = now + self._patience_s(pace)

    def alive(self) -> None:
        """The firmware answered or said that it is busy; the next `arm` starts the clock anew."""
        self.due_s = None
        self._asked = False

    def hurry(self, now: float) -> None:
        """The firmware says that it has nothing to do, while an answer is due: ask now."""
        if self.due_s is not None and not self._asked:
            self.due_s = now

    def doubt(self, now: float) -> None:
        """A request was taken for an echo of the one before; if no answer comes soon it was none: ask then."""
        self.due_s = now + ECHO_S

    def overdue(self, now: float) -> Overdue:
        """What to do now; after ASK the clock runs once more."""
        if self.due_s is None or now < self.due_s:
            return Overdue.NOTHING
        if self._asked:
            self.alive()
            return Overdue.GIVE_UP
        self._asked = True
        self.due_s = now + (self._patience_s(Pace.QUICK) if self.keep_alive or self.busy_seen else MUTE_S)
        return Overdue.ASK

    def quiet_at_s(self) -> float | None:
        """When the silence will have lasted too long; None when silence says nothing."""
        return self.heard_s + QUIET_S if self.reports else None

    def _patience_s(self, pace: Pace) -> float:
        if pace is Pace.QUICK:
            return BUSY_S if self.busy_seen else SILENT_S
        if pace is Pace.SLOW:
            return SLOW_BUSY_S if self.busy_seen else SLOW_S
        return PERSON_S
