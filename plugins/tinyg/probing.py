"""How TinyG probes: `G38.2` until contact, its `prb` report as a measurement, and the modes as they were before.

A layer of the engine above `offsets`. TinyG tells the result in an answer that nobody asked for, and a probe that
touched nothing with `e` 0 (cycle_probing.c); g2core in a report of its own, and is alarmed when nothing was touched.
Places are on the machine, in mm. The spindle is switched off by it.
"""

from __future__ import annotations

from typing import Any

from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.protocol.by_hand import check_probe, check_probe_way
from fleetctl.protocol.engine import CommandDone, Measured
from fleetctl.protocol.jogging import AXES

from . import words
from .offsets import Offsetting
from .sender import Ask

SUCCEEDED = 1


class Probing(Offsetting):
    """`protocol.operating.Probed`."""

    def __init__(self) -> None:
        super().__init__()
        self._probe_ticket = 0

    def probe(
        self, axis: str, direction: int, distance_mm: float, feed_mm_s: float, within: Envelope | None, now: float
    ) -> int:
        """Ask for the modes, probe, set the modes back."""
        way_mm = check_probe(axis, direction, distance_mm, feed_mm_s)
        self._need_rest()
        check_probe_way(axis, way_mm, self._report.position_mm, within)
        self._tickets += 1
        ticket = self._tickets
        self._occupied = True

        def modes_told() -> None:
            self._probe_ticket = ticket
            line = f"G21G91G38.2{axis}{way_mm:.3f}F{feed_mm_s * 60:.1f}"
            self._sender.asks.append(Ask(line, taken, lost=self._probe_failed))

        def taken(ask: Ask, status: int) -> None:
            if status:
                self._sender.asks.append(Ask(self._modes_back()))
                self._probe_failed(self._dialect.status_text(status))

        self._ask_modes(modes_told, lambda reason: self._by_hand_failed(ticket, reason))
        self._show(Activity.RUNNING, "probing")
        self._step(now)
        return ticket

    def _probed(self, told: dict[str, Any]) -> None:
        if not self._probe_ticket:
            return  # of a program
        self._sender.asks.append(Ask(self._modes_back()))
        place = words.point(told)
        if told.get("e") != SUCCEEDED or place is None:
            self._probe_failed("no contact was reported" if place is not None else "where it touched cannot be read")
            return
        ticket, self._probe_ticket = self._probe_ticket, 0
        self._occupied = False
        self._show(Activity.IDLE, "")
        values: dict[str, tuple[float, ...]] = {name: (value,) for name, value in zip(AXES, place, strict=True)}
        self._events += [Measured(ticket, values), CommandDone(ticket, (), ok=True)]

    def _probe_failed(self, reason: str) -> None:
        if self._probe_ticket:
            ticket, self._probe_ticket = self._probe_ticket, 0
            self._by_hand_failed(ticket, reason)

    def _cycle_failed(self, text: str) -> None:
        super()._cycle_failed(text)
        self._probe_failed(text)

    def _abandon(self, reason: str) -> None:
        self._probe_failed(reason)
        super()._abandon(reason)
