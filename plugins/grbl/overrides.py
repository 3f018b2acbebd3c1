"""Grbl's overrides: percentages that go up and down by real-time bytes, and what the status report says of them.

A layer of the engine above `jogging`. The bytes are flags: the same one twice before Grbl has looked is one step
(serial.c, system_set_exec_motion_override_flag), so each step waits until a report shows it. `Ov:` is in the next
report after a change. Feed and spindle go from 10 to 200 % by 10 and by 1, rapids are 100, 50 or 25 % (interface.md).
"""

from __future__ import annotations

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.protocol.engine import CommandDone, Overrides

from .jogging import Jogging
from .state import Phase
from .status import Status

RAPID = {100: b"\x95", 50: b"\x96", 25: b"\x97"}

STEPS: dict[str, dict[int, bytes]] = {
    "feed": {10: b"\x91", -10: b"\x92", 1: b"\x93", -1: b"\x94"},
    "spindle": {10: b"\x9a", -10: b"\x9b", 1: b"\x9c", -1: b"\x9d"},
}
FULL = {"feed": b"\x90", "spindle": b"\x99"}
"""Back to 100 % in one."""

LEAST_PERCENT, GREATEST_PERCENT = 10, 200

STEP_POLL_S = 0.05
PATIENCE_S = 5.0
"""Nineteen steps lead from one end to the other; a query answered late costs one of these polls."""


class Overriding(Jogging):
    """`protocol.operating.Overridden`."""

    def __init__(self) -> None:
        super().__init__()
        self._percent: dict[str, float] = {}
        self._wanted_percent: dict[str, tuple[int, int]] = {}
        """What is asked for, and the ticket to be answered, by name."""
        self._override_due_s = 0.0

    def override(self, what: str, percent: float, now: float) -> int:
        """Set one; answered when a report shows it."""
        wanted = round(percent)
        if what not in ("rapid", *STEPS):
            raise UsageError(f"Grbl has no override {what!r}; it has feed, rapid and spindle.")
        if what == "rapid" and wanted not in RAPID:
            raise UsageError("Grbl's rapids go at 100, 50 or 25 %.")
        if not LEAST_PERCENT <= wanted <= GREATEST_PERCENT:
            raise UsageError(f"Grbl's overrides go from {LEAST_PERCENT} to {GREATEST_PERCENT} %.")
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase not in (Phase.IDLE, Phase.RUNNING):
            raise MachineBusy("The machine is doing something else.")
        self._give_up_override(what, "another value was asked for")
        self._tickets += 1
        if round(self._percent.get(what, 0)) == wanted:
            self._events.append(CommandDone(self._tickets, (), ok=True))
            return self._tickets
        self._wanted_percent[what] = (wanted, self._tickets)
        self._override_due_s = now + PATIENCE_S
        if what == "rapid":
            self._urgent += RAPID[wanted]
        elif what in self._percent:
            self._urgent += _step_towards(what, round(self._percent[what]), wanted)
        self._poll(now)
        return self._tickets

    def _status(self, status: Status, now: float) -> None:
        super()._status(status, now)
        if status.overrides_percent and status.overrides_percent != self._percent:
            self._percent = dict(status.overrides_percent)
            self._events.append(Overrides(dict(self._percent)))
            for what in list(self._wanted_percent):
                self._override_told(what)
        if self._wanted_percent and now >= self._override_due_s:
            for what in list(self._wanted_percent):
                self._give_up_override(what, "Grbl does not show it")

    def _override_told(self, what: str) -> None:
        """A report shows a change: done, or one step more."""
        wanted, ticket = self._wanted_percent[what]
        shown = round(self._percent.get(what, 0))
        if shown == wanted:
            del self._wanted_percent[what]
            self._events.append(CommandDone(ticket, (), ok=True))
        elif what in STEPS:
            self._urgent += _step_towards(what, shown, wanted)

    def _give_up_override(self, what: str, reason: str) -> None:
        if what in self._wanted_percent:
            _, ticket = self._wanted_percent.pop(what)
            self._events.append(CommandDone(ticket, (reason,), ok=False))

    def _poll(self, now: float) -> None:
        super()._poll(now)
        if self._wanted_percent:
            self._poll_due_s = now + STEP_POLL_S

    def _abandon(self, reason: str) -> None:
        for what in list(self._wanted_percent):
            self._give_up_override(what, reason)
        super()._abandon(reason)


def _step_towards(what: str, shown: int, wanted: int) -> bytes:
    """One step of each kind at most, nearer to `wanted`; back to 100 first where that is the shorter way."""
    if wanted == shown:
        return b""
    if abs(wanted - 100) < abs(wanted - shown) and shown != 100:
        return FULL[what]
    left = wanted - shown
    sign = 1 if left > 0 else -1
    return STEPS[what][sign * (10 if abs(left) >= 10 else 1)]
