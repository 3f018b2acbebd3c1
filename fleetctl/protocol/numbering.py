"""Marlin's line numbers: what was sent under which number, and what to do when the firmware asks for one
again.

Framing (`N<n> <line>*<xor>`) is done by the feeder. This module must not know oks, timers or what a line
says; it never invents a number and never sends a line again that was not asked for by number (I6).

Why the rules are as they are: the firmware asks for `last good + 1`. Lines that were in flight behind the bad
one may each bring the same request again, although one repetition answers them all (Marlin issue 24972 calls
the result a death loop); a request for the next number that we have not used yet asks for nothing; and a
number older than the history, or one we never reached, means that the two sides no longer speak of the same
stream.
"""

from __future__ import annotations

from enum import StrEnum

from fleetctl._ext.flight import History

# OctoPrint gives up after 10 requests for one line; its history is 50 lines, PrusaLink's 100.
MAX_REPEATS = 10
MIN_HISTORY_LINES = 100


class Request(StrEnum):
    """What to do about a request for a line."""

    REPEAT = "repeat"
    """Send again from that line on, in order."""
    ALREADY_REPEATED = "already-repeated"
    """An echo of a request that was served; do nothing."""
    NOT_SENT_YET = "not-sent-yet"
    """It is the next new line: everything before it arrived. Go on with new lines, repeat nothing."""
    LOST = "lost"
    """The line is older than the history, or was never sent: the streams have parted, end the run."""
    GIVE_UP = "give-up"
    """The same line was asked for too often: the link is bad, end the run."""


class NumberedHistory(History):
    """A ring of the lines sent, by number.

    `next_number` is the number of the next new line. `replay_from` is the number of the line to repeat next,
    or None when there is nothing to repeat; the caller drains it with `replay()` as its window allows. `asked` is the
    number last asked for while that request is not settled. The ring itself is compiled (`ext/flight.pyx`).
    """

    def __init__(self, capacity_lines: int = 128) -> None:
        if capacity_lines < MIN_HISTORY_LINES:
            raise ValueError(f"the history needs at least {MIN_HISTORY_LINES} lines")
        super().__init__(capacity_lines)
        self._asked_count = 0
        self._echoes_due = 0

    def reset(self, next_number: int = 1) -> None:
        """Both sides start to count anew (M110 was answered, or the board was reset)."""
        self._clear(next_number)
        self._forget_request()

    def requested(self, number: int, in_flight_behind: int = 0) -> Request:
        """The firmware asks for `number`; `in_flight_behind` lines were sent after that line and not answered
        yet.

        On REPEAT, `replay_from` is set. Each line in flight behind may bring one more request of the same
        number; that many are taken as echoes.
        """
        if number == self.next_number:
            self.replay_from = None
            return Request.NOT_SENT_YET
        if not self.oldest_number <= number < self.next_number:
            return Request.LOST
        if number == self.asked:
            if self._echoes_due > 0:
                self._echoes_due -= 1
                return Request.ALREADY_REPEATED
            self._asked_count += 1
            if self._asked_count > MAX_REPEATS:
                return Request.GIVE_UP
        else:
            self.asked = number
            self._asked_count = 1
        self._echoes_due = max(0, in_flight_behind)
        self.replay_from = number
        return Request.REPEAT

    def replay(self) -> tuple[int, bytes] | None:
        """The next line to repeat as (number, framed line), and step on; None when all were repeated."""
        if self.replay_from is None:
            return None
        number = self.replay_from
        self.replay_from = number + 1 if number + 1 < self.next_number else None
        return number, self.line(number)

    def accepted(self, number: int) -> None:
        """The firmware answered `number` well: requests for lines up to it are settled."""
        if self.asked is not None and number >= self.asked:
            self._forget_request()

    def expect_no_echo(self) -> None:
        """No more echoes are due (the firmware emptied its buffer, or time passed): the next request
        counts.
        """
        self._echoes_due = 0

    def _forget_request(self) -> None:
        self.asked = None
        self._asked_count = 0
        self._echoes_due = 0
