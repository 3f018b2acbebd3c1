"""The Marlin engine with its compiled shortcut: what of the state the lane keeps, and when it may act.

Everything else, and the reference for the lane itself, is `MarlinEngine`; a test compares the two byte by byte. It
must not know how the lane reads or writes.
"""

from __future__ import annotations

from fleetctl.protocol.engine import Progress
from fleetctl.protocol.lane import NumberedLane
from fleetctl.protocol.numbering import NumberedHistory
from fleetctl.protocol.window import Window

from .engine import MarlinEngine
from .link import MOST_LINES, RECEIVE_BYTES, NumberedLink, Sent
from .state import RUN_IN_HAND, Phase
from .watch import Pace


class LanedLink(NumberedLink):
    """Lines in flight, with the counts that the lane changes too kept by the lane."""

    def __init__(self) -> None:
        window: Window[Sent] = Window(max_lines=1)
        history = NumberedHistory()
        self.lane = NumberedLane(window, history, MOST_LINES, RECEIVE_BYTES)
        self.lane.takes_bare = self.lane.takes_named = True
        super().__init__()
        self.window, self.history = window, history

    @property
    def max_lines(self) -> int:
        """How many lines may be in flight."""
        return self.lane.max_lines

    @max_lines.setter
    def max_lines(self, lines: int) -> None:
        self.lane.max_lines = lines

    @property
    def _oldest_number(self) -> int:
        return self.lane.oldest_number

    @_oldest_number.setter
    def _oldest_number(self, number: int) -> None:
        self.lane.oldest_number = number

    @property
    def is_plain(self) -> bool:
        """Nothing waits to be repeated, and no question went out over the window."""
        return not self._again and self.window.max_lines == self.max_lines


class LanedMarlinEngine(MarlinEngine):
    """`MarlinEngine`, and `HasLane`."""

    def __init__(self) -> None:
        self._laned = LanedLink()
        self.lane = self._laned.lane
        self._phase_now = Phase.CLOSED
        self._heard_at_s = 0.0
        super().__init__()
        self._link = self._laned

    # Bytes and time

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the board, behind what the lane has read of one."""
        self._catch_up()
        super().receive(self.lane.withheld() + data, now)

    def elapse(self, now: float) -> None:
        """Act on what is due."""
        self._catch_up()
        super().elapse(now)

    def next_deadline(self) -> float | None:
        """The earliest of all that is due."""
        self._catch_up()
        return super().next_deadline()

    def progress(self) -> Progress | None:
        """How far the run is, if that was not told yet."""
        told = (self.lane.acknowledged_line, self.lane.sent_line)
        if told == self._told or self._phase_now not in RUN_IN_HAND:
            return None
        self._told = told
        return Progress(*told, self.lane.acknowledged_bytes)

    def _catch_up(self) -> None:
        """The clock for a missing answer runs from the last answer, whoever took it."""
        heard_at_s = self.lane.heard_at_s
        if heard_at_s > self._heard_at_s:
            self._heard_at_s = heard_at_s
            self._watch.alive()
            if self._link.window:
                self._watch.arm(heard_at_s, Pace.QUICK)

    # When the lane may act: from the end of a step to the next thing that anybody does

    def _step(self, now: float) -> None:
        self.lane.shut()
        super()._step(now)
        if self._phase is Phase.RUNNING and self._feeder is not None and self._only_streams():
            self.lane.open(self._feeder)

    def _only_streams(self) -> bool:
        """Nothing is asked, due or waited for besides the answers to the program's lines."""
        busy = self._asks or self._waiting or self._resend_ok_due_s is not None or self._lines.is_inside
        return not busy and self._laned.is_plain

    def _ask_again(self) -> None:
        self.lane.withheld()
        super()._ask_again()

    @property
    def _phase(self) -> Phase:
        return self._phase_now

    @_phase.setter
    def _phase(self, phase: Phase) -> None:
        self.lane.shut()
        if phase is Phase.GREETING:
            self.lane.withheld()
        self._phase_now = phase

    # kept by the lane

    @property
    def _acknowledged_line(self) -> int:
        return self.lane.acknowledged_line

    @_acknowledged_line.setter
    def _acknowledged_line(self, line: int) -> None:
        self.lane.acknowledged_line = line

    @property
    def _acknowledged_bytes(self) -> int:
        return self.lane.acknowledged_bytes

    @_acknowledged_bytes.setter
    def _acknowledged_bytes(self, count: int) -> None:
        self.lane.acknowledged_bytes = count

    @property
    def _sent_line(self) -> int:
        return self.lane.sent_line

    @_sent_line.setter
    def _sent_line(self, line: int) -> None:
        self.lane.sent_line = line
