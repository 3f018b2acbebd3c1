"""Compares the controller's own count of its receive buffer (`Bf:`) with what we believe is in it.

Grbl's lines carry no checksum and its `ok` no number, so a line that was lost on the wire, an `ok` that came twice or
a buffer that was flushed shifts every count that follows, without a word. Where reports hold `Bf:` ($10 with bit 2)
each of the three shows: bytes that were sent and not answered are either in the buffer or in the one line that is
being carried out. What went out well before the query that a report answers has arrived: a link keeps its order,
however slow it is. It must not know lines or states. `Bf:` is a check only, never flow control: a report is always a
little old (Grbl 1.1, interface.md).
"""

from __future__ import annotations

from collections import deque

FORGOTTEN_S = 5.0
"""A query that was not answered in this time was dropped, as Grbl may do; a link that stalls as long is dead."""

MARGIN_S = 0.3
"""Reports carry no number: one that nobody asked for shifts which query the next ones seem to answer. So only bytes
that went out this much earlier than that query count as arrived."""

CONFIRMATIONS = 2
"""What is lost stays lost: it must show in so many reports, one after the other."""


class BufferWatch:
    """`room_bytes` is what an empty buffer reports; None while nobody said, and then nothing is found."""

    def __init__(self) -> None:
        self.room_bytes: int | None = None
        self._unanswered: deque[float] = deque(maxlen=64)
        self._history: deque[tuple[float, int]] = deque(maxlen=64)
        self._seen = 0

    def asked(self, sent_bytes: int, now: float) -> None:
        """A query goes out behind so many bytes."""
        self._unanswered.append(now)
        self._history.append((now, sent_bytes))

    def at_rest(self, free_bytes: int) -> None:
        """A report while nothing was in flight."""
        self.room_bytes = free_bytes

    def answered(self, now: float) -> int | None:
        """A report came: how many bytes have surely arrived; None when that cannot be said."""
        while self._unanswered and now - self._unanswered[0] > FORGOTTEN_S:
            self._unanswered.popleft()
        if not self._unanswered:
            return None
        until_s = self._unanswered.popleft() - MARGIN_S
        while len(self._history) > 1 and self._history[1][0] <= until_s:
            self._history.popleft()
        then_s, sent_bytes = self._history[0]
        return sent_bytes if then_s <= until_s else None

    def look(
        self, free_bytes: int, arrived_bytes: int | None, *, sent_bytes: int, unanswered_bytes: int, oldest_bytes: int
    ) -> str:
        """What is wrong, for a person; empty when the counts fit.

        `arrived_bytes` is what `answered` gave, `sent_bytes` the total ever sent, `unanswered_bytes` of it without an
        answer, `oldest_bytes` the line that is answered next.
        """
        if self.room_bytes is None:
            return ""
        held = self.room_bytes - free_bytes
        if held > unanswered_bytes:
            return f"it holds {held} bytes, and only {unanswered_bytes} are unanswered: an answer came twice"
        if arrived_bytes is None:
            return ""
        lost = arrived_bytes - (sent_bytes - unanswered_bytes) - oldest_bytes - held
        self._seen = self._seen + 1 if lost > 0 else 0
        if self._seen < CONFIRMATIONS:
            return ""
        return f"{lost} bytes that were sent are neither in its buffer nor answered: lines were lost"
