"""What goes on between us and one machine, for those who listen: bytes of its link, verbs, and what its driver tells.

It stays the same when a link is lost and another is made. Nobody listening costs nothing. Must not know what any of
it means, nor what becomes of what was heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from fleetctl.driver.api import EndKind
from fleetctl.model.deeds import Deed
from fleetctl.model.machine import Activity
from fleetctl.model.profile import Envelope
from fleetctl.transport.base import Transport
from fleetctl.transport.tap import TapTransport, Way

Heard = Way | Literal["verb", "told"]
"""What a link tells (see `tap`), `verb`: what the driver was asked to do, `told`: what it told of itself; both as
UTF-8 text."""

Listening = Callable[[Heard, bytes], None]
"""Called from the loop's thread for each thing heard; must neither wait nor raise."""


class DeedAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The text behind the verb of a deed by hand, as JSON: what exactly, and the bounds that it had to keep."""

    deed: Deed
    within: Envelope | None = None


class JogAsked(msgspec.Struct, frozen=True, kw_only=True):
    """The text behind `jog`, as JSON: one heartbeat, mm/s by axis, valid for so long."""

    velocity_mm_s: dict[str, float] = {}
    valid_s: float = 0.0
    within: Envelope | None = None


def told_activity(activity: Activity, reason: str) -> str:
    """How it is written down that the driver told an activity."""
    return f"{activity.value}: {reason}" if reason else activity.value


def told_end(kind: EndKind, reason: str) -> str:
    """How it is written down that the driver told the end of a run."""
    return f"run {kind.value}: {reason}" if reason else f"run {kind.value}"


class Wire:
    """The wire of one machine."""

    def __init__(self) -> None:
        """No link, nobody listens."""
        self._tap: TapTransport | None = None
        self._listening: tuple[Listening, ...] = ()

    def over(self, transport: Transport) -> Transport:
        """The same link, in a form that can be listened to from now on."""
        self._tap = TapTransport(transport)
        self._set()
        return self._tap

    def listen(self, listening: Listening) -> None:
        """Hear everything from now on; once, however often it is asked."""
        if listening not in self._listening:
            self._listening = (*self._listening, listening)
            self._set()

    def forget(self, listening: Listening) -> None:
        """Hear nothing more."""
        self._listening = tuple(one for one in self._listening if one != listening)
        self._set()

    def verb(self, verb: str, text: str = "") -> None:
        """The driver is about to be asked for `verb`."""
        if self._listening:
            self._hear("verb", f"{verb} {text}".strip().encode())

    def by_hand(self, verb: str, asked: DeedAsked | JogAsked) -> None:
        """The driver is about to be asked for a deed by hand."""
        if self._listening:
            self.verb(verb, msgspec.json.encode(asked).decode())

    def told(self, text: str) -> None:
        """The driver told something, or a verb came to its end."""
        if self._listening:
            self._hear("told", text.encode())

    def _set(self) -> None:
        if self._tap is not None:
            self._tap.listen(self._hear if self._listening else None)

    def _hear(self, way: Heard, data: bytes) -> None:
        for listening in self._listening:
            listening(way, data)
