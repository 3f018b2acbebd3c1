"""What happens where in a program, as values: layers, objects, features, and how quantities change over it.

Only data. Numbers of layers and changes are packed, native byte order, and read through memoryviews without a copy,
for there may be thousands. It must not know how a program is read. Lines are 1-based; 0 means "nowhere".
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

FEATURES = (
    "unknown", "outer_wall", "inner_wall", "overhang", "infill", "solid_infill", "top", "bottom", "bridge",
    "gap_fill", "support", "support_interface", "skirt", "wipe_tower", "ironing", "custom", "travel", "retract",
    "rapid", "plunge", "cut", "probe", "wait",
)  # fmt: skip
"""What a move is for. Printers: what the slicer's comments say of work (`unknown` without any; `skirt` is skirt and
brim, `solid_infill` also Cura's skin, `custom` the slicer's own start and end code), `travel` and `retract` (the
filament alone moves). Mills: `rapid`, `plunge` (straight down), `cut`, `probe`. `wait` is dwells."""

TRAVEL = frozenset({"travel", "retract", "rapid"})
"""The features that are no work."""


class Layer(msgspec.Struct, frozen=True):
    """One layer: where it begins, how high it is, when it is reached, what it takes.

    `z_mm` is the height of the nozzle as the program gives it, `height_mm` the thickness as the slicer says or the
    step from the layer before; None where neither tells. `start_s` is planned time. `filament_mm` is what all tools
    push out until the next layer begins (the last one: until the end).
    """

    line: int
    offset_bytes: int
    z_mm: float | None
    height_mm: float | None
    start_s: float
    filament_mm: float


class LayerTable(msgspec.Struct, frozen=True):
    """The layers of a program, at most 20,000; columns of 8 bytes each. A NaN is a height not known."""

    lines_i64: bytes = b""
    offsets_i64: bytes = b""
    z_f64: bytes = b""
    height_f64: bytes = b""
    start_f64: bytes = b""
    filament_f64: bytes = b""

    def __len__(self) -> int:
        return len(self.lines_i64) // 8

    def __getitem__(self, index: int) -> Layer:
        """Layer `index`, from 0; negative from the end. Raises IndexError."""
        z, height = self.z_mm[index], self.height_mm[index]
        return Layer(
            line=self.lines[index],
            offset_bytes=self.offsets_bytes[index],
            z_mm=z if z == z else None,
            height_mm=height if height == height else None,
            start_s=self.start_s[index],
            filament_mm=self.filament_mm[index],
        )

    def __iter__(self) -> Iterator[Layer]:
        return (self[index] for index in range(len(self)))

    @property
    def lines(self) -> memoryview[int]:
        """The line where each begins."""
        return _whole(self.lines_i64)

    @property
    def offsets_bytes(self) -> memoryview[int]:
        """Where in the file that line begins."""
        return _whole(self.offsets_i64)

    @property
    def z_mm(self) -> memoryview[float]:
        """Heights; NaN where not known."""
        return _real(self.z_f64)

    @property
    def height_mm(self) -> memoryview[float]:
        """Thicknesses; NaN where not known."""
        return _real(self.height_f64)

    @property
    def start_s(self) -> memoryview[float]:
        """Planned time when each is begun."""
        return _real(self.start_f64)

    @property
    def filament_mm(self) -> memoryview[float]:
        """What each takes."""
        return _real(self.filament_f64)

    def at_line(self, line: int) -> int | None:
        """The index of the layer that a line belongs to, or None before the first."""
        lines, low, high = self.lines, 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if lines[middle] <= line:
                low = middle + 1
            else:
                high = middle
        return low - 1 if low else None


class ObjectUse(msgspec.Struct, frozen=True):
    """One object on the plate.

    `id` is the number in the mark (M486 S, `id:`, `OBJECT_ID:`), None without one. `first_line` and `last_line` are
    the first begin and the last end of its marks, 0 if it is defined and never made. `low_mm` and `high_mm` bound
    what is extruded for it, x, y, z; None on an axis where nothing is known. `centre_mm` and `outline_mm` are
    Klipper's CENTER and POLYGON (Config_Reference, EXCLUDE_OBJECT_DEFINE).
    """

    name: str
    id: int | None
    first_line: int
    last_line: int
    low_mm: tuple[float | None, float | None, float | None]
    high_mm: tuple[float | None, float | None, float | None]
    filament_mm: float
    centre_mm: tuple[float, float] | None = None
    outline_mm: tuple[tuple[float, float], ...] = ()


class FeatureUse(msgspec.Struct, frozen=True):
    """What one feature takes: planned time, and filament of all tools."""

    duration_s: float
    filament_mm: float


class History(msgspec.Struct, frozen=True):
    """How one quantity changes over the program.

    `quantity` is `feed` (mm/s), `nozzle` (degC, one history per `tool`), `bed`, `chamber` (degC), `spindle` (S while
    it turns, else 0), `fan` (the part fan, 0 to 1) or `flow` (M221, 1 is 100 %); `tool` is -1 for all but `nozzle`.
    Each change has its line, the value that holds from there on, and the planned time. At most 4096: a history that
    grows longer keeps of each four neighbours the least and the greatest, so extremes are never lost. `seen` counts
    all changes.
    """

    quantity: str
    tool: int
    seen: int
    lines_i64: bytes
    values_f64: bytes
    times_f64: bytes

    def __len__(self) -> int:
        return len(self.lines_i64) // 8

    @property
    def lines(self) -> memoryview[int]:
        """The line of each change."""
        return _whole(self.lines_i64)

    @property
    def values(self) -> memoryview[float]:
        """The value that holds from there on."""
        return _real(self.values_f64)

    @property
    def times_s(self) -> memoryview[float]:
        """The planned time of each change."""
        return _real(self.times_f64)


def _whole(column: bytes) -> memoryview[int]:
    return memoryview(column).cast("q")


def _real(column: bytes) -> memoryview[float]:
    return memoryview(column).cast("d")
