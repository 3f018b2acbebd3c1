"""Numbered lines in flight to a Marlin: what was sent, what was answered, what must be repeated.

It joins the history by number and the window, so that both always speak of the same lines. It must not know why a
line is sent or what an answer says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fleetctl.protocol.feeder import Feeder, frame_line
from fleetctl.protocol.lines import ANSWER_MOST_LINES
from fleetctl.protocol.numbering import NumberedHistory, Request
from fleetctl.protocol.window import Window

MOST_LINES = 8
"""Buddy's BUFSIZE is 8, the largest of the family; what is in flight must fit the receive ring in any case."""

STORM_STEP = 10
STORM_LIMIT = 300
"""Each request adds a step, each acknowledged line takes one off: OctoPrint warns at one request in ten lines. Thirty
requests more than that, and the link is not worth a print."""

BEHIND_MOST = 32
"""How far a firmware may be behind the lines that we take for answered: oks too many, for as many short lines as its
receive ring and its queue hold (some 20). One that asks for an older line counts from 1 again: it was reset."""

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
    answered_early: bool = False
    """An ok came before it said anything: a stray one, or a firmware that says ok when it has read a line."""
    tries: int = 0
    deferred: bool = False
    """Its ok says only that it was read; somebody else sees to `done`."""
    lines: list[str] = field(default_factory=list)
    failed: bool = False

    def add(self, line: str) -> None:
        """A line of its answer."""
        if len(self.lines) < ANSWER_MOST_LINES:
            self.lines.append(line)


ProgramLine = tuple[bytes, int, int]
"""As the feeder gives it: framed line, source line, bytes of the program up to its end."""

Sent = ProgramLine | Ask | None
"""None stands for a line that was answered before and is repeated all the same because it was asked for."""


class NumberedLink:
    """Lines in flight, oldest first. `output` collects what must be written.

    `receive_bytes`: what the firmware's receive ring holds while it reads nothing; with more than one line in flight
    all of them must fit. `oldest_number` is the number of the line that is answered next.
    """

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        self._most_lines = most_lines
        self.receive_bytes = 127
        self.oldest_number = 1
        self.storm = 0
        self.history = NumberedHistory()
        self.window: Window[Sent] = Window(max_lines=1)
        self.output: list[bytes] = []
        self.max_lines = 1
        self._again: deque[Sent] = deque()
        self._settled_before = 1

    def reset(self) -> list[Sent]:
        """Both sides count from 1 again; gives the lines whose answers will never come."""
        lost = [*self.window.reset(), *self._again]
        self._again.clear()
        self.history.reset(1)
        self.oldest_number = self._settled_before = 1
        self.storm = 0
        self.max_lines = self.window.max_lines = 1
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

    def fits(self, size_bytes: int) -> bool:
        """Whether a line of this size may go out: with others in flight, all must fit the receive ring, for the
        firmware may be busy and have taken none of them."""
        window = self.window
        return self.room() > 0 and (not window or window.used_bytes + size_bytes <= self.receive_bytes)

    def feed(self, feeder: Feeder) -> ProgramLine | None:
        """Send as many lines of the program as fit; gives the last one sent."""
        last: ProgramLine | None = None
        while self.fits(feeder.numbered_size(self.history.next_number)):
            lines = feeder.take_numbered(1, self.history.next_number)
            if not lines:
                break
            last = lines[0]
            self._enter(last[0], last)
        return last

    def repeat(self) -> None:
        """Send the lines that were asked for again, as far as there is room."""
        history = self.history
        while history.replay_from is not None and self.fits(len(history.line(history.replay_from))):
            replayed = history.replay()
            assert replayed is not None  # there was one to repeat
            tag = self._again.popleft() if self._again else None
            self.window.sent(len(replayed[1]), tag)
            self.output.append(replayed[1])

    def answered(self) -> Sent:
        """The oldest line in flight was answered; the window is as wide as it should be again."""
        if not self.window:
            self.window.answered()
            return None
        tag = self.window.answered()
        self.history.accepted(self.oldest_number)
        self.oldest_number += 1
        self.window.max_lines = self.max_lines
        if self.storm:
            self.storm -= 1
        return tag

    def settle(self) -> None:
        """Whatever was answered until now was carried out for certain, and will not be asked for again."""
        self._settled_before = self.oldest_number

    def is_long_done(self, number: int) -> bool:
        """Whether only a board that has forgotten everything can ask for this line."""
        return number < max(self._settled_before, self.oldest_number - BEHIND_MOST)

    def requested(self, number: int) -> Request:
        """The firmware asks for `number`: on REPEAT the lines from there on wait to be repeated."""
        if self.is_long_done(number):
            return Request.LOST
        upper = self.oldest_number + len(self.window)
        request = self.history.requested(number, max(0, upper - number - 1))
        self.storm += STORM_STEP
        if request is Request.REPEAT and self.storm > STORM_LIMIT:
            return Request.GIVE_UP
        if request is Request.REPEAT:
            self._take_back(number)
        elif request is Request.NOT_SENT_YET:
            # Everything before it arrived, so what waited to be repeated waits only for its answer.
            self._await(list(self._again))
            self._again.clear()
        return request

    def learn_window(self, free_lines: int) -> None:
        """The firmware said how many lines its queue has room for beyond those in flight."""
        self.max_lines = max(1, min(self._most_lines, len(self.window) + free_lines))
        self.window.max_lines = self.max_lines

    def _take_back(self, number: int) -> None:
        """Lines in flight from `number` on were thrown away by the firmware; those before it are still due."""
        lines = [*self.window.reset(), *self._again]
        arrived = max(0, number - self.oldest_number)
        answered_before: list[Sent] = [None] * max(0, self.oldest_number - number)
        self._await(lines[:arrived])
        self._again = deque([*answered_before, *lines[arrived:]])
        self.oldest_number = min(self.oldest_number, number)

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
