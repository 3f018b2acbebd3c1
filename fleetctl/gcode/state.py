"""The modal state of a machine at one line of a program: what G and M words have switched, and where the axes are.

Only data, filled by the compiled core (`Scanner.state`). It must not know what anybody wants to do with it. Lengths
are whole nanometres (1e-6 mm), exact as the program wrote them; lines are 1-based, 0 means "never".
"""

from __future__ import annotations

import msgspec

from fleetctl._ext import gcode_core
from fleetctl.gcode.dialects import Dialect


class AxisState(msgspec.Struct, frozen=True):
    """Where one axis stands, and what absolute words mean to it.

    `frame` is a coordinate system as in `facts.FrameBounds`. `zero_nm` is where program zero lies in
    `absolute_frame` (G92, G52, and the tool length for Z). `foreign`: that zero was set while the axis stood in
    another coordinate system than the selected one, so that nobody knows it without the machine's offsets. A length
    is the number of a tool whose length the machine adds in that frame (G43), or None.
    """

    at_nm: int
    frame: str
    known: bool
    zero_nm: int
    absolute_frame: str
    foreign: bool
    length: int | None
    absolute_length: int | None

    @property
    def program_nm(self) -> int:
        """The coordinate as the program counts; has a meaning only where both frames are one."""
        return self.at_nm - self.zero_nm


class ModalState(msgspec.Struct, frozen=True, kw_only=True):
    """The state after the lines read so far."""

    line: int
    axes: tuple[AxisState, AxisState, AxisState]
    inch: bool
    relative: bool
    e_relative: bool
    arc_absolute: bool
    plane: int
    """17, 18 or 19."""
    wcs: str
    """The selected coordinate system; `machine` for a printer that selects none."""
    motion: int
    """Motion mode times ten (G1 is 10, G38.2 is 382); -1 after G80."""
    cycle_returns_to_r: bool
    """G99 rather than G98."""
    feed_mode: int
    """93, 94 or 95."""
    feed_nm_min: int | None
    """The F in force, in nm per minute (G93: as written, G95: nm per turn); None: never given."""
    e_nm: int
    """The E coordinate as the program counts."""
    pulled_back_nm: int
    """How far the filament of the tool in use is pulled back, as E counts it now (M200, M221)."""
    tool: int
    """The tool in use (printers), or asked for last (T)."""
    tool_said: bool
    tool_in: int
    """The T of the last M6."""
    tool_change_line: int
    tool_length_nm: int
    """G43.1."""
    tool_length_line: int
    """The G43 that is in force: its length is in the machine's tool table."""
    nozzles_degc: dict[int, float]
    """Targets above zero by tool."""
    bed_degc: float
    chamber_degc: float
    fans: dict[int, float]
    """What each fan was set to last, as written (0..255, or 0..1)."""
    feed_percent: float
    flow_percent: float
    spindle: int
    """3, 4 or 5; 0: never said."""
    s: float
    mist: bool
    flood: bool
    cutter: int
    """41 or 42 while cutter compensation is in force, else 0."""
    surface_speed: bool
    """G96."""
    retracted: bool
    """A printer's G10 without its G11."""
    offset_nm: tuple[int, int, int]
    """What is added to coordinates besides G92: SET_GCODE_OFFSET, a lift by G10, where a tool's nozzle is."""
    homed: tuple[bool, bool, bool]
    level_line: int
    """The last probing of the bed (G29, BED_MESH_CALIBRATE)."""
    object_line: int
    """The EXCLUDE_OBJECT_START of the object that is being made."""
    macro_line: int
    """The last command by name whose meaning only the machine knows."""
    last_work_line: int
    kept_lines: tuple[int, ...]
    """Lines that set what stays in force (M204, M221, SET_VELOCITY_LIMIT, ...); carried out in this order they give
    the same settings as all lines so far."""
    kept_lost: int
    """Settings for which there was no room: the list is not whole."""
    work_top_nm: int | None
    """The greatest Z of work so far, where Z stands in the coordinate system of that work."""


def state_of(scan: gcode_core.Scanner) -> ModalState:
    """The state of a core after what it was fed."""
    values = scan.state()
    x, y, z = (AxisState(*axis) for axis in values.pop("axes"))
    return ModalState(axes=(x, y, z), **values)


def state_after(text: bytes, dialect: Dialect) -> ModalState:
    """The state after a whole short text, from the start of the machine."""
    scan = gcode_core.Scanner(dialect.reads, False)
    scan.feed(text)
    scan.finish()
    return state_of(scan)
