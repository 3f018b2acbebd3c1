"""What we have sent and the machine has not answered yet: the ledger behind every way of flow control.

With one line it is send-response, with k lines a small window, with a byte limit Grbl's character counting
(gnea/grbl, doc interface.md). It must not know what a line or an answer says.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Tag = TypeVar("Tag")


class Window(Generic[Tag]):
    """Lines in flight, oldest first, each with its size and a tag of the caller's choice.

    `max_lines` bounds their number, `max_bytes` the sum of their sizes, line ends included; None means no
    bound, but one of the two must be given.
    """

    def __init__(self, *, max_lines: int | None = None, max_bytes: int | None = None) -> None:
        if max_lines is None and max_bytes is None:
            raise ValueError("a window needs a bound: max_lines or max_bytes")
        if (max_lines is not None and max_lines < 1) or (max_bytes is not None and max_bytes < 1):
            raise ValueError("a window holds at least one line and one byte")
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.surplus_answers = 0
        self._flight: deque[tuple[int, Tag]] = deque()

    def __len__(self) -> int:
        """Lines in flight."""
        return len(self._flight)

    def fits(self, size_bytes: int) -> bool:
        """Whether a line of this size may go out now."""
        if self.max_lines is not None and len(self._flight) >= self.max_lines:
            return False
        return self.max_bytes is None or self.used_bytes + size_bytes <= self.max_bytes

    def free_lines(self, otherwise: int = 1) -> int:
        """How many more lines may go out by number; `otherwise` when only bytes are bounded."""
        return otherwise if self.max_lines is None else max(0, self.max_lines - len(self._flight))

    def sent(self, size_bytes: int, tag: Tag) -> None:
        """Enter a line that goes out. Raises ValueError, changing nothing, when it does not fit."""
        if not self.fits(size_bytes):
            in_flight = f"{len(self)} lines, {self.used_bytes} bytes in flight"
            raise ValueError(f"{size_bytes} bytes do not fit: {in_flight}")
        self._flight.append((size_bytes, tag))
        self.used_bytes += size_bytes

    def answered(self) -> Tag | None:
        """The machine answered one line: take the oldest out and give its tag.

        None when nothing was in flight; such answers are counted in `surplus_answers` and never widen the
        window.
        """
        if not self._flight:
            self.surplus_answers += 1
            return None
        size_bytes, tag = self._flight.popleft()
        self.used_bytes -= size_bytes
        return tag

    def oldest(self) -> Tag | None:
        """The tag of the line that is answered next; None when nothing is in flight."""
        return self._flight[0][1] if self._flight else None

    def tags(self) -> list[Tag]:
        """The tags in flight, oldest first."""
        return [tag for _, tag in self._flight]

    def reset(self) -> list[Tag]:
        """Empty the window because the machine dropped what it had (banner, flush); gives the tags lost."""
        lost = self.tags()
        self._flight.clear()
        self.used_bytes = 0
        return lost
