"""Lines on their way to TinyG: a few of the program in flight, one at a time for everything else.

Each line is answered by exactly one `r`, in order; four lines in flight are what g2core's wiki recommends (Line Mode
Protocol), and 250 bytes fit TinyG's ring of 254 (xio_usb.c). It must not know states or why a line is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fleetctl.errors import FleetctlError, MachineError
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.window import Window

from . import words
from .words import Answer

LINES_IN_FLIGHT = 4
RX_BYTES = 250
LINE_MOST_BYTES = 120

Done = Callable[["Ask", int], None]


@dataclass(slots=True, eq=False)
class Ask:
    """One line of our own; `done` gets its status, 0 for ok, and `lost` the reason when it will never be answered."""

    text: str
    done: Done | None = None
    ticket: int = 0
    lost: Callable[[str], None] | None = None
    lines: list[str] = field(default_factory=list)
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a JSON line asks for or sets; empty for G-code."""
        return self.text.split('"')[1] if self.text.startswith('{"') else ""

    def is_answered_by(self, answer: Answer, size_extra: int | None) -> bool:
        """A question names its answer, and the answer the size of its line; one that does not fit was asked before
        a reset, or by somebody else."""
        if size_extra is not None and answer.size_bytes - size_extra != len(self.text) + 1:
            return False
        return not self.name or bool(answer.status) or self.name in answer.body


ProgramLine = tuple[bytes, int, int]
"""As the feeder gives it: line with its end, source line, bytes of the program up to its end."""


class Sender:
    """`output` collects what must be written; `feeding` lets lines of the program go out.

    `held` is the line with a program stop or tool change at which the program stands: nothing behind it goes out
    until `go_on`. `on` is what the program switched on and not off again: `spindle` (M3 or M4), `speed` (S), `mist`
    and `flood`.
    """

    def __init__(self) -> None:
        self.window: Window[ProgramLine | Ask] = Window(max_lines=LINES_IN_FLIGHT, max_bytes=RX_BYTES)
        self.output: list[bytes] = []
        self.asks: deque[Ask] = deque()
        self.aside: dict[str, Ask] = {}
        """By name: sent beside the lines, because this firmware reads JSON ahead of them."""
        self.feeder: Feeder | None = None
        self.feeding = False
        self.sent_line = 0
        self.held: ProgramLine | None = None
        self.on: dict[str, str] = {}
        self.size_extra: int | None = None
        """What the size in a footer is above that of the line as it was sent; None when sizes fit nothing."""
        self._ready: deque[ProgramLine] = deque()
        self._refused: FleetctlError | None = None

    def begin(self, feeder: Feeder) -> None:
        """A program to feed, from `feeding` on."""
        self.feeder, self.feeding = feeder, False
        self.sent_line, self.held, self.on, self._refused = 0, None, {}, None
        self._ready.clear()

    def head(self, most_lines: int) -> list[bytes]:
        """The first lines of a program of which none went out yet, as far as they are read, up to one that the
        feeder refuses; that one is raised by `fill` in its turn."""
        while self.feeder is not None and len(self._ready) < most_lines and self._refused is None:
            try:
                lines = self.feeder.take(LINES_IN_FLIGHT)
            except FleetctlError as error:
                self._refused = error
                break
            if not lines:
                break
            self._ready.extend(lines)
        return [line[0] for line in self._ready]

    @property
    def read_out(self) -> bool:
        """Nothing of the program follows what `head` gave."""
        return self._refused is not None or (self.feeder is not None and self.feeder.exhausted)

    def end(self) -> None:
        """No line of the program goes out any more."""
        self.feeder, self.feeding, self.held = None, False, None
        self._ready.clear()

    def reset(self) -> list[Ask]:
        """It dropped all it had; gives our own lines that will not be answered."""
        lost = [tag for tag in self.window.reset() if isinstance(tag, Ask)]
        lost += [*self.asks, *self.aside.values()]
        self.asks.clear()
        self.aside.clear()
        self.output.clear()
        return lost

    @property
    def drained(self) -> bool:
        """Nothing is in flight or waits to go out, but perhaps lines of the program."""
        return not self.window and not self.asks

    @property
    def program_done(self) -> bool:
        """Every line of the program went out and was answered."""
        if self.feeder is None or self._ready or not self.drained or self.held is not None:
            return False
        return self.feeder.exhausted

    def ask_aside(self, ask: Ask) -> None:
        """Send a JSON line now, whatever is in flight; its answer is told by its name."""
        self.aside[ask.name] = ask
        self.output.append(ask.text.encode("ascii") + b"\n")

    def ask_again(self) -> None:
        """The question in flight was not answered: its answer, or the question, was lost."""
        oldest = self.window.oldest()
        if isinstance(oldest, Ask) and oldest.text.endswith(":null}"):
            self.window.reset()
            self.asks.appendleft(oldest)

    def fill(self) -> None:
        """Send what fits. Raises what the feeder refuses, and MachineError for a word that must not be streamed."""
        if self.asks:
            if not self.window:
                ask = self.asks.popleft()
                self._send(ask.text.encode("ascii") + b"\n", ask)
            return
        if not self.feeding or self.feeder is None or self.held is not None:
            return
        while True:
            if not self._ready:
                if self._refused is not None:
                    raise self._refused
                self._ready.extend(self.feeder.take(LINES_IN_FLIGHT))
                if not self._ready:
                    return
            line = self._ready[0]
            data = line[0]
            if not self.window.fits(len(data)):
                return
            if why := words.refusal(data):
                raise MachineError(f"{why}: {data.decode('latin-1').strip()}.", line=line[1])
            self._ready.popleft()
            if b"M" in data and words.waits(data):
                self._hold_at(line)
                return
            self._send(data, line)
            self.sent_line = line[1]
            if b"M" in data or b"S" in data:
                self._note(data)

    def _hold_at(self, line: ProgramLine) -> None:
        """A stop comes last in its line, so all else of it goes out first; of a tool change it comes after."""
        rest = words.before_wait(line[0])
        if rest and not words.changes_tool(line[0]):
            self._send(rest, (rest, line[1], line[2]))
            self._note(rest)
        self.held, self.sent_line = line, line[1]

    def go_on(self) -> ProgramLine | None:
        """A person said so: what is left of the line goes out next, then the program as before. Gives that line."""
        line, self.held = self.held, None
        if line is not None and words.changes_tool(line[0]) and (rest := words.before_wait(line[0])):
            self._ready.appendleft((rest, line[1], line[2]))
        return line

    def _note(self, line: bytes) -> None:
        """What is on now; a program end switches everything off."""
        for letter, value in words.switches(line):
            if letter == "S":
                self.on["speed"] = value
            elif value in ("3", "4"):
                self.on["spindle"] = f"M{value}"
            elif value == "5":
                self.on.pop("spindle", None)
            elif value in ("7", "8"):
                self.on["mist" if value == "7" else "flood"] = f"M{value}"
            elif value in ("9", "2", "30"):
                for name in ("mist", "flood") if value == "9" else ("mist", "flood", "spindle"):
                    self.on.pop(name, None)

    def _send(self, data: bytes, tag: ProgramLine | Ask) -> None:
        self.window.sent(len(data), tag)
        self.output.append(data)
