"""Lines on their way to Grbl: character counting for the program, one at a time for everything else.

It must not know states, alarms or why a line is sent. Grbl answers every line with exactly one `ok` or `error:n`, in
order, and takes what does not fit its receive buffer silently away, so a line goes out only when the lines not yet
answered and this one fit together (Grbl 1.1, interface.md "Streaming Protocol: Character-Counting").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fleetctl.errors import MachineError
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.window import Window

from . import words

DEFAULT_BUDGET_BYTES = 127
"""Grbl's ring holds 128 bytes; its own document says 127 in one place, so one stays free."""

TAKE_LINES = 16

Done = Callable[["Ask", int], None]
"""Called with the error number, 0 for ok."""


@dataclass(slots=True, eq=False)
class Ask:
    """One line of our own. `expects` is the beginning of a line that always precedes its ok."""

    text: str
    done: Done | None = None
    ticket: int = 0
    expects: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def was_heard(self) -> bool:
        """An ok may belong to it."""
        return not self.expects or any(line.startswith(self.expects) for line in self.lines)


ProgramLine = tuple[bytes, int, int]
"""As the feeder gives it: line with its end, source line, bytes of the program up to its end."""


class Sender:
    """`output` collects what must be written. `feeding` lets lines of the program go out."""

    def __init__(self) -> None:
        self.window: Window[ProgramLine | Ask] = Window(max_bytes=DEFAULT_BUDGET_BYTES)
        self.output: list[bytes] = []
        self.asks: list[Ask] = []
        self.feeder: Feeder | None = None
        self.feeding = False
        self.sent_line = 0
        self._ready: deque[ProgramLine] = deque()

    def set_budget(self, rx_bytes: int) -> None:
        """The controller said how large its receive buffer is."""
        if rx_bytes > 1:
            self.window.max_bytes = rx_bytes - 1

    def begin(self, feeder: Feeder) -> None:
        """A program to feed."""
        self.feeder = feeder
        self.feeding = True
        self.sent_line = 0
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
        self._ready.clear()

    def reset(self) -> list[Ask]:
        """The controller dropped all it had; gives our own lines that will not be answered."""
        lost = [tag for tag in self.window.reset() if isinstance(tag, Ask)] + self.asks
        self.asks = []
        self.output.clear()
        return lost

    @property
    def program_done(self) -> bool:
        """Every line of the program went out and was answered."""
        return self.feeder is not None and not self._ready and not self.window and self.feeder.exhausted

    def fill(self) -> None:
        """Send what fits. Raises what the feeder refuses, and MachineError for a word that must not be streamed."""
        if self.asks and not self.window:
            ask = self.asks.pop(0)
            self._send(ask.text.encode("ascii") + b"\n", ask)
            return
        if self.asks or not self.feeding or self.feeder is None:
            return
        while True:
            if not self._ready:
                self._ready.extend(self.feeder.take(TAKE_LINES))
                if not self._ready:
                    return
            line = self._ready[0]
            if not self.window.fits(len(line[0])):
                return
            if why := words.refusal(line[0]):
                raise MachineError(f"{why}: {line[0].decode('latin-1').strip()}.", line=line[1])
            self._ready.popleft()
            self._send(line[0], line)
            self.sent_line = line[1]

    def _send(self, data: bytes, tag: ProgramLine | Ask) -> None:
        self.window.sent(len(data), tag)
        self.output.append(data)
