from collections import deque
from typing import TypeVar

from fleetctl._ext.feeder import Feeder
from fleetctl._ext.flight import Lane, Window

Tag = TypeVar("Tag")
Line = tuple[bytes, int, int]

class CountedLane(Lane):
    budget_bytes: int
    sent_line: int
    sent_bytes: int
    acknowledged_line: int
    acknowledged_bytes: int
    was_answered: bool
    def __init__(self, window: Window[Tag], ready: deque[Line], budget_bytes: int) -> None: ...
    @property
    def window(self) -> Window[Tag]: ...
    @property
    def ready(self) -> deque[Line]: ...
    @property
    def is_open(self) -> bool: ...
    def open(self, feeder: Feeder) -> None: ...
    def shut(self) -> None: ...
    def withheld(self) -> bytes: ...
