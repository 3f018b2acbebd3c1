"""The Marlin engine with its compiled shortcut: what of the state the lane keeps, and when it may act.

Everything else, and the reference for the lane itself, is `MarlinEngine`; a test compares the two byte by byte. It
must not know how the lane reads or writes.
"""

from __future__ import annotations

from fleetctl.protocol.engine import Progress
from fleetctl.protocol.lane import KeptByLane, NumberedLane
from fleetctl.protocol.numbering import NumberedHistory
from fleetctl.protocol.window import Window

from .engine import MarlinEngine
from .link import MOST_LINES, NumberedLink, Sent
from .state import RUN_IN_HAND, Phase
from .watch import Pace


class LanedLink(NumberedLink):
    """Lines in flight, with the counts that the lane changes too kept by the lane."""

    max_lines = KeptByLane[int]()
    oldest_number = KeptByLane[int]()
    receive_bytes = KeptByLane[int]()

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        window: Window[Sent] = Window(max_lines=1)
        history = NumberedHistory()
        self.lane = NumberedLane(window, history, most_lines, receive_bytes=1)
        super().__init__(most_lines)  # which says how many bytes there are
        self.window, self.history = window, history

    @property
    def is_plain(self) -> bool:
        """Nothing waits to be repeated, none was lately, and no question went out over the window."""
        return not self._again and not self.storm and self.window.max_lines == self.max_lines


class LanedMarlinEngine(MarlinEngine):
    """`MarlinEngine`, and `HasLane`."""

    _sent_line = KeptByLane[int]()
    _acknowledged_line = KeptByLane[int]()
    _acknowledged_bytes = KeptByLane[int]()

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        self._laned = LanedLink(most_lines)
        self.lane = self._laned.lane
        self._phase_now = Phase.CLOSED
        super().__init__(most_lines)
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

    def _tell_progress(self) -> None:
        """Unless somebody looks regularly: each report would else bring one word more than anybody can use."""
        if not self.lane.is_watched:
            super()._tell_progress()

    def _catch_up(self) -> None:
        """The clocks for a missing answer and for silence run from what was heard last, whoever heard it."""
        self._watch.heard_s = max(self._watch.heard_s, self.lane.read_at_s)
        if self.lane.was_answered:
            self.lane.was_answered = False
            self._watch.alive()
            if self._link.window:
                self._watch.arm(self.lane.heard_at_s, Pace.QUICK)

    # When the lane may act: from when the output of a step was taken to the next thing that anybody does

    def _step(self, now: float) -> None:
        self.lane.shut()
        super()._step(now)

    def take_output(self) -> bytes:
        """What must go out now; what the lane sends from here on goes behind it."""
        output = super().take_output()
        if self._phase is Phase.RUNNING and self._feeder is not None and self._only_streams():
            self._set_answers()
            self.lane.open(self._feeder)
        return output

    def _only_streams(self) -> bool:
        """Nothing is asked, due or waited for besides the answers to the program's lines."""
        due = (self._resend_ok_due_s, self._half_error_due_s, self._answer_over_s)
        busy = self._asks or self._late or self._waiting or self._lines.is_inside
        plain = self._laned.is_plain and not self._quirks.taken_is_ok
        return plain and not busy and due == (None, None, None)

    def _set_answers(self) -> None:
        """What acknowledges a line, as `_ok` has it: once oks have named their lines, a bare one does not."""
        lane, quirks = self.lane, self._quirks
        lane.takes_bare = not self._oks_are_named
        lane.takes_named = quirks.trusts_room and self._oks_are_named == quirks.ok_names_line
        lane.checks_number = quirks.ok_names_line

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
