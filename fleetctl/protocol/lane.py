"""The shortcut that an engine may have: answers to plain moves in, the next plain moves out, compiled.

A lane belongs to its engine, which opens it only while nothing but a program is under way. The streamer offers it
each input first (`fleetctl.driver.streamer`). It must do exactly what the engine would: the engine's own way stays
the reference, and a test compares both byte by byte. This module is the only door to the lanes of `ext/flight.pyx`
and `ext/counted_lane.pyx`, to the port of `ext/lane_port.pyx` that asks a lane before anybody else, and to what waits
for many such ports (`ext/port_wait.pyx`).
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from fleetctl._ext.counted_lane import CountedLane
from fleetctl._ext.flight import Lane as CompiledLane
from fleetctl._ext.flight import NumberedLane
from fleetctl._ext.lane_port import LanePort, Unsent
from fleetctl._ext.port_wait import AT_ONCE as PORTS_AT_ONCE
from fleetctl._ext.port_wait import PortWait
from fleetctl.protocol.engine import Progress

__all__ = [
    "PORTS_AT_ONCE",
    "CompiledLane",
    "CountedLane",
    "HasLane",
    "KeptByLane",
    "Lane",
    "LanePort",
    "NumberedLane",
    "PortWait",
    "Unsent",
]

Value = TypeVar("Value")


class Lane(Protocol):
    """What the streamer needs of a lane."""

    wants_step: bool
    """Set by `receive` when the engine must be stepped, by `engine.receive(b"", now)`; whoever does so clears it."""
    wants_data: bool
    """Set by `receive` when the program should be read on; whoever does so clears it."""
    is_watched: bool
    """Whether somebody looks regularly how far it has come; kept by who does."""

    def receive(self, data: bytes, now_s: float) -> bytes | None:
        """Bytes to write when the lane dealt with `data` whole, possibly none; None, and nothing has changed, when
        `engine.receive` must have it."""
        ...


@runtime_checkable
class HasLane(Protocol):
    """What an engine has besides when it keeps a lane.

    What the lane did counts in `next_deadline` and every verb as if the engine had done it. Only `Progress` does not
    come by itself: the streamer asks for it while the lane acts.
    """

    lane: Lane

    def progress(self) -> Progress | None:
        """How far the run is, if that was not told yet; it counts as told now."""
        ...


class KeptByLane(Generic[Value]):
    """An attribute of an engine, or of a part of one, whose value its `lane` keeps, for the lane changes it too.

    The lane has it under the same name, without an underscore in front.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        """The name in the engine."""
        self._name = name.lstrip("_")

    def __get__(self, part: Any, owner: type) -> Value:
        """What the lane says."""
        value: Value = getattr(part.lane, self._name)
        return value

    def __set__(self, part: Any, value: Value) -> None:
        """Tell the lane."""
        setattr(part.lane, self._name, value)
