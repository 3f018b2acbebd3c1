"""Types of the compiled G-code core; the words are in `gcode_core.pyx`."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from typing_extensions import Buffer

HAZARD_NAMES: tuple[str, ...]
FRAME_NAMES: tuple[str, ...]
END_NAMES: tuple[str, ...]
HEATER_NAMES: tuple[str, ...]
READS: dict[str, int]

AxisTuple = tuple[float, int, float, int] | None
Three = tuple[AxisTuple, AxisTuple, AxisTuple]

class Totals(TypedDict):
    size_bytes: int
    lines: int
    commands: int
    motion_s: float
    dwell_s: float
    cutting_mm: float
    max_feed_mm_s: float
    max_feed_line: int
    longest_line_bytes: int
    longest_line: int
    longest_code_bytes: int
    longest_code_line: int
    units_line: int
    distance_line: int
    first_motion_line: int
    first_home_line: int
    first_work_line: int

def count_words(text: Buffer, reads: int) -> tuple[int, int]: ...

class Scanner:
    def __init__(self, reads: int, plan: bool = True, want_times: bool = False) -> None: ...
    def set_limits(
        self,
        feed: Sequence[float],
        accel: Sequence[float],
        jerk: Sequence[float] | None,
        deviation: float,
        plain_accel: Sequence[float],
        rapid: float,
        fixed: bool,
    ) -> None: ...
    def set_places(self, home: Sequence[float], start: Sequence[float] | None) -> None: ...
    def feed(self, block: Buffer) -> None: ...
    def finish(self) -> None: ...
    def times(self) -> bytes | None: ...
    def frames(self) -> list[tuple[str, Three, Three, int | None]]: ...
    def words(self) -> dict[str, tuple[int, int]]: ...
    def hazards(self) -> dict[str, tuple[int, int, int]]: ...
    def tools(self) -> list[tuple[int, int, float]]: ...
    def heaters(self) -> dict[str, tuple[int, float, int, float, int]]: ...
    def layers(self) -> tuple[int, Literal["comments", "z", ""]]: ...
    def names(self) -> tuple[dict[str, tuple[int, int]], list[str]]: ...
    def spindle(self) -> tuple[int, float, int, bool, int, int] | None: ...
    def totals(self) -> Totals: ...
    def ending(self) -> tuple[bool, str, int, bool, int]: ...
    def letters(self) -> dict[str, int]: ...
    @property
    def s_on_motion(self) -> int: ...
    @property
    def file_sets_limits(self) -> bool: ...
