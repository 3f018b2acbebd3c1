"""Numbered lines in flight to a Marlin: what was sent, what was answered, what must be repeated.

It joins the history by number and the window, so that both always speak of the same lines. It must not know why a
line is sent or what an answer says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fleetctl.protocol.feeder import Feeder, frame_line
from fleetctl.protocol.numbering import NumberedHistory, Request
from fleetctl.protocol.window import Window

RECEIVE_BYTES = 127
"""Marlin's default receive ring is 128 bytes, one of which stays free (Configuration_adv.h, RX_BUFFER_SIZE)."""

MOST_LINES = 8


Done = Callable[["Ask", float], None]


@dataclass(slots=True, eq=False)
class Ask:
    """One line of our own, not of the program. `done(ask, now)` is called when it was answered."""

    text: str
    done: Done | None = None
    ticket: int = 0
    wants_answer: bool = False
    """The firmware always says something before the ok of this line; an ok without it belongs to another line."""
    is_poll: bool = False
    lines: list[str] = field(default_factory=list)
    failed: bool = False


ProgramLine = tuple[bytes, int, int]
"""As the feeder gives it: framed line, source line, bytes of the program up to its end."""

Sent = ProgramLine | Ask | None
"""None stands for a line that was answered before and is repeated all the same because it was asked for."""


class NumberedLink:
    """Lines in flight, oldest first. `output` collects what must be written."""

    def __init__(self) -> None:
        self.history = NumberedHistory()
        self.window: Window[Sent] = Window(max_lines=1)
        self.output: list[bytes] = []
        self.max_lines = 1
        self.receive_bytes = RECEIVE_BYTES
        self._again: deque[Sent] = deque()
        self._oldest_number = 1

    def reset(self) -> list[Sent]:
        """Both sides count from 1 again; gives the lines whose answers will never come."""
        lost = [*self.window.reset(), *self._again]
        self._again.clear()
        self.history.reset(1)
        self._oldest_number = 1
        self.output.clear()
        return lost

    @property
    def oldest(self) -> Sent:
        """The line that is answered next."""
        return self.window.oldest()

    @property
    def repeating(self) -> bool:
        """Lines wait to be repeated; no new line may overtake them."""
        return self.history.replay_from is not None

    def room(self) -> int:
        """How many more lines may go out."""
        return self.window.free_lines()

    def send(self, ask: Ask) -> None:
        """Send a line of our own under the next number."""
        self._enter(frame_line(self.history.next_number, ask.text.encode("ascii")), ask)

    def ask_over_the_window(self, ask: Ask) -> None:
        """No answer came: one more line, so that the firmware answers it or asks for what it misses by number.

        While lines wait to be repeated, the next of those serves as well as a question and none may overtake it.
        """
        self.window.max_lines = len(self.window) + 1
        if self.repeating:
            self.repeat()
        else:
            self.send(ask)

    def feed(self, feeder: Feeder) -> ProgramLine | None:
        """Send as many lines of the program as there is room for; gives the last one sent.

        With more than one line in flight, all of them must fit the receive ring: the firmware may be busy and
        have taken none of them.
        """
        last: ProgramLine | None = None
        while self.room() > 0 and (not self.window or self._fits(feeder)):
            lines = feeder.take_numbered(1, self.history.next_number)
            if not lines:
                break
            last = lines[0]
            self._enter(last[0], last)
        return last

    def _fits(self, feeder: Feeder) -> bool:
        size_bytes = feeder.numbered_size(self.history.next_number)
        return self.window.used_bytes + size_bytes <= self.receive_bytes

    def repeat(self) -> None:
        """Send the lines that were asked for again, as far as there is room."""
        while self.room() > 0 and (replayed := self.history.replay()) is not None:
            tag = self._again.popleft() if self._again else None
            self.window.sent(len(replayed[1]), tag)
            self.output.append(replayed[1])

    def answered(self) -> Sent:
        """The oldest line in flight was answered; the window is as wide as it should be again."""
        if not self.window:
            self.window.answered()
            return None
        tag = self.window.answered()
        self.history.accepted(self._oldest_number)
        self._oldest_number += 1
        self.window.max_lines = self.max_lines
        return tag

    def requested(self, number: int) -> Request:
        """The firmware asks for `number`: on REPEAT the lines from there on wait to be repeated."""
        upper = self._oldest_number + len(self.window)
        request = self.history.requested(number, max(0, upper - number - 1))
        if request is Request.REPEAT:
            self._take_back(number)
        elif request is Request.NOT_SENT_YET:
            # Everything before it arrived, so what waited to be repeated waits only for its answer.
            self._await(list(self._again))
            self._again.clear()
        return request

    def learn_window(self, free_lines: int) -> None:
        """The firmware said how many lines its queue has room for beyond those in flight."""
        self.max_lines = max(1, min(MOST_LINES, len(self.window) + free_lines))
        self.window.max_lines = self.max_lines

    def _take_back(self, number: int) -> None:
        """Lines in flight from `number` on were thrown away by the firmware; those before it are still due."""
        lines = [*self.window.reset(), *self._again]
        arrived = max(0, number - self._oldest_number)
        answered_before: list[Sent] = [None] * max(0, self._oldest_number - number)
        self._await(lines[:arrived])
        self._again = deque([*answered_before, *lines[arrived:]])
        self._oldest_number = min(self._oldest_number, number)

    def _await(self, tags: list[Sent]) -> None:
        """Enter lines that the firmware has, whatever the window allows."""
        for tag in tags:
            self.window.max_lines = len(self.window) + 1
            self.window.sent(len(tag[0]) if isinstance(tag, tuple) else 1, tag)
        self.window.max_lines = max(self.max_lines, len(self.window))

    def _enter(self, framed: bytes, tag: Sent) -> None:
        self.history.append(framed)
        self.window.sent(len(framed), tag)
        self.output.append(framed)
