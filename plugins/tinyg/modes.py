"""The modes that a move by hand changes (units, distances, motion, feed): asked for before, set back after.

TinyG has no jog that leaves them alone. A layer of the engine above `answers`; it must not know what is done between.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetctl.protocol.engine import CommandDone

from . import words
from .answers import Answers
from .report import MM_PER_INCH
from .sender import Ask

ASKED = ("unit", "dist", "momo", "feed", "g92", "mpo")


class Modes(Answers):
    """What was asked last."""

    def __init__(self) -> None:
        super().__init__()
        self._modes: dict[str, float] = {}

    def _ask_modes(self, then: Callable[[], None], failed: Callable[[str], None], *more: str) -> None:
        """`then` when all are told; `failed` with the reason otherwise."""
        asks: list[Ask] = []

        def told(ask: Ask, status: int) -> None:
            value = words.number(ask.body.get(ask.name))
            if not status and value is not None:
                self._modes[ask.name] = value
            elif status or (ask.name in ASKED[:4] and value is None):
                failed(f"its modes could not be read ({ask.name})")
                for each in asks:
                    if each in self._sender.asks:
                        self._sender.asks.remove(each)
                return
            if ask is asks[-1]:
                then()

        asks += [Ask(f'{{"{name}":null}}', told, lost=failed) for name in (*more, *ASKED)]
        self._modes = {}
        self._sender.asks += asks

    @property
    def _unit_mm(self) -> float:
        """Of the active units."""
        return MM_PER_INCH if self._modes.get("unit") == 0 else 1.0

    def _modes_back(self) -> str:
        """One line that sets them as they were; a motion mode of an arc becomes none."""
        units = "G20" if self._modes.get("unit") == 0 else "G21"
        distances = "G91" if self._modes.get("dist") == 1 else "G90"
        motion = {0: "G0", 1: "G1"}.get(int(self._modes.get("momo", 4)), "G80")
        feed = f"F{self._modes['feed']:.4f}" if self._modes.get("feed") else ""
        return f"{units}{distances}{motion}{feed}"

    def _by_hand_failed(self, ticket: int, reason: str) -> None:
        self._occupied = False
        self._shown = None
        self._events.append(CommandDone(ticket, (reason,), ok=False))
