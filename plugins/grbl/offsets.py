"""Grbl's work offsets: shown by `$#`, set by `G10 L20` with the tool where it stands, or by `G10 L2`.

A layer of the engine above `overrides`. G10 writes the settings memory, during which an AVR hears nothing, so it goes
out alone and its answer is awaited (interface.md, "EEPROM Issues"). Its numbers are in the active units, which are
asked for (`$G`) and not changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from fleetctl.errors import MachineBusy
from fleetctl.protocol.by_hand import check_offset
from fleetctl.protocol.engine import CommandDone, Measured
from fleetctl.protocol.jogging import AXES

from . import words
from .overrides import Overriding
from .sender import Ask
from .status import MM_PER_INCH, point

FRAMES = ("G54", "G55", "G56", "G57", "G58", "G59")
"""P1 to P6 of G10."""


class Offsetting(Overriding):
    """`protocol.operating.Offset`."""

    def ask_work_offsets(self, now: float) -> int:
        """What `$#` says."""
        self._need_rest()
        self._tickets += 1
        self._ask(Ask("$#", self._offsets_read, ticket=self._tickets, expects="[TLO:"), now)
        return self._tickets

    def set_work_offset(self, frame: str, axes_mm: Mapping[str, float], now: float) -> int:
        """Ask for the units, set, and read back."""
        return self._set_offset(20, frame, axes_mm, now)

    def set_offset_origin(self, frame: str, origin_mm: Mapping[str, float], now: float) -> int:
        """The same with `G10 L2`, which names machine coordinates: where the tool is does not matter."""
        return self._set_offset(2, frame, origin_mm, now)

    def _set_offset(self, word: int, frame: str, axes_mm: Mapping[str, float], now: float) -> int:
        check_offset(frame, axes_mm, FRAMES)
        self._need_rest()
        self._tickets += 1
        ticket = self._tickets

        def units_told(ask: Ask, error: int) -> None:
            modes = words.MODES.search(" ".join(ask.lines))
            if error or modes is None:
                why = self._dialect.error_text(error) if error else "the units could not be read"
                self._by_hand_failed(ticket, why)
                return
            unit_mm = MM_PER_INCH if "G20" in modes[1].split() else 1.0
            values = "".join(f"{axis}{axes_mm[axis] / unit_mm:.4f}" for axis in AXES if axis in axes_mm)
            self._sender.asks.append(Ask(f"G10L{word}P{FRAMES.index(frame) + 1}{values}", stored, ticket=ticket))

        def stored(ask: Ask, error: int) -> None:
            if error:
                self._by_hand_failed(ticket, self._dialect.error_text(error))
            else:
                self._sender.asks.append(Ask("$#", self._offsets_read, ticket=ticket, expects="[TLO:"))

        self._ask(Ask("$G", units_told, ticket=ticket, expects="[GC:"), now)
        return ticket

    def _offsets_read(self, ask: Ask, error: int) -> None:
        scale = MM_PER_INCH if self._reader.inches else 1.0
        found: dict[str, tuple[float, ...]] = {}
        for line in ask.lines:
            match = words.OFFSET.match(line)
            if match is not None and match[1] in FRAMES:
                with contextlib.suppress(ValueError):  # garbled, which counts as not said
                    found[match[1]] = point(match[2], scale)
        if error or len(found) < len(FRAMES):
            why = self._dialect.error_text(error) if error else "the offsets could not be read"
            self._by_hand_failed(ask.ticket, why)
            return
        self._occupied = False
        self._events += [Measured(ask.ticket, found), CommandDone(ask.ticket, (), ok=True)]

    def _need_rest(self) -> None:
        """Idle, and nothing else asked for."""
        self._need_idle()
        if self._state != "Idle":
            raise MachineBusy(f"Grbl is in state {self._state}.")

    def _by_hand_failed(self, ticket: int, reason: str) -> None:
        self._occupied = False
        self._events.append(CommandDone(ticket, (reason,), ok=False))
