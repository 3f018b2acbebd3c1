"""Waits in a program that a person ends: program stops and tool changes, which the host makes and never sends.

It lets everything before be carried out, switches spindle and coolant off, waits without a deadline, and brings them
back as the program had them: a hand is in the machine at a stop as at a tool change. TinyG's own M6 does nothing, and
its M0 needs a cycle start that is also the end of a feed hold (canonical_machine.c), so one wait is as the other.
Calls only the layers below it.
"""

from __future__ import annotations

from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import RunEndKind, Verb, VerbDone

from . import words
from .checking import Checking
from .sender import Ask
from .state import Phase
from .words import START

SPIN_UP_S = 4.0
"""For the spindle to come up again, as Grbl waits behind its door (config.h, SAFETY_DOOR_SPINDLE_DELAY)."""


class Waiting(Checking):
    """M0, M1, M6 and M60, and how what was on comes back."""

    def _wait_if_reached(self) -> None:
        """Everything before the wait is carried out: it rests, its planner is empty, every line is answered."""
        held = self._sender.held
        if held is None or self._waits or not self._sender.drained or not self._report.at_rest:
            return
        if not self._switch_off_kept():
            self._wait_for_person()

    def _wait_for_person(self) -> None:
        held = self._sender.held
        if held is None:
            return
        self._waits = True
        if words.changes_tool(held[0]):
            tool = words.tool_named(held[0]) or "the tool"
            self._show(Activity.WAITING, f"tool change (M6) in line {held[1]}: put in {tool}, then resume")
        else:
            self._show(Activity.WAITING, f"program stop (M0) in line {held[1]}")

    def _switch_off_kept(self) -> bool:
        """Off with what the program has on, to come back on resume; whether there was any."""
        on = self._sender.on
        wet = [on[name] for name in ("mist", "flood") if name in on]
        lines = (["M5"] if "spindle" in on else []) + (["M9"] if wet else [])
        if self._back_on or not lines:
            return False
        if "spindle" in on:
            speed = f"S{on['speed']}" if "speed" in on else ""
            self._back_on = [f"{on['spindle']}{speed}", f"G4P{SPIN_UP_S:g}"]
        self._back_on += wet
        self._sender.asks += [Ask(line, self._off_for_wait) for line in lines]
        return True

    def _off_for_wait(self, ask: Ask, status: int) -> None:
        if status:
            text = f"{ask.text} at a wait: {self._dialect.status_text(status)}"
            self._end_run(RunEndKind.FAILED, text, self._now)
        elif not self._sender.asks:
            self._wait_for_person()

    def _go_on_behind_wait(self, now: float) -> None:
        """A person said so."""
        held = self._sender.go_on()
        if held is not None:
            self._acknowledged = (held[1], held[2])
        self._waits, self._rest_since_s = False, None
        self._sender.asks += [Ask(line, self._brought_back) for line in self._back_on]
        self._back_on = []
        self._resumed_s = self._heard_s = now
        self._show(Activity.RUNNING, "")
        self._poll(now)
        self._step(now)

    def _brought_back(self, ask: Ask, status: int) -> None:
        if status:
            text = f"{ask.text} behind a wait: {self._dialect.status_text(status)}"
            self._end_run(RunEndKind.FAILED, text, self._now)

    # In a feed hold, where this firmware still reads JSON

    def _make_safe_in_hold(self) -> None:
        """Spindle and coolant off at once; the held motion and the run survive."""
        self._made_safe_in_hold = True
        self._verbs.append(Verb.MAKE_SAFE)
        for text in self._dialect.told_off:
            self._sender.ask_aside(Ask(text, self._told_off))

    def _told_off(self, ask: Ask, status: int) -> None:
        if status:
            text = f"{ask.text} in a feed hold: {self._dialect.status_text(status)}"
            self._end_run(RunEndKind.CANCELLED, text, self._now)
        elif not self._sender.aside and Verb.MAKE_SAFE in self._verbs:
            self._verbs.remove(Verb.MAKE_SAFE)
            self._events.append(VerbDone(Verb.MAKE_SAFE))

    def _leave_hold(self, now: float) -> None:
        """Cycle start; once the spindle is up again, if it was switched off meanwhile."""
        on = self._sender.on
        if self._made_safe_in_hold and self._phase is Phase.RUNNING:
            self._made_safe_in_hold = False
            back = {"spc": {"M3": "1", "M4": "2"}.get(on.get("spindle", ""))}
            back |= {"cof": "1" if "flood" in on else None, "com": "1" if "mist" in on else None}
            for name, value in back.items():
                if value is not None:
                    self._sender.ask_aside(Ask(f'{{"{name}":{value}}}', self._brought_back))
            if back["spc"] is not None:
                self._start_due_s = now + SPIN_UP_S
                return
        self._cycle_start(now)

    def _cycle_start(self, now: float) -> None:
        self._start_due_s = None
        self._paused = False
        self._sender.feeding = True
        self._resumed_s = self._heard_s = now
        self._rest_since_s = None
        self._urgent += START
        self._show(Activity.RUNNING, "")
        self._poll_due_s = now
