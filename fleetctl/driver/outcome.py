"""The engine event that answers a verb which moves no program: home, clear_fault, make_safe, stop.

Separate from `fleetctl.protocol.engine` because only a driver waits for verbs; it must not know who waits.
"""

from __future__ import annotations

from enum import StrEnum

from fleetctl.protocol.engine import EngineEvent


class Verb(StrEnum):
    """Verbs whose end an engine announces with `VerbDone`."""

    HOME = "home"
    CLEAR_FAULT = "clear-fault"
    MAKE_SAFE = "make-safe"
    STOP = "stop"


class VerbDone(EngineEvent, frozen=True):
    """The firmware answered the verb; `error` is empty when it did what was asked.

    For `stop` it is the firmware's own confirmation, so an engine that cannot tell never sends it.
    """

    verb: Verb
    error: str = ""
