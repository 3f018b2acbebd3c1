"""Types of the compiled G-code core; the words are in `gcode_core.pyx`."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from typing_extensions import Buffer

HAZARD_NAMES: tuple[str, ...]
FRAME_NAMES: tuple[str, ...]
END_NAMES: tuple[str, ...]
HEATER_NAMES: tuple[str, ...]
RULES: dict[str, int]
ARC_RULES: dict[str, int]
READS: dict[str, int]
REASON_NAMES: tuple[str, ...]
FEATURE_NAMES: tuple[str, ...]
HISTORY_NAMES: tuple[str, ...]

AxisTuple = tuple[float, int, float, int, int, int] | None
Low = tuple[float, int] | None
Three = tuple[AxisTuple, AxisTuple, AxisTuple]

Points = tuple[tuple[float, float, float], tuple[float, float, float]] | None
PointOrNone = tuple[float | None, float | None, float | None]
ObjectRow = tuple[
    str,
    int,
    int,
    int,
    PointOrNone,
    PointOrNone,
    float,
    tuple[float, float] | None,
    tuple[tuple[float, float], ...],
]

class Totals(TypedDict):
    size_bytes: int
    lines: int
    commands: int
    motion_s: float
    dwell_s: float
    heating_s: float
    homing_s: float
    tool_change_s: float
    cutting_mm: float
    max_feed_mm_s: float
    max_feed_line: int
    max_z_feed_mm_s: float
    max_z_feed_line: int
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
    def __init__(
        self,
        reads: int,
        plan: bool = True,
        want_times: bool = False,
        want_positions: bool = False,
        want_histories: bool = False,
        path_mm: float = 0.0,
        most_vertices: int = 0,
    ) -> None: ...
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
    def set_planner(
        self,
        rule: str,
        ahead: float,
        klipper: tuple[float, float, float],
        arcs: tuple[str, float, float, int, bool],
        most: float,
    ) -> None: ...
    def set_heat(
        self,
        ambient: float,
        nozzle: tuple[float, float, float],
        bed: tuple[float, float, float],
        chamber: tuple[float, float, float],
    ) -> None: ...
    def set_homing(
        self, fast: Sequence[float], slow: Sequence[float], back: Sequence[float], travel: Sequence[float]
    ) -> None: ...
    def set_steps(self, steps_per_mm: Sequence[float], least_hz: float, least_steps: float) -> None: ...
    def set_tool_change(self, seconds: float) -> None: ...
    def set_places(self, home: Sequence[float], start: Sequence[float] | None) -> None: ...
    def keep_trail(self, most: int) -> None: ...
    def trail(self) -> list[tuple[int, float, float, float]]: ...
    def feed(self, block: Buffer) -> None: ...
    def finish(self) -> None: ...
    def times(self) -> bytes | None: ...
    def positions(self) -> bytes | None: ...
    def layer_rows(self) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]: ...
    def object_rows(self) -> tuple[list[ObjectRow], int]: ...
    def features(self) -> dict[str, tuple[float, float]]: ...
    def histories(self) -> list[tuple[str, int, int, bytes, bytes, bytes]]: ...
    def path(self) -> tuple[bytes, bytes, bytes, list[tuple[int, str, int, int, int]], float, int, Points] | None: ...
    def frames(self) -> list[tuple[str, Three, Three, int | None]]: ...
    def rapids(self) -> list[tuple[str, Low, Low]]: ...
    def words(self) -> dict[str, tuple[int, int, int]]: ...
    def hazards(self) -> dict[str, tuple[int, int, int]]: ...
    def reasons(self) -> dict[str, str]: ...
    def tools(self) -> list[tuple[int, int, float]]: ...
    def heaters(self) -> dict[str, tuple[int, float, int, float, int, int]]: ...
    def layers(self) -> tuple[int, Literal["comments", "z", ""]]: ...
    def names(self) -> tuple[dict[str, tuple[int, int, int]], list[str]]: ...
    def secret_keys(self) -> dict[str, tuple[int, int]]: ...
    def spindle(self) -> tuple[int, float, int, bool, int, int, int, int, int] | None: ...
    def totals(self) -> Totals: ...
    def ending(self) -> tuple[bool, str, int, bool, int]: ...
    def letters(self) -> dict[str, int]: ...
    def state(self) -> dict[str, Any]: ...
    def letter_columns(self) -> dict[str, int]: ...
    @property
    def s_on_motion(self) -> int: ...
    @property
    def file_sets_limits(self) -> bool: ...
