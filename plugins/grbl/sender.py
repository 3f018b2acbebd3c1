"""Lines on their way to Grbl: character counting for the program, one at a time for everything else.

It must not know states, alarms or why a line is sent. Grbl answers every line with exactly one `ok` or `error:n`, in
order, and takes what does not fit its receive buffer silently away, so a line goes out only when the lines not yet
answered and this one fit together (Grbl 1.1, interface.md "Streaming Protocol: Character-Counting").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fleetctl.errors import LineTooLong, MachineError
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.window import Window

from . import words

DEFAULT_BUDGET_BYTES = 127
"""Grbl's ring holds 128 bytes; its own document says 127 in one place, so one stays free."""

RX_LEAST_BYTES = 64
"""No build has less; what says so lost digits on its way."""

START_BYTES = 257
"""As much goes out at once when a program begins, one longest line of grblHAL with its end. What is on the wire a
real-time byte has to wait for: 1023 bytes are 89 ms at 115200 baud, and much more behind a slow bridge. So a large
buffer is filled as answers come, a line more for each."""

TAKE_LINES = 16

Done = Callable[["Ask", int], None]
"""Called with the error number, 0 for ok. Not called when the controller was reset meanwhile."""


@dataclass(slots=True, eq=False)
class Ask:
    """One line of our own. `expects` is the beginning of a line that always precedes its ok. `lost` is told the
    reason when it will never be answered."""

    text: str
    done: Done | None = None
    ticket: int = 0
    expects: str = ""
    lost: Callable[[str], None] | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def was_heard(self) -> bool:
        """An ok may belong to it."""
        return not self.expects or any(line.startswith(self.expects) for line in self.lines)


ProgramLine = tuple[bytes, int, int]
"""As the feeder gives it: line with its end, source line, bytes of the program up to its end."""


class Sender:
    """`output` collects what must be written. `feeding` lets lines of the program go out.

    `change` is the line of a tool change (M6) or program stop (M0, M1) at which the program stands: it is not sent,
    and nothing behind it is, until `go_on`. `hosts_changes` is False where the machine changes tools by itself,
    `stops_at_m1` where M1 is passed over. `sent_bytes` counts all that was ever sent.
    """

    def __init__(self) -> None:
        self.window: Window[ProgramLine | Ask] = Window(max_bytes=DEFAULT_BUDGET_BYTES)
        self.budget_bytes = DEFAULT_BUDGET_BYTES
        self.output: list[bytes] = []
        self.asks: list[Ask] = []
        self.feeder: Feeder | None = None
        self.feeding = False
        self.sent_line = 0
        self.sent_bytes = 0
        self.hosts_changes = True
        self.stops_at_m1 = True
        self.change: ProgramLine | None = None
        self._ready: deque[ProgramLine] = deque()

    def set_budget(self, rx_bytes: int) -> None:
        """The controller said how large its receive buffer is; less than any has is not believed."""
        if rx_bytes >= RX_LEAST_BYTES:
            self.budget_bytes = rx_bytes - 1
            self.window.max_bytes = min(self.budget_bytes, START_BYTES)

    def begin(self, feeder: Feeder) -> None:
        """A program to feed."""
        self.feeder = feeder
        self.feeding = True
        self.sent_line = 0
        self.change = None
        self.window.max_bytes = min(self.budget_bytes, START_BYTES)
        self._ready.clear()

    def head(self, most_lines: int) -> list[bytes]:
        """The first lines of a program of which none went out yet, as far as they are read. Raises what the feeder
        refuses."""
        while self.feeder is not None and len(self._ready) < most_lines:
            lines = self.feeder.take(TAKE_LINES)
            if not lines:
                break
            self._ready.extend(lines)
        return [line[0] for line in self._ready]

    def end(self) -> None:
        """No line of the program goes out any more."""
        self.feeder = None
        self.feeding = False
        self.change = None
        self._ready.clear()

    def go_on(self) -> bool:
        """A person did what the program stood for: what else is on the line of a tool change goes out next, and then
        the program as before. Whether that line is done with."""
        if self.change is None:
            return True
        line, source_line, offset_bytes = self.change
        rest = words.without_change(line) if self.stands_at_change else None
        self.change = None
        if rest is None or not rest.strip():
            return True
        self._ready.appendleft((rest, source_line, offset_bytes))
        return False

    @property
    def stands_at_change(self) -> bool:
        """The program stands at a tool change, and not at a stop: of the two on one line the change comes first."""
        return self.change is not None and self.hosts_changes and words.without_change(self.change[0]) is not None

    def _waits_at(self, line: ProgramLine) -> bool:
        """A person is waited for at this line, which is not sent."""
        data = line[0]
        if self.hosts_changes and words.without_change(data) is not None:
            return True
        stop = words.stop_in(data)
        return stop == "M0" or (stop == "M1" and self.stops_at_m1)

    def reset(self) -> list[Ask]:
        """The controller dropped all it had; gives our own lines that will not be answered."""
        lost = [tag for tag in self.window.reset() if isinstance(tag, Ask)] + self.asks
        self.asks = []
        self.output.clear()
        return lost

    def answered(self) -> None:
        """The oldest line was answered; a window that is not as large as the buffer yet grows by a line."""
        window = self.window
        limit_bytes = window.max_bytes or 0
        if limit_bytes < self.budget_bytes:
            window.max_bytes = min(self.budget_bytes, limit_bytes + self.oldest_bytes)
        window.answered()

    @property
    def unwritten_bytes(self) -> int:
        """Sent as far as counting goes, and not taken to be written yet."""
        return sum(map(len, self.output))

    @property
    def oldest_bytes(self) -> int:
        """Size of the line that is answered next, with its end."""
        oldest = self.window.oldest()
        if oldest is None:
            return 0
        return len(oldest.text) + 1 if isinstance(oldest, Ask) else len(oldest[0])

    @property
    def program_done(self) -> bool:
        """Every line of the program went out and was answered."""
        if self.feeder is None or self._ready or self.window or self.change is not None:
            return False
        return self.feeder.exhausted

    def fill(self) -> None:
        """Send what fits. Raises what the feeder refuses, and MachineError for a word that must not be streamed."""
        if self.asks and not self.window:
            ask = self.asks.pop(0)
            self._send(ask.text.encode("ascii") + b"\n", ask)
            return
        if self.asks or not self.feeding or self.feeder is None or self.change is not None:
            return
        while True:
            if not self._ready:
                self._ready.extend(self.feeder.take(TAKE_LINES))
                if not self._ready:
                    return
            line = self._ready[0]
            data = line[0]
            if not self.window.fits(len(data)):
                if not self.window:
                    held = f"the line has {len(data)} bytes, and the controller's receive buffer {self.budget_bytes}"
                    raise LineTooLong(f"{held}.", line=line[1])
                return
            if why := words.refusal(data):
                raise MachineError(f"{why}: {data.decode('latin-1').strip()}.", line=line[1])
            self._ready.popleft()
            if b"M" in data:
                if self._waits_at(line):
                    self.change = line
                    return
                if words.stop_in(data):  # M1 where nobody wants to stop: some firmware would
                    data = words.without_stop(data)
                    if not data:
                        continue
                    line = (data, line[1], line[2])
            self._send(data, line)
            self.sent_line = line[1]

    def _send(self, data: bytes, tag: ProgramLine | Ask) -> None:
        self.window.sent(len(data), tag)
        self.sent_bytes += len(data)
        self.output.append(data)
