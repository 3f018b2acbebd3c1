"""How Grbl probes: `G38.2` until contact, its `[PRB:..]` as a measurement, and the modes as they were before.

A layer of the engine above `offsets`. G38.2 without contact is ALARM:5, with contact before it moved ALARM:4; both
leave Grbl locked until a person clears it (I14), and the probe has failed. G38.2 and G91 are modal, so the modes are
asked for first and set back (Grbl 1.1, commands.md; gcode.c).
"""

from __future__ import annotations

import re

from fleetctl.errors import MachineError
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.protocol.by_hand import check_probe, check_probe_way
from fleetctl.protocol.engine import CommandDone, Measured
from fleetctl.protocol.jogging import AXES

from . import switches, words
from .offsets import Offsetting
from .sender import Ask
from .status import MM_PER_INCH, Status, point

FOUND = re.compile(r"\[PRB:([-\d.,]+):([01])\]")
KEPT_GROUPS = re.compile(r"\b(G0|G1|G2|G3|G80|G20|G21|G90|G91|F[\d.]+)(?![\d.])")
"""Modes that a probe changes: motion, units, distances, feed."""


class Probing(Offsetting):
    """`protocol.operating.Probed`."""

    def __init__(self) -> None:
        super().__init__()
        self._here_mm: tuple[float, float, float] | None = None

    def probe(
        self, axis: str, direction: int, distance_mm: float, feed_mm_s: float, within: Envelope | None, now: float
    ) -> int:
        """Ask for the modes, probe, set the modes back."""
        way_mm = check_probe(axis, direction, distance_mm, feed_mm_s)
        self._need_rest()
        self._need_open_probe()
        check_probe_way(axis, way_mm, self._here_mm, within)
        self._tickets += 1
        ticket = self._tickets

        def modes_told(ask: Ask, error: int) -> None:
            modes = words.MODES.search(" ".join(ask.lines))
            if error or modes is None:
                why = self._dialect.error_text(error) if error else "the modes could not be read"
                self._by_hand_failed(ticket, why)
                return
            try:
                self._need_open_probe()  # there was a report since
            except MachineError as refused:
                self._by_hand_failed(ticket, str(refused))
                return
            before = "".join(KEPT_GROUPS.findall(modes[1]))
            self._sender.asks += [
                Ask(f"G38.2G21G91{axis}{way_mm:.3f}F{feed_mm_s * 60:.1f}", touched, ticket=ticket),
                Ask(before, ticket=0),
            ]

        def touched(ask: Ask, error: int) -> None:
            found = FOUND.search(" ".join(ask.lines))
            if error or found is None or found[2] != "1":
                self._by_hand_failed(ticket, self._dialect.error_text(error) if error else "no contact was reported")
                return
            try:
                contact = point(found[1], MM_PER_INCH if self._reader.inches else 1.0)
            except ValueError:
                self._by_hand_failed(ticket, f"it touched, and where cannot be read: {found[0]}")
                return
            self._occupied = False
            self._show(Activity.IDLE, "")
            values: dict[str, tuple[float, ...]] = {name: (value,) for name, value in zip(AXES, contact, strict=True)}
            self._events += [Measured(ticket, values), CommandDone(ticket, (), ok=True)]

        self._poll(now)
        self._ask(Ask("$G", modes_told, ticket=ticket, expects="[GC:"), now)
        self._show(Activity.RUNNING, "probing")
        return ticket

    def _need_open_probe(self) -> None:
        """A probe in contact before it moves is ALARM:4, and one without a cable never stops. Raises MachineError."""
        seen = switches.closed(self._status_now.pins, self._dialect.name) if self._status_now is not None else ()
        if switches.PROBE in seen or switches.TOOL_SETTER in seen:
            raise MachineError(
                "The probe is closed already, before it moved.",
                hint="Take it off what it touches. If it stays closed, look at its cable and clip.",
            )
        if "probe not connected" in seen:
            raise MachineError("The probe is not connected.", hint="Plug it in, and look that the message goes away.")

    def _status(self, status: Status, now: float) -> None:
        super()._status(status, now)
        if status.position_mm is not None:
            self._here_mm = status.position_mm
