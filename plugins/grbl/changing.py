"""A tool change (M6) and a program stop (M0, M1) in a program, with a person: the host stops there, and the word
itself is never sent.

Plain Grbl answers M6 with error:20, FluidNC passes over it, and grblHAL waits in a state of its own; M0 is a feed
hold on all of them, with the lines behind it in the buffer already, and M1 is passed over or waited at. So the host
does the same for all three. It lets everything before be carried out, switches spindle and coolant off, waits without
a deadline, brings them back as they were when the person says so, and goes on behind it. Calls only the layers below
it. It must not know tools or their lengths: those are the gate's.
"""

from __future__ import annotations

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import RunEndKind

from . import words
from .checking import Checking
from .ending import SYNC
from .sender import Ask

SPIN_UP = "G4P4"
"""Seconds for the spindle to come up again, as Grbl waits behind its door (config.h, SAFETY_DOOR_SPINDLE_DELAY)."""


class Changing(Checking):
    """Tool changes and program stops."""

    def _step(self, now: float) -> None:
        super()._step(now)
        change = self._sender.change
        if self._in_run and change is not None and not self._changing and not self._sender.window:
            self._changing = True
            if not self._sender.stands_at_change and (rest := words.without_stop(change[0]).strip()):
                self._sender.asks.append(Ask(rest.decode("ascii"), self._before_stop))
            self._sender.asks += [Ask(SYNC), Ask("$G", self._modes_at_change, expects="[GC:")]
            self._sender.fill()

    def _before_stop(self, ask: Ask, error: int) -> None:
        """What else is on the line of a stop was taken, or refused. The line counts as done from here on, for nobody
        who continues the run after an end in the wait may carry it out again."""
        change = self._sender.change
        if change is None:
            return
        if error:
            self._end_run(RunEndKind.FAILED, f"line {change[1]}: {self._dialect.error_text(error)}", self._now)
        else:
            self._acknowledged_line, self._acknowledged_bytes = change[1], change[2]

    def _modes_at_change(self, ask: Ask, error: int) -> None:
        modes = words.facts(ask.lines).get("modes", "").split()
        turning = [mode for mode in modes if mode in ("M3", "M4")]
        wet = [mode for mode in modes if mode in ("M7", "M8")]
        is_laser = self._facts.get("$32", "").strip("0.") != ""  # it needs no time, and would burn meanwhile
        self._back_on = [*turning, *([SPIN_UP] if turning and not is_laser else []), *wet]
        off = (["M5"] if turning else []) + (["M9"] if wet else [])
        self._tool = words.tool_named(" ".join(modes).encode())
        self._sender.asks += [Ask(line, self._switched_off) for line in off]
        if not off:
            self._wait_for_person()

    def _switched_off(self, ask: Ask, error: int) -> None:
        if error:
            what = "a tool change" if self._sender.stands_at_change else "a program stop"
            text = f"{ask.text} before {what}: {self._dialect.error_text(error)}"
            self._end_run(RunEndKind.FAILED, text, self._now)
        elif not self._sender.asks:
            self._wait_for_person()

    def _wait_for_person(self) -> None:
        sender = self._sender
        change = sender.change
        if change is None:
            return
        self._change_waits = True
        line = change[1]
        written = sender.feeder.note_at(line) if sender.feeder is not None else b""
        if written or line != self._noted[0]:
            self._noted = (line, words.note(written))
        note = self._noted[1]
        if sender.stands_at_change:
            tool = words.tool_named(change[0]) or self._tool or "the tool"
            beside = f" ({note})" if note else ""
            self._waits_for = f"tool change (M6) in line {line}: put in {tool}{beside}, then resume"
        else:
            beside = f": {note}" if note else ""
            self._waits_for = f"program stop ({words.stop_in(change[0])}) in line {line}{beside}"
        self._show(Activity.WAITING, self._waits_for)

    def _go_on_after_change(self, now: float) -> None:
        """A person has done what it waited for."""
        change = self._sender.change
        if self._sender.go_on() and change is not None:
            self._acknowledged_line, self._acknowledged_bytes = change[1], change[2]
            self._sender.sent_line = max(self._sender.sent_line, change[1])
        self._changing = self._change_waits = self._paused = False
        self._sender.feeding = True
        self._sender.asks += [Ask(line, self._brought_back) for line in self._back_on]
        self._back_on = []
        self._show(Activity.RUNNING, "")
        self._poll(now)
        self._step(now)

    def _brought_back(self, ask: Ask, error: int) -> None:
        if error:
            text = f"{ask.text} after waiting for a person: {self._dialect.error_text(error)}"
            self._end_run(RunEndKind.FAILED, text, self._now)
