"""The console of one machine: what people asked of it and what it answered, and while somebody watches, all lines.

A ring of bounded length that is kept here and given when asked for; nothing of it is stored. Must not know any
firmware's words: it cuts the traffic into lines and that is all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fleetctl.agent.wire import Heard, Wire
from fleetctl.clock import Clock
from fleetctl.model.messages import ConsoleEntry, ConsoleLines
from fleetctl.transport.blanking import Blanker, blank_line

ENTRIES_KEPT = 500
TEXT_MOST = 300
ANSWERED_MOST = 200
"""Entries in one answer; a page asks for the rest by number."""

WATCHED_S = 10.0
"""How long after the last look the traffic is still listened to."""


class Console:
    """The ring. What it keeps has its secrets blanked."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        """Empty; listens to nothing."""
        self._wire = wire
        self._clock = clock
        self._entries: deque[ConsoleEntry] = deque(maxlen=ENTRIES_KEPT)
        self._last = 0
        self._watched_until_s: float | None = None
        self._partial: dict[str, bytearray] = {}
        self._blankers: dict[str, Blanker] = {}

    def asked(self, text: str) -> None:
        """A person sent a line."""
        self._add("asked", blank_line(text))

    def answered(self, lines: Iterable[str]) -> None:
        """What the machine answered to it."""
        for line in lines:
            self._add("answer", blank_line(line))

    def refused(self, reason: str) -> None:
        """Why it was not done."""
        self._add("refused", blank_line(reason))

    def told(self, text: str) -> None:
        """What the driver says of the machine."""
        self._add("told", blank_line(text))

    def lines(self, after: int, traffic: bool) -> ConsoleLines:
        """Entries numbered above `after`, the newest if there are many. `traffic`: watch the link for a while."""
        if traffic:
            self._watch()
        newer = [entry for entry in self._entries if entry.number > after]
        first = self._entries[0].number if self._entries else self._last + 1
        return ConsoleLines(first=first, last=self._last, entries=tuple(newer[-ANSWERED_MOST:]))

    def _watch(self) -> None:
        now_s = self._clock.monotonic()
        if self._watched_until_s is None or self._watched_until_s < now_s:
            self._partial.clear()  # what was begun then is not continued by what comes now
            self._blankers.clear()
        self._watched_until_s = now_s + WATCHED_S
        self._wire.listen(self._hear)

    def _hear(self, way: Heard, data: bytes) -> None:
        if self._watched_until_s is None or self._clock.monotonic() > self._watched_until_s:
            self._wire.forget(self._hear)
        elif way in ("in", "out", "urgent"):
            self._traffic(way, data)

    def _traffic(self, way: str, data: bytes) -> None:
        blanked = self._blankers.setdefault(way, Blanker()).blank(data)
        partial = self._partial.setdefault(way, bytearray())
        partial += blanked
        *whole, rest = partial.replace(b"\r", b"\n").split(b"\n")
        if way == "urgent" and rest:  # real-time bytes come without a line end
            whole, rest = [*whole, rest], bytearray()
        self._partial[way] = rest[-TEXT_MOST:]
        for line in whole:
            if line:
                self._add("in" if way == "in" else "out", line.decode("utf-8", "backslashreplace"))

    def _add(self, way: str, text: str) -> None:
        self._last += 1
        at_s = self._clock.wall().timestamp()
        self._entries.append(ConsoleEntry(number=self._last, at_s=at_s, way=way, text=text[:TEXT_MOST]))
