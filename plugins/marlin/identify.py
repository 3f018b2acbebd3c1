"""How a Marlin is greeted and asked who it is: the steps from an open link to a machine in step.

    empty line, M110 N0      until something answers ok (the first bytes after opening are often lost)
    N0 M110 N0*125           numbers begin at 1 on both sides
    M115, M155, M113, M105   numbered; each names what it wants to hear, so stray oks of before are not taken

It must not know runs. Nothing here moves or heats (I12, I14).
"""

from __future__ import annotations

from enum import Enum, auto

from fleetctl.protocol.feeder import frame_line

KNOCK = b"\nM110 N0\n"
NUMBERED_KNOCK = frame_line(0, b"M110 N0")

KNOCK_EVERY_S = 2.0
"""An AVR board's boot loader takes one to two seconds after the port was opened."""

SETTLE_S = 0.5
"""After a banner the board still prints its settings; what we send meanwhile may be lost."""


class Step(Enum):
    """Where the greeting stands."""

    KNOCKING = auto()
    NUMBERING = auto()
    DONE = auto()


class Greeting:
    """`output` collects what must be written; `due_s` is when to knock again."""

    def __init__(self) -> None:
        self.step = Step.DONE
        self.output: list[bytes] = []
        self.due_s: float | None = None

    def begin(self, now: float) -> None:
        """Knock from the start."""
        self.step = Step.KNOCKING
        self.output = [KNOCK]
        self.due_s = now + KNOCK_EVERY_S

    def banner(self, now: float) -> None:
        """The board boots: what was sent before is gone. Knock when it has settled."""
        self.step = Step.KNOCKING
        self.output = []
        self.due_s = now + SETTLE_S

    def ok(self, now: float) -> bool:
        """An ok came; True when both sides count from 1 now."""
        if self.step is Step.KNOCKING:
            self.step = Step.NUMBERING
            self.output.append(NUMBERED_KNOCK)
            self.due_s = now + KNOCK_EVERY_S
        elif self.step is Step.NUMBERING:
            self.step = Step.DONE
            self.due_s = None
        return self.step is Step.DONE

    def elapse(self, now: float) -> None:
        """Knock again when it is time."""
        if self.due_s is not None and now >= self.due_s:
            self.begin(now)
