from collections import deque
from typing import TypeVar

from fleetctl._ext.flight import Lane, Window

Tag = TypeVar("Tag")
Line = tuple[bytes, int, int]

class CountedLane(Lane):
    budget_bytes: int
    sent_bytes: int
    was_answered: bool
    def __init__(self, window: Window[Tag], ready: deque[Line], budget_bytes: int) -> None: ...
    @property
    def ready(self) -> deque[Line]: ...
