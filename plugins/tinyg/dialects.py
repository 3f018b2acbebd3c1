"""What differs between TinyG and g2core, one row each with its source. It must not know the state of a link.

Sources: synthetos/TinyG 0.97 build 440 (`controller.c`, `canonical_machine.c`, `xio_usb.c`, `planner.h`,
`config_app.c`); synthetos/g2 build 101 (`controller.cpp`, `xio.cpp`, `alarm.cpp`, `cycle_feedhold.cpp`, `planner.h`,
`config_app.cpp`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import numbers

SOFT_LIMITS = range(220, 234)
KEEPS_POSITION = frozenset({*SOFT_LIMITS, *range(250, 255)})
"""Alarms that stop it before, or without, losing a step: soft limits and probes."""
HARMLESS = frozenset({0, 3, 4, 201, 202})
"""Statuses of a line that was taken: a block delete, and moves that are left out because they are too short."""
PANICS = frozenset({6, *range(20, 37), *range(86, 100)})
NOT_SERIOUS = frozenset({7, 8, 15, 29, 35})
"""Statuses of an exception report from which nothing follows: start-up, end of a file, a test."""


@dataclass(frozen=True)
class Dialect:
    """One firmware. `states` and `statuses` are its numbers in words."""

    name: str
    firmware: str
    states: Mapping[int, str]
    statuses: Mapping[int, str]
    alarm: int
    shut_down: int
    panic: int
    planner_buffers: int
    rx_bytes: int
    json_first: bool
    """A line that begins with `{` is read ahead of G-code, in a hold too; so what is off can be switched off then."""
    deaf_when_shut_down: bool
    """It reads nothing any more, tells no state, and only a reset helps."""
    stops_in_alarm: bool
    """An alarm holds, flushes, and switches the spindle off; TinyG goes on with what is planned."""
    converts_places: bool
    """G92, G28 and G30 are told in the active units, as work offsets are on both."""
    told_off: tuple[str, ...]
    """JSON lines that switch spindle and coolant off at once."""

    @property
    def faults(self) -> frozenset[int]:
        """States in which it does nothing before a person has looked."""
        return frozenset({self.alarm, self.shut_down, self.panic})

    def state_text(self, stat: int) -> str:
        """The word for a `stat`."""
        return self.states.get(stat, f"state {stat}, which {self.firmware} does not have")

    def status_text(self, status: int) -> str:
        """A status with its meaning."""
        return f"status {status}: {self.statuses.get(status, 'unknown to fleetctl')}"

    def stat_of(self, status: int) -> int:
        """The state in which an exception report with this status leaves it; panics are errors of its own making."""
        if self.is_alarm(status):
            return self.alarm
        return self.panic if status in PANICS else self.shut_down

    def is_alarm(self, status: int) -> bool:
        """Whether an exception report with this status leaves it in the state alarm, in which it still listens."""
        if self.stops_in_alarm:
            return status in SOFT_LIMITS or status in (18, 203) or status in range(250, 255)
        return status in SOFT_LIMITS


TINYG = Dialect(
    name="tinyg",
    firmware="TinyG",
    states=numbers.TINYG_STATES,
    statuses=numbers.TINYG_STATUSES,
    alarm=2,
    shut_down=11,
    panic=11,
    planner_buffers=32,
    rx_bytes=250,  # the ring holds 254 (xio_usb.c); what does not fit is lost without a word
    json_first=False,
    deaf_when_shut_down=True,
    stops_in_alarm=False,
    converts_places=False,
    told_off=(),
)

G2CORE = Dialect(
    name="g2core",
    firmware="g2core",
    states=numbers.G2CORE_STATES,
    statuses=numbers.G2CORE_STATUSES,
    alarm=2,
    shut_down=12,
    panic=13,
    planner_buffers=48,
    rx_bytes=250,
    json_first=True,
    deaf_when_shut_down=False,
    stops_in_alarm=True,
    converts_places=True,
    told_off=('{"spc":0}', '{"cof":0}', '{"com":0}'),
)


def recognised(facts: Mapping[str, str]) -> Dialect:
    """TinyG 0.97 says `hp` 1 and `fv` 0.97; g2core another platform, or a version from 0.98 on."""
    try:
        version = float(facts.get("fv", "0"))
    except ValueError:
        version = 0.0
    return G2CORE if facts.get("hp", "1") not in ("1", "1.0") or version >= 0.98 else TINYG
