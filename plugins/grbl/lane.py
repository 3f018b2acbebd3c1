"""The Grbl engine with its compiled shortcut: what of the state the lane keeps, and when it may act.

Everything else, and the reference for the lane itself, is `GrblEngine`; a test compares the two byte by byte.
Reports, errors, alarms and all else that is no `ok` pass the lane by. It must not know how the lane reads or writes.
"""

from __future__ import annotations

from collections import deque

from fleetctl.protocol.engine import Progress
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lane import CountedLane, KeptByLane
from fleetctl.protocol.window import Window

from .engine import GrblEngine
from .sender import DEFAULT_BUDGET_BYTES, Ask, ProgramLine, Sender
from .state import Phase


class LanedSender(Sender):
    """Lines in flight, with the counts that the lane changes too kept by the lane."""

    budget_bytes = KeptByLane[int]()
    sent_line = KeptByLane[int]()
    sent_bytes = KeptByLane[int]()

    def __init__(self) -> None:
        window: Window[ProgramLine | Ask] = Window(max_bytes=DEFAULT_BUDGET_BYTES)
        ready: deque[ProgramLine] = deque()
        self.lane = CountedLane(window, ready, DEFAULT_BUDGET_BYTES)
        super().__init__()
        self.window, self._ready = window, ready

    @property
    def only_streams(self) -> bool:
        """Lines of the program go out, none of our own waits until they are answered, and none is unwritten."""
        return self._feeding and self.change is None and not self.asks and not self.output

    # whoever begins or ends feeding shuts the lane

    @property
    def feeding(self) -> bool:
        """Whether lines of the program go out."""
        return self._feeding

    @feeding.setter
    def feeding(self, feeds: bool) -> None:
        self.lane.shut()
        self._feeding = feeds

    @property
    def feeder(self) -> Feeder | None:
        """The program in hand."""
        return self._feeder

    @feeder.setter
    def feeder(self, feeder: Feeder | None) -> None:
        self.lane.shut()
        self._feeder = feeder


class LanedGrblEngine(GrblEngine):
    """`GrblEngine`, and `HasLane`."""

    _acknowledged_line = KeptByLane[int]()
    _acknowledged_bytes = KeptByLane[int]()

    def __init__(self) -> None:
        self._laned = LanedSender()
        self.lane = self._laned.lane
        super().__init__()
        self._sender = self._laned

    # Bytes and time

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the controller, behind what the lane has read of one."""
        self._catch_up()
        super().receive(self.lane.withheld() + data, now)

    def elapse(self, now: float) -> None:
        """Act on what is due."""
        self._catch_up()
        super().elapse(now)

    def progress(self) -> Progress | None:
        """How far the run is, if that was not told yet."""
        told = (self.lane.acknowledged_line, self.lane.sent_line)
        if told == self._progress_told or not self._in_run:
            return None
        self._progress_told = told
        return Progress(*told, self.lane.acknowledged_bytes)

    def _tell_progress(self) -> None:
        """Unless somebody looks regularly: each report would else bring one word more than anybody can use."""
        if not self.lane.is_watched:
            super()._tell_progress()

    def _catch_up(self) -> None:
        """Leave the lane; an answer that it took ends a suspicion that answers are lost."""
        self.lane.shut()
        if self.lane.was_answered:
            self.lane.was_answered = False
            self._idle_since_s = None

    # When the lane may act: from when the output of a step was taken to the next thing that anybody does

    def _step(self, now: float) -> None:
        self.lane.shut()
        super()._step(now)

    def take_output(self) -> bytes:
        """Lines that must go out now; what the lane sends from here on goes behind them."""
        output = super().take_output()
        feeder = self._laned.feeder if self._laned.only_streams else None
        if feeder is not None and self._phase_now is Phase.RUNNING and not self._lines.is_inside:
            self.lane.open(feeder)
        return output

    @property
    def _phase(self) -> Phase:
        return self._phase_now

    @_phase.setter
    def _phase(self, phase: Phase) -> None:
        self.lane.shut()
        self._phase_now = phase
