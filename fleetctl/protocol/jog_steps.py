"""Single steps of a jog that wait to go out, the same for every firmware.

How a step becomes bytes, and what brings it to rest, is the plug-in's; here is which steps may wait, where the tool
will be behind those that went out, and until when they last. It must not know any firmware's words.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from fleetctl.errors import MachineError, UsageError
from fleetctl.model.profile import Envelope
from fleetctl.protocol.engine import CommandDone
from fleetctl.protocol.jogging import STEP_MOST_S, JogLimits, check_queued, check_step, step_s


class Step(msgspec.Struct, frozen=True):
    """One step that a person asked for; its ticket is answered when the firmware has taken it."""

    distance_mm: dict[str, float]
    feed_mm_s: float
    ticket: int


class JogSteps:
    """Steps in the order in which they were asked for; true while one waits.

    `ends_s` is when those that went out will be over, without speeding up and slowing down.
    """

    def __init__(self) -> None:
        self.ends_s = 0.0
        self._waiting: list[Step] = []
        self._here_mm: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def feed(
        self,
        distance_mm: Mapping[str, float],
        feed_mm_s: float,
        within: Envelope | None,
        limits: JogLimits,
        *,
        begun: bool,
    ) -> float:
        """The feed at which one step more may be done, behind those that went out. `begun`: some did, so where the
        tool will be is known. Raises UsageError, MachineError."""
        return check_step(distance_mm, feed_mm_s, self._here_mm if begun else {}, within, limits)

    def add(
        self,
        distance_mm: Mapping[str, float],
        feed_mm_s: float,
        ticket: int,
        now: float,
        most_s: float = STEP_MOST_S,
    ) -> None:
        """One more waits. Raises MachineBusy where all that wait or run would last for more than `most_s`."""
        before_s = sum(step_s(step.distance_mm, step.feed_mm_s) for step in self._waiting)
        check_queued(max(0.0, self.ends_s - now) + before_s + step_s(distance_mm, feed_mm_s), most_s)
        self._waiting.append(Step(dict(distance_mm), feed_mm_s, ticket))

    def begin(self, here_mm: Mapping[str, float]) -> None:
        """The tool rests here, machine coordinates; an axis that is left out is not bounded."""
        self._here_mm = dict(here_mm)

    def take(self, within: Envelope | None, limits: JogLimits, now: float) -> Step | CommandDone | None:
        """The next one, which goes out now; the refusal of one that would leave the travel from where the tool is
        known to be by now; None when none waits."""
        if not self._waiting:
            return None
        step = self._waiting.pop(0)
        try:
            check_step(step.distance_mm, step.feed_mm_s, self._here_mm, within, limits)
        except (MachineError, UsageError) as error:
            return CommandDone(step.ticket, (str(error),), ok=False)
        for axis, mm in step.distance_mm.items():
            self._here_mm[axis] = self._here_mm.get(axis, 0.0) + mm
        self.ends_s = max(self.ends_s, now) + step_s(step.distance_mm, step.feed_mm_s)
        return step

    def forget(self, reason: str) -> list[CommandDone]:
        """None waits any more; what is told of those that did."""
        forgotten, self._waiting = self._waiting, []
        return [CommandDone(step.ticket, (reason,), ok=False) for step in forgotten]
