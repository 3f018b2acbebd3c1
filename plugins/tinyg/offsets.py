"""TinyG's work offsets: asked for one by one, set by `G10` with the tool where it stands.

A layer of the engine above `jogging`. `G10 L2` writes an offset in the active units and TinyG keeps it in its
settings memory once it rests (canonical_machine.c, cm_set_coord_offsets, cm_deferred_write_callback); `L20` is known
to g2core only, so the offset is reckoned here: place on the machine, less G92, less the coordinate wanted; from a
probe it is the origin that was asked for, G92 or not, as on Grbl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleetctl.protocol.by_hand import check_offset
from fleetctl.protocol.engine import CommandDone, Measured
from fleetctl.protocol.jogging import AXES

from . import words
from .ending import FRAMES as NAMES
from .jogging import Jogging
from .report import FRAME_NAMES, MM_PER_INCH
from .sender import Ask

FRAMES = tuple(FRAME_NAMES.values())


class Offsetting(Jogging):
    """`protocol.operating.Offset` and `OffsetOrigins`."""

    def ask_work_offsets(self, now: float) -> int:
        """What is stored."""
        self._need_rest()
        self._tickets += 1
        self._occupied = True
        self._read_offsets(self._tickets)
        self._step(now)
        return self._tickets

    def set_work_offset(self, frame: str, axes_mm: Mapping[str, float], now: float) -> int:
        """Ask for units, place and G92; set, and read back."""

        def origin_mm() -> dict[str, float] | None:
            place = self._report.position_mm
            if place is None:
                return None
            zeros = zip(AXES, place, self._report.g92_mm, strict=True)
            return {axis: at - g92 - axes_mm[axis] for axis, at, g92 in zeros if axis in axes_mm}

        return self._set_offset(frame, axes_mm, origin_mm, now)

    def set_offset_origin(self, frame: str, origin_mm: Mapping[str, float], now: float) -> int:
        """The same with machine coordinates, which `G10 L2` names: where the tool is does not matter."""
        return self._set_offset(frame, origin_mm, lambda: origin_mm, now)

    def _set_offset(
        self,
        frame: str,
        axes_mm: Mapping[str, float],
        origin_mm: Callable[[], Mapping[str, float] | None],
        now: float,
    ) -> int:
        """`origin_mm()` is asked when units, place and G92 have been told; None: the place was not."""
        check_offset(frame, axes_mm, FRAMES)
        self._need_rest()
        self._tickets += 1
        ticket = self._tickets
        self._occupied = True

        def modes_told() -> None:
            found = origin_mm()
            if found is None:
                self._by_hand_failed(ticket, "where it stands could not be read")
                return
            values = "".join(f"{axis}{found[axis] / self._unit_mm:.4f}" for axis in AXES if axis in found)
            line = f"G10L2P{FRAMES.index(frame) + 1}{values}"
            self._sender.asks.append(Ask(line, stored, lost=lambda reason: self._by_hand_failed(ticket, reason)))

        def stored(ask: Ask, status: int) -> None:
            if status:
                self._by_hand_failed(ticket, self._dialect.status_text(status))
            else:
                self._read_offsets(ticket)

        self._ask_modes(modes_told, lambda reason: self._by_hand_failed(ticket, reason))
        self._step(now)
        return ticket

    def _read_offsets(self, ticket: int) -> None:
        found: dict[str, tuple[float, ...]] = {}
        scale = [1.0]

        def told(ask: Ask, status: int) -> None:
            if ask.name == "unit":
                scale[0] = MM_PER_INCH if ask.body.get("unit") == 0 else 1.0
                return
            place = words.point(ask.body.get(ask.name))
            if place is not None and not status:
                found[ask.name.upper()] = tuple(each * scale[0] for each in place)
            if ask.name != NAMES[-1]:
                return
            if len(found) < len(NAMES):
                self._by_hand_failed(ticket, "the offsets could not be read")
                return
            self._occupied = False
            self._events += [Measured(ticket, found), CommandDone(ticket, (), ok=True)]

        self._sender.asks += [Ask(f'{{"{name}":null}}', told) for name in ("unit", *NAMES)]
        self._sender.asks[-1].lost = lambda reason: self._by_hand_failed(ticket, reason)
