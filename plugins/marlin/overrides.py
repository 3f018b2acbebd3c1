"""Marlin's overrides (M220 feed, M221 flow), heat by hand, and the lines that may be sent during a run.

A layer of the engine above `jogging`. Marlin does not report percentages by itself and a program may set them too, so
those that were set here are told, until the next program begins; what was set by hand is set back for it, because
Marlin keeps it from one print to the next.
"""

from __future__ import annotations

import re

from fleetctl.errors import MachineBusy, MachineError, UsageError
from fleetctl.protocol.engine import CommandDone, Overrides

from . import words
from .jogging import Jogging
from .link import MOST_LINES, Ask
from .state import RUN_IN_HAND, Phase

CODES = {"feed": "M220", "flow": "M221"}
LIMITS_PERCENT = {"feed": (10, 400), "flow": (50, 200)}
"""Marlin itself takes any; beyond these no print survives."""

IN_RUN = frozenset({b"M105", b"M114", b"M115", b"M119", b"M27", b"M31", b"M78", b"M220", b"M221"})
"""Questions, and the overrides: neither moves nor heats anything, and each is answered at once."""

HEATERS = {"B": "M140", "C": "M141"}
SET = re.compile(r"M22([01])\s*S(\d+)\s*\Z", re.IGNORECASE)


class Overriding(Jogging):
    """`protocol.operating.Overridden` and `Heated`."""

    def __init__(self, most_lines: int = MOST_LINES) -> None:
        super().__init__(most_lines)
        self._set_percent: dict[str, float] = {}

    def override(self, what: str, percent: float, now: float) -> int:
        """M220 or M221, between two lines of the program."""
        if what not in CODES:
            raise UsageError(f"This firmware has no override {what!r}; it has feed and flow.")
        least, most = LIMITS_PERCENT[what]
        if not least <= round(percent) <= most:
            raise UsageError(f"{what} goes from {least} to {most} %.")
        return self._ask_any_time(f"{CODES[what]} S{round(percent)}", now)

    def heat(self, heater: str, target_degc: float, now: float) -> int:
        """M104, M140 or M141: set, and do not wait."""
        if heater[:1] == "T":
            code = "M104" if len([name for name in self._targets_degc if name[0] == "T"]) < 2 else f"M104 {heater}"
        elif heater in HEATERS:
            code = HEATERS[heater]
        else:
            raise UsageError(f"There is no heater {heater!r}; there are T0, B and C.")
        self._need_idle()
        return self._ask(f"{code} S{target_degc:g}", self._command_done, ticket=True, now=now)

    def in_run(self, line: str) -> bool:
        """Whether a run is in hand, and this line may be sent all the same."""
        return self._phase in RUN_IN_HAND and words.code(line.upper().encode("ascii")) in IN_RUN

    def _ask_any_time(self, line: str, now: float) -> int:
        """A line that is taken at rest and between two lines of a program. Raises MachineBusy, MachineError."""
        if self._phase is Phase.FAULT:
            raise MachineError("The machine has a fault.", hint="Clear the fault first.")
        if self._waiting:
            raise MachineBusy("The firmware waits for a person and takes no command.")
        if self._phase is not Phase.IDLE and self._phase not in RUN_IN_HAND:
            raise MachineBusy("It is busy; ask again when it is idle.")
        self._tickets += 1
        self._asks.append(Ask(line, self._asked_any_time, ticket=self._tickets))
        self._step(now)
        return self._tickets

    def _asked_any_time(self, ask: Ask, now: float) -> None:
        self._notice_override(ask)
        self._events.append(CommandDone(ask.ticket, tuple(ask.lines), not ask.failed))

    def _command_done(self, ask: Ask, now: float) -> None:
        self._notice_override(ask)
        super()._command_done(ask, now)

    def _notice_override(self, ask: Ask) -> None:
        found = SET.match(ask.text)
        if found is not None and not ask.failed:
            self._set_percent["flow" if found[1] == "1" else "feed"] = float(found[2])
            self._events.append(Overrides(dict(self._set_percent)))

    def _reset_overrides(self) -> None:
        """A program begins: it runs as it was made."""
        if any(percent != 100 for percent in self._set_percent.values()):
            self._asks += [Ask(f"{CODES[what]} S100") for what in sorted(self._set_percent)]
        if self._set_percent:
            self._events.append(Overrides(dict.fromkeys(self._set_percent, 100.0)))
        self._set_percent = {}
