"""A tool change (M6) in a program, with a person: the host stops before it, and M6 itself is never sent.

Plain Grbl answers M6 with error:20, FluidNC passes over it, and grblHAL waits in a state of its own; so the host does
the same on all three. It lets everything before the change be carried out, switches spindle and coolant off, waits
without a deadline, brings them back as they were when the person says so, and goes on behind the M6. Calls only the
layers below it. It must not know tools or their lengths: those are the gate's.
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
    """Tool changes."""

    def _step(self, now: float) -> None:
        super()._step(now)
        if self._in_run and self._sender.change is not None and not self._changing and not self._sender.window:
            self._changing = True
            self._sender.asks += [Ask(SYNC), Ask("$G", self._modes_at_change, expects="[GC:")]
            self._sender.fill()

    def _modes_at_change(self, ask: Ask, error: int) -> None:
        modes = words.facts(ask.lines).get("modes", "").split()
        turning = [mode for mode in modes if mode in ("M3", "M4")]
        wet = [mode for mode in modes if mode in ("M7", "M8")]
        self._back_on = [*turning, *([SPIN_UP] if turning else []), *wet]
        off = (["M5"] if turning else []) + (["M9"] if wet else [])
        self._tool = words.tool_named(" ".join(modes).encode())
        self._sender.asks += [Ask(line, self._switched_off) for line in off]
        if not off:
            self._wait_for_tool()

    def _switched_off(self, ask: Ask, error: int) -> None:
        if error:
            text = f"{ask.text} before a tool change: {self._dialect.error_text(error)}"
            self._end_run(RunEndKind.FAILED, text, self._now)
        elif not self._sender.asks:
            self._wait_for_tool()

    def _wait_for_tool(self) -> None:
        change = self._sender.change
        if change is None:
            return
        self._change_waits = True
        tool = words.tool_named(change[0]) or self._tool or "the tool"
        self._show(Activity.WAITING, f"tool change (M6) in line {change[1]}: put in {tool}, then resume")

    def _go_on_after_change(self, now: float) -> None:
        """A person has changed the tool."""
        change = self._sender.change
        if change is not None:
            self._acknowledged_line, self._acknowledged_bytes = change[1], change[2]
            self._sender.sent_line = max(self._sender.sent_line, change[1])
        self._changing = self._change_waits = False
        self._sender.asks += [Ask(line, self._brought_back) for line in self._back_on]
        self._back_on = []
        self._sender.go_on()
        self._show(Activity.RUNNING, "")
        self._poll(now)
        self._step(now)

    def _brought_back(self, ask: Ask, error: int) -> None:
        if error:
            text = f"{ask.text} after a tool change: {self._dialect.error_text(error)}"
            self._end_run(RunEndKind.FAILED, text, self._now)
