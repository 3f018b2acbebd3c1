"""What the Marlin engine makes of each line from the board.

Calls only `sending` and `state` below it. The words themselves are in `words`; why an answer is believed or not is in
this folder's README.
"""

from __future__ import annotations

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import Position, PositionSuspect, RunEndKind, Temperatures, Verb, VerbDone
from fleetctl.protocol.numbering import Request

from . import words
from .link import Ask, Sent
from .sending import Sending
from .state import DEAF, RUN_IN_HAND, Phase
from .words import Word

RESEND_OK_S = 0.5
"""Of two Marlin sources one follows `Resend:` with an `ok` and the other does not; OctoPrint waits as long."""


class Answers(Sending):
    """Lines from the board."""

    def _line(self, line: bytes, now: float) -> None:
        word = words.classify(line)
        if self._resend_ok_due_s is not None:
            self._resend_ok_due_s = None
            if word is Word.OK:
                return
        if word is Word.OK:
            self._ok(line, now)
        elif word is Word.BANNER:
            self._banner(now)
        elif word is Word.HALT:
            self._halted(line.decode("latin-1"))
        elif self._phase in DEAF:
            return
        elif word is Word.BUSY:
            self._watch.busy_seen = True
            self._watch.alive()
        elif word is Word.WAITS_FOR_PERSON:
            self._watch.busy_seen = True
            self._wait_for_person()
        elif word is Word.RESEND:
            self._resend(line, now)
        elif word is Word.TEMPERATURES:
            self._temperatures(line)
        elif word is Word.ACTION:
            self._action(line.decode("latin-1").partition("action:")[2].strip())
        elif word is Word.ERROR:
            self._error(line.decode("latin-1"))
        elif word is Word.TEXT:
            self._text(line)

    def _ok(self, line: bytes, now: float) -> None:
        if self._phase is Phase.GREETING:
            if self._greeting.ok(now):
                self._identify()
            return
        if self._phase is Phase.FAULT or self._proves_nothing(line, now):
            return
        tag = self._link.answered()
        if (free := words.free_buffer(line)) is not None:
            self._link.learn_window(free)
        self._watch.alive()
        if self._waiting:
            self._waiting = False
            self._tell(Activity.PAUSED if self._phase is Phase.PAUSED else Activity.RUNNING, "")
        self._answered(tag, now)

    def _proves_nothing(self, line: bytes, now: float) -> bool:
        """Use what only one kind of line can be answered with to tell a lost ok and a surplus one (see README)."""
        if b"T:" in line:
            self._temperatures(line)
            if not any(isinstance(tag, Ask) and tag.text == "M105" for tag in self._link.window.tags()):
                return self._ok_has_temperature
            while not (isinstance(oldest := self._link.oldest, Ask) and oldest.text == "M105"):
                self._answered(self._link.answered(), now)
            self._ok_has_temperature = True
            return False
        oldest = self._link.oldest
        if not isinstance(oldest, Ask):
            return oldest is None and not self._link.window
        if oldest.text == "M105":
            return self._ok_has_temperature
        return oldest.wants_answer and not oldest.lines

    def _answered(self, tag: Sent, now: float) -> None:
        if isinstance(tag, tuple):
            self._acknowledged_line = tag[1]
            self._acknowledged_bytes = tag[2]
        elif isinstance(tag, Ask) and tag.done is not None:
            tag.done(tag, now)

    def _resend(self, line: bytes, now: float) -> None:
        number = words.resend_number(line)
        if number is None:
            return
        self._resend_ok_due_s = now + RESEND_OK_S
        self._watch.alive()
        request = self._link.requested(number)
        if request is Request.LOST or request is Request.GIVE_UP:
            why = "a line that was never sent" if request is Request.LOST else "the same line too often"
            reason = f"the firmware asks for {why} ({number}){self._at()}"
            self._break_off(RunEndKind.INTERRUPTED, reason, fault="resend", position_lost=self._moving())

    def _temperatures(self, line: bytes) -> None:
        readings = words.temperatures(line)
        if readings:
            self._targets_degc.update((name, target) for name, (_, target) in readings.items())
            self._events.append(Temperatures(readings))
        if b" W:" in line:  # only M109 and M190 say how long they still wait; automatic reports come always
            self._watch.alive()

    def _text(self, line: bytes) -> None:
        position = words.position(line)
        if position is not None:
            self._events.append(Position(position))
        oldest = self._link.oldest
        if isinstance(oldest, Ask):
            oldest.lines.append(line.decode("latin-1"))

    def _error(self, text: str) -> None:
        """An error that nobody has classified: stop in a controlled way rather than make a bad part."""
        oldest = self._link.oldest
        if isinstance(oldest, Ask):
            oldest.lines.append(text)
            oldest.failed = True
        elif self._phase in RUN_IN_HAND:
            self._end_run(RunEndKind.FAILED, f"{text}{self._at()}")

    def _banner(self, now: float) -> None:
        """The board was reset: nothing in flight exists any more."""
        if self._phase is Phase.GREETING:
            self._greeting.banner(now)
            return
        moved = self._phase in RUN_IN_HAND
        self._ended(RunEndKind.INTERRUPTED, f"the board was reset{self._at()}")
        self._events.append(PositionSuspect("the board was reset" + (" during a run" if moved else "")))
        self._greet(now)
        self._greeting.banner(now)

    def _halted(self, text: str) -> None:
        kind = words.halt_kind(text)
        if self._phase is Phase.FAULT:
            if kind == "kill":
                self._events.append(VerbDone(Verb.STOP))
            return
        self._break_off(RunEndKind.FAILED, f"{text}{self._at()}", fault=kind, position_lost=True, text=text)

    def _action(self, action: str) -> None:
        """What the machine's own panel or firmware tells the host (Marlin, host_actions.cpp)."""
        verb, _, text = action.partition(" ")
        if verb == "prompt_begin":
            self._prompt = text
        elif verb == "prompt_show":
            self._wait_for_person()
        elif verb in ("pause", "paused") and self._phase is Phase.RUNNING:
            self._hold("paused at the machine")
        elif verb in ("resume", "resumed") and self._phase is Phase.PAUSED:
            self._go_on()
        elif verb == "cancel" and self._phase in RUN_IN_HAND:
            self._end_run(RunEndKind.CANCELLED, "cancelled at the machine")
