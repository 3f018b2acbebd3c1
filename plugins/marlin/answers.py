"""What the Marlin engine makes of each line from the board.

Calls only `sending` and `state` below it. The words themselves are in `words`, how firmwares differ in `quirks`; why
an answer is believed or not is in this folder's README.
"""

from __future__ import annotations

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import (
    Message,
    Position,
    PositionSuspect,
    Prompted,
    RunEndKind,
    Temperatures,
    Verb,
    VerbDone,
)
from fleetctl.protocol.numbering import Request

from . import words
from .link import Ask, Sent
from .quirks import ResendOk
from .sending import Sending
from .state import DEAF, RUN_IN_HAND, Phase
from .watch import Pace
from .words import Word

RESEND_OK_S = {ResendOk.ALWAYS: 2.0, ResendOk.EITHER: 0.5, ResendOk.NEVER: None}
"""How long the `ok` that belongs to `Resend:` is waited for. OctoPrint waits 0.5 s where it may not come; where it
always comes it may be late on a bridge, and would be taken for the answer of the repeated line."""

HALF_ERROR_S = 0.5
"""Marlin 1.1 prints `Error:0` and the rest of the sentence on the next line, at once."""

ANSWER_OVER_S = 0.5
"""A firmware that says ok when it has read a line says nothing at the end of its answer; so much silence is one."""

SHOWN = frozenset({"filament_runout", "out_of_filament", "probe_failed", "probe_rewipe", "uvlo_recovery_ready"})
HALTED = frozenset({"disconnect", "poweroff", "kill"})
"""ACTION_ON_KILL in its usual wordings (Marlin, Configuration_adv.h)."""


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
        elif self._half_error:
            self._half_error_ends(line.decode("latin-1"))
        elif word is Word.BANNER:
            self._banner(now)
        elif word is Word.HALT:
            self._halted(line.decode("latin-1"))
        elif self._phase in DEAF:
            return
        elif word is Word.BUSY:
            self._watch.busy_seen = True
            self._watch.alive()
            self._late_due_s = None
            if self._was_woken and not self._asked_a_person:
                self._was_woken = False
                self._waits_no_more()  # it loads filament, say, and may ask again
        elif word is Word.TEMPERATURES:
            self._temperatures(line)
        elif word is Word.RESEND:
            self._resend(line, now)
        else:
            self._rarer(word, line, now)

    def _rarer(self, word: Word, line: bytes, now: float) -> None:
        if word is Word.WAITS_FOR_PERSON:
            self._watch.busy_seen = True
            self._wait_for_person()
        elif word is Word.ACTION:
            self._action(line.decode("latin-1").partition("action:")[2].strip())
        elif word is Word.HALF_ERROR:
            self._half_error = line.decode("latin-1")
            self._half_error_due_s = now + HALF_ERROR_S
        elif word is Word.ERROR:
            self._error(line.decode("latin-1"))
        elif word is Word.WAIT:
            self._nothing_to_do(now)
        elif word is Word.POWER_PANIC:
            self._power_panic()
        elif word is Word.CARD:
            self._card(words.card_is_printing(line))
        elif word is Word.NOT_EXTRUDED:
            self._not_extruded(line, now)
        elif word is Word.TEXT:
            self._text(line, now)

    # Acknowledgements

    def _ok(self, line: bytes, now: float) -> None:
        if self._phase is Phase.GREETING:
            if self._greeting.ok(now):
                self._identify()
            return
        if self._phase is Phase.FAULT:
            return
        if len(line) == 2:
            if self._oks_are_named:
                return  # what acknowledges a line names it; this one belongs to `skip n` or to a request
        elif self._quirks.ok_names_line and not self._catches_up(words.acknowledged(line), now):
            return
        if self._proves_nothing(line, now):
            return
        tag = self._link.answered()
        if self._quirks.trusts_room and (free := words.free_buffer(line)) is not None:
            self._link.learn_window(free)
        self._watch.alive()
        self._waits_no_more()
        self._answered(tag, now)

    def _waits_no_more(self) -> None:
        if self._waiting:
            self._waiting = False
            self._close_prompt()
            self._tell(Activity.PAUSED if self._phase is Phase.PAUSED else Activity.RUNNING, "")

    def _catches_up(self, number: int | None, now: float) -> bool:
        """An ok that names its line: take all before it as answered. Whether it acknowledges the oldest line now."""
        link = self._link
        if number is None:
            return True
        if number < link.oldest_number:
            return False  # a surplus ok
        if number >= link.oldest_number + len(link.window):
            return False  # spoiled on the way; the next one makes up for it
        self._oks_are_named = True
        while link.oldest_number < number:
            self._answered(link.answered(), now)
        return True

    def _proves_nothing(self, line: bytes, now: float) -> bool:
        """Use what only one kind of line can be answered with to tell a lost ok and a surplus one (see README)."""
        if b"T:" in line:
            self._temperatures(line)
            if not any(isinstance(tag, Ask) and tag.text == "M105" for tag in self._link.window.tags()):
                return self._ok_has_temperature
            while not (isinstance(oldest := self._link.oldest, Ask) and oldest.text == "M105"):
                if self._phase in RUN_IN_HAND and not self._checks_order:
                    self._acknowledgement_lost()
                    return True
                self._answered(self._link.answered(), now)
            oldest.add(line.decode("latin-1").removeprefix("ok").strip())  # the answer stands in the ok
            self._ok_has_temperature = True
            return False
        oldest = self._link.oldest
        if not isinstance(oldest, Ask):
            return oldest is None and not self._link.window
        if oldest.text == "M105":
            return self._ok_has_temperature
        if not oldest.wants_answer or oldest.lines or self._quirks.taken_is_ok:
            return False
        if oldest.text == "M114" and words.position(line) is not None:
            self._text(line, now)  # Smoothieware's answer stands in its ok
            return False
        oldest.answered_early = True
        return True

    def _answered(self, tag: Sent, now: float) -> None:
        if isinstance(tag, tuple):
            self._acknowledged_line = tag[1]
            self._acknowledged_bytes = tag[2]
        elif isinstance(tag, Ask):
            self._answer_over_s = None
            if self._quirks.taken_is_ok and tag.wants_answer and not tag.lines:
                self._late.append(tag)
            elif tag.done is not None and not tag.deferred:
                tag.done(tag, now)

    def _answer_is_over(self, now: float) -> None:
        """The ok came first and nothing more is said: this firmware says ok when it has read a line."""
        self._answer_over_s = None
        oldest = self._link.oldest
        if isinstance(oldest, Ask) and oldest.answered_early and oldest.lines:
            self._watch.alive()
            self._answered(self._link.answered(), now)

    def _resend(self, line: bytes, now: float) -> None:
        number = words.resend_number(line)
        if number is None:
            return
        wait_s = RESEND_OK_S[self._quirks.resend_ok]
        self._resend_ok_due_s = None if wait_s is None else now + wait_s
        self._was_asked = True
        self._watch.alive()
        request = self._link.requested(number)
        if request is Request.ALREADY_REPEATED and self._pace() is Pace.QUICK:
            self._watch.doubt(now)
        if request is Request.LOST or request is Request.GIVE_UP:
            why = "a line that was never sent" if request is Request.LOST else "the same line too often"
            if was_reset := self._link.is_long_done(number):
                why = "a line that it did long ago, so it was reset"
            reason = f"the firmware asks for {why} ({number}){self._at()}"
            self._break_off(RunEndKind.INTERRUPTED, reason, fault="resend", position_lost=was_reset or self._moving())

    def _nothing_to_do(self, now: float) -> None:
        """`wait`: the queue is empty, so a line in flight or its ok got lost. The first may cross it on the wire."""
        if not self._link.window or self._waiting:
            return
        if self._idle_at_number == self._link.oldest_number:
            self._watch.hurry(now)
        self._idle_at_number = self._link.oldest_number

    # Reports and texts

    def _temperatures(self, line: bytes) -> None:
        readings = words.temperatures(line)
        if readings:
            self._targets_degc.update((name, target) for name, (_, target) in readings.items())
            self._events.append(Temperatures(readings))
        # Only M109 and M190 say how long they still wait; where nothing reports by itself, any reading is theirs.
        if b" W:" in line or (not self._reports_temperature and line[:3].lstrip().startswith(b"T")):
            self._watch.alive()

    def _text(self, line: bytes, now: float) -> None:
        position = words.position(line)
        if position is not None:
            self._events.append(Position(position))
        text = line.decode("latin-1")
        if self._late and position is not None:
            ask = self._late.popleft()
            self._late_due_s = None
            ask.lines.append(text)
            self._watch.alive()
            if ask.done is not None:
                ask.done(ask, now)
            return
        if self._collector is not None:
            self._collector.add(text)
            return
        oldest = self._link.oldest
        if isinstance(oldest, Ask):
            oldest.add(text)
            if oldest.answered_early:
                self._answer_over_s = now + ANSWER_OVER_S

    def _card(self, printing: bool) -> None:
        """The machine prints a file of its own, started at its panel, or has ended doing so."""
        self._has_card = True
        if printing != self._card_prints and self._phase in (Phase.IDENTIFYING, Phase.IDLE):
            self._card_prints = printing
            if self._phase is Phase.IDLE:
                self._tell_card()

    # Bad news

    def _half_error_ends(self, rest: str) -> None:
        """The second line of an error, or what came instead of it."""
        text, self._half_error = f"{self._half_error} {rest}".strip(), ""
        self._half_error_due_s = None
        if words.classify(text.encode("latin-1")) is Word.HALT:
            self._halted(text)
        elif self._phase not in DEAF:
            self._error(text)

    def _error(self, text: str) -> None:
        """An error that nobody has classified: stop in a controlled way rather than make a bad part."""
        oldest = self._collector or self._link.oldest
        if isinstance(oldest, Ask):
            oldest.add(text)
            oldest.failed = True
        elif self._phase in RUN_IN_HAND:
            self._end_run(RunEndKind.FAILED, f"{text}{self._at()}")

    def _not_extruded(self, line: bytes, now: float) -> None:
        """`echo: cold extrusion prevented`, `echo: too long extrusion prevented`: it moves on without plastic,
        and says `ok`. A move that was to lay down some is a bad part; one of the extruder alone may be a
        retraction."""
        text = line.decode("latin-1").removeprefix("echo:").strip()
        oldest = self._link.oldest
        if isinstance(oldest, tuple) and words.LAYS_DOWN.search(oldest[0]):
            self._end_run(RunEndKind.FAILED, f"the firmware says: {text}{self._at()}")
        else:
            self._events.append(Message(f"The firmware says: {text}."))
            self._text(line, now)

    def _banner(self, now: float) -> None:
        """The board was reset: nothing in flight exists any more."""
        if self._phase is Phase.GREETING:
            self._greeting.banner(now)
            return
        if self._stopped_by_us and self._quirks.boots_when_stopped:
            self._events.append(VerbDone(Verb.STOP))
        self._stopped_by_us = False
        moved = self._phase in RUN_IN_HAND
        self._ended(RunEndKind.INTERRUPTED, f"the board was reset{self._at()}")
        self._events.append(PositionSuspect("the board was reset" + (" during a run" if moved else "")))
        self._greet(now)
        self._greeting.banner(now)

    def _halted(self, text: str) -> None:
        kind = words.halt_kind(text)
        if self._phase is Phase.FAULT:
            if kind == "kill" and self._stopped_by_us:
                self._events.append(VerbDone(Verb.STOP))
            return
        self._half_error = ""
        self._break_off(RunEndKind.FAILED, f"{text}{self._at()}", fault=kind, position_lost=True, text=text)

    def _power_panic(self) -> None:
        """The supply fails and the board saves itself with its last charge. It will boot when the power is back."""
        reason = f"the machine lost its power{self._at()} (power panic)"
        self._break_off(RunEndKind.INTERRUPTED, reason, fault="power-panic", position_lost=True)

    # What the panel or the firmware wants of the host (Marlin, host_actions.cpp)

    def _action(self, action: str) -> None:
        verb, _, text = action.partition(" ")
        text = text.strip()
        if verb.startswith("prompt_"):
            self._prompted(verb.removeprefix("prompt_"), text)
        elif verb in ("pause", "paused") and self._phase is Phase.RUNNING:
            self._hold(f"paused at the machine{': ' + text if text else ''}")
        elif verb in ("resume", "resumed") and self._phase is Phase.PAUSED:
            self._go_on()
        elif verb == "cancel" and self._phase in RUN_IN_HAND:
            self._end_run(RunEndKind.CANCELLED, "cancelled at the machine")
        elif verb in HALTED:
            self._halted(f"the firmware was killed (//action:{verb})")
        elif verb == "notification":
            self._events.append(Message(text))
        elif verb == "shutdown":
            self._events.append(Message("The machine asks this computer to shut down; nothing was done."))
        elif verb in SHOWN:
            self._prompt = action.replace("_", " ")
            self._events.append(Message(self._prompt))

    def _prompted(self, step: str, text: str) -> None:
        if step == "begin":
            self._close_prompt()
            self._prompt = text
        elif step in ("choice", "button"):
            self._choices.append(text)
        elif step == "show" and self._choices == ["Dismiss"]:
            # It says what it does and waits for nobody: before and behind what M600 really asks (Marlin, pause.cpp).
            self._events.append(Message(self._prompt))
            self._close_prompt()
        elif step == "show":
            self._asked_a_person = True
            self._events.append(Prompted(self._prompt or "The machine asks", tuple(self._choices)))
            if self._link.window:
                self._wait_for_person()
            else:
                self._events.append(Message(self._question()))
        elif step == "end":
            self._close_prompt()
