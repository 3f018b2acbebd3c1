"""g2core's overrides, where the build has them: `mfo`, `mto` and `sso` (factors) behind the switches `mfoe`, `mtoe`
and `ssoe`.

A layer of the engine above `probing`. TinyG has the words M50 and M51 and does nothing with them, and in g2core's
build 101 the switch is read-only (`froe`), so what there is is asked for, and set only where it shows (g2core wiki,
"Feed Hold, Resume, and Overrides"; synthetos/g2 `config_app.cpp`). JSON is read ahead of G-code there, so it acts at
once, on the moves that are planned from then on.
"""

from __future__ import annotations

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.protocol.engine import CommandDone, Overrides

from . import words
from .probing import Probing
from .sender import Ask
from .state import Phase

NAMES = {"feed": "mfo", "rapid": "mto", "spindle": "sso"}
LEAST_PERCENT, GREATEST_PERCENT = {"feed": 5, "rapid": 5, "spindle": 5}, {"feed": 200, "rapid": 100, "spindle": 200}


class Overriding(Probing):
    """`protocol.operating.Overridden`."""

    def override(self, what: str, percent: float, now: float) -> int:
        """Switch it on and set it; answered when the firmware shows the value."""
        if what not in NAMES:
            raise UsageError(f"There is no override {what!r}; there are feed, rapid and spindle.")
        if not LEAST_PERCENT[what] <= percent <= GREATEST_PERCENT[what]:
            raise UsageError(f"The {what} override goes from {LEAST_PERCENT[what]} to {GREATEST_PERCENT[what]} %.")
        if not self._dialect.json_first:
            raise MachineError(f"{self._dialect.firmware} has no overrides.", hint="Give the program another feed.")
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._phase not in (Phase.IDLE, Phase.RUNNING) or self._sender.aside:
            raise MachineBusy("The machine is doing something else.")
        self._tickets += 1
        ticket, name = self._tickets, NAMES[what]

        def failed(reason: str) -> None:
            self._events.append(CommandDone(ticket, (reason,), ok=False))

        def switched_on(ask: Ask, status: int) -> None:
            if status:
                failed(f"this build has no {what} override ({self._dialect.status_text(status)})")
            else:
                self._sender.ask_aside(Ask(f'{{"{name}":{percent / 100:.2f}}}', shown, lost=failed))

        def shown(ask: Ask, status: int) -> None:
            factor = words.number(ask.body.get(name))
            if status or factor is None or abs(factor * 100 - percent) > 0.6:
                failed(self._dialect.status_text(status) if status else "it does not show the value")
                return
            self._events += [Overrides({what: factor * 100}), CommandDone(ticket, (), ok=True)]

        self._sender.ask_aside(Ask(f'{{"{name}e":1}}', switched_on, lost=failed))
        self._step(now)
        return ticket
