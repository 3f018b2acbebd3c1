"""The Marlin protocol without input and output: one state machine over numbered, checksummed lines.

It must not know transports, files or runs' ids. This is the top of four layers; `answers` reads the board's lines,
`sending` decides what goes out, `state` remembers. Lines in flight are `link`, the greeting `identify`, the words
`words`, the clock for a missing answer `watch`. The facts behind the rules are in this folder's README.
"""

from __future__ import annotations

import re

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import EngineEvent, RunEndKind, Verb, VerbDone
from fleetctl.protocol.feeder import Feeder, frame_line

from .link import Ask
from .overrides import Overriding
from .state import DEAF, POLL_S, RUN_IN_HAND, Phase
from .watch import Overdue, Pace

COUNTS = re.compile(r"M *0*110(?!\d)", re.IGNORECASE)
"""M110, as Marlin's parser reads it: it would set the line number by which both sides count."""


class MarlinEngine(Overriding):
    """`fleetctl.protocol.engine.Engine` for the Marlin family."""

    urgent_is_lines = True

    @property
    def line_max_bytes(self) -> int:
        """The line buffer of the firmware that answered, closing zero included."""
        return self._quirks.line_max_bytes

    @property
    def quoted_text(self) -> bool:
        """What stands in quotes is text to the firmware that answered."""
        return self._quirks.quoted_text

    # Bytes and time

    def connected(self, now: float) -> None:
        """Greet the board."""
        self._greet(now)

    def receive(self, data: bytes, now: float) -> None:
        """Lines from the board."""
        self._watch.heard_s = now
        for line in self._lines.feed(data):
            self._line(line, now)
        self._step(now)

    def elapse(self, now: float) -> None:
        """Act on what is due."""
        self._greeting.elapse(now)
        if self._resend_ok_due_s is not None and now >= self._resend_ok_due_s:
            self._resend_ok_due_s = None
        if self._in_step_by_s is not None and now >= self._in_step_by_s:
            self._out_of_step()
        if self._half_error_due_s is not None and now >= self._half_error_due_s:
            self._half_error_ends("")
        if self._answer_over_s is not None and now >= self._answer_over_s:
            self._answer_is_over(now)
        if self._late_due_s is not None and now >= self._late_due_s:
            self._answer_is_late(now)
        overdue = self._watch.overdue(now)
        if overdue is Overdue.ASK and self._pace() is Pace.PERSON:
            self._wait_for_person()
        elif overdue is Overdue.ASK:
            self._ask_again()
        elif overdue is Overdue.GIVE_UP:
            self._answer_lost(now)
        if (quiet_at_s := self._quiet_at_s()) is not None and now >= quiet_at_s:
            self._fell_silent()
        if self._poll_due_s is not None and now >= self._poll_due_s:
            self._poll_due_s = now + POLL_S
            if self._phase in RUN_IN_HAND or self._phase is Phase.IDLE:
                self._add_polls()
        self._step(now)

    def next_deadline(self) -> float | None:
        """The earliest of all that is due."""
        due = (
            self._greeting.due_s,
            self._resend_ok_due_s,
            self._in_step_by_s,
            self._half_error_due_s,
            self._answer_over_s,
            self._late_due_s,
            self._watch.due_s,
            self._quiet_at_s(),
            self._poll_due_s,
            self._jog_due_s,
        )
        return min((time for time in due if time is not None), default=None)

    def take_output(self) -> bytes:
        """What must go out now."""
        output = b"".join((*self._raw, *self._greeting.output, *self._link.output))
        self._raw.clear()
        self._greeting.output.clear()
        self._link.output.clear()
        return output

    def take_urgent(self) -> bytes:
        """Emergency lines."""
        urgent = b"".join(self._urgent)
        self._urgent.clear()
        return urgent

    def discards_output(self) -> bool:
        """True once after a stop."""
        discard, self._discard = self._discard, False
        return discard

    def events(self) -> list[EngineEvent]:
        """What happened."""
        events, self._events = self._events, []
        return events

    # Verbs

    def start(self, feeder: Feeder, now: float) -> None:
        """Stream a program."""
        self._need_idle()
        self._feeder = feeder
        self._reheat = []
        self._forget_position()
        self._reset_overrides()
        self._acknowledged_line = self._acknowledged_bytes = self._sent_line = 0
        self._told = (0, 0)
        self._enter(Phase.RUNNING, "")
        self._step(now)

    def pause(self, now: float) -> None:
        """Feed no more, let the planner run dry (M400), then say so."""
        if self._phase is not Phase.RUNNING:
            raise MachineError("There is no running program to pause.")
        self._hold("paused")
        self._step(now)

    def resume(self, now: float) -> None:
        """Feed on, or wake the firmware from its wait."""
        if self._waiting:
            self._wake()
        elif self._phase is Phase.PAUSED:
            self._go_on()
        else:
            raise MachineError("There is no paused program.")
        self._step(now)

    def cancel(self, now: float) -> None:
        """Feed no more; heaters off; done when the planner is dry."""
        if self._phase not in RUN_IN_HAND:
            raise MachineError("There is no run to cancel.")
        self._end_run(RunEndKind.CANCELLED, "cancelled")
        self._step(now)

    def stop(self, now: float) -> None:
        """M112 as plain text for those that look at every byte, and numbered for those that check numbers."""
        self._discard = True
        self._stopped_by_us = True
        numbered = frame_line(self._link.history.next_number, b"M112")
        self._urgent = [self._quirks.stop, b"\nM112\n", numbered, b"M104 S0\nM140 S0\n"]
        self._raw.clear()
        self._break_off(RunEndKind.INTERRUPTED, "software stop", fault="stop", position_lost=True)

    def command(self, text: str, now: float) -> int:
        """One line outside a run."""
        line = text.strip(" \t\r\n")
        if not line or not line.isascii() or not line.isprintable() or line[0] in "Nn" or COUNTS.search(line):
            raise UsageError(f"{text!r} cannot be sent.", hint="Give one command without line number, and not M110.")
        if self.in_run(line):
            return self._ask_any_time(line, now)
        self._need_idle()
        return self._ask(line, self._command_done, ticket=True, now=now)

    def clear_fault(self, now: float) -> None:
        """The firmware's own way out of a stop (M999), then greet anew; a board that was killed needs its reset."""
        if self._phase in RUN_IN_HAND:
            raise MachineBusy("A run is in hand.")
        clear = self._quirks.clear
        self._raw.append(f"\n{clear}\n".encode() if clear else b"\n")
        self._clearing = True
        self._stopped_by_us = False
        self._greet(now)

    def answer_prompt(self, choice: int, now: float) -> None:
        """M876 S<choice>, which a firmware that waits hears through its emergency parser."""
        if not self._asked_a_person:
            raise MachineError("The machine asks nothing.")
        if not 0 <= choice < max(1, len(self._choices)):
            raise MachineError(f"There is no choice {choice}.", hint=f"It asks: {self._question()}.")
        if self._can("EMERGENCY_PARSER"):
            self._urgent.append(b"M876 S%d\n" % choice)
        elif self._waiting:
            raise MachineError("This firmware hears nothing while it waits.", hint="Press the button at the machine.")
        else:
            self._asks.append(Ask(f"M876 S{choice}"))
        self._close_prompt()
        self._was_woken = self._waiting
        self._step(now)

    def home(self, now: float) -> None:
        """G28."""
        self._need_idle()
        self._ask("G28", self._homed, now=now)
        self._tell(Activity.RUNNING, "homing")

    def make_safe(self, now: float) -> None:
        """Heaters and fan off."""
        if self._phase in DEAF:
            self._raw.append("\n".join(["", *self._safe_lines(), ""]).encode())
            self._events.append(
                VerbDone(Verb.MAKE_SAFE, "Heaters off was sent, but a halted firmware does not answer. Look at it.")
            )
            return
        if self._waiting and not self._wait_here_instead():
            self._events.append(
                VerbDone(Verb.MAKE_SAFE, "The firmware waits for a person and takes no command; its heat stays on.")
            )
            return
        if self._phase is Phase.PAUSED and not self._reheat:
            self._reheat = self._heating_lines()
        for line in self._safe_lines():
            self._asks.append(Ask(line))
        self._asks[-1].done = lambda ask, now: self._events.append(VerbDone(Verb.MAKE_SAFE))
        self._step(now)
