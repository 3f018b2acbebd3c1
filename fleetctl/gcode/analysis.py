"""`analyze`: one program in, its facts out. Puts the parts together; all reading of lines is in the compiled core.

It must not judge, and it holds no state between calls; it may run in any thread (the core frees the GIL).
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from typing import Literal

import msgspec

from fleetctl._ext import gcode_core
from fleetctl.errors import NotGcode, UsageError
from fleetctl.gcode.claim_lines import claim_lines
from fleetctl.gcode.claims import claims
from fleetctl.gcode.containers import UnpackedProgram
from fleetctl.gcode.detect import detect_dialect
from fleetctl.gcode.dialects import DIALECTS, Dialect
from fleetctl.gcode.facts import (
    FACTS_VERSION,
    TIME_PARTS,
    UNKNOWN_BOUNDS,
    Analysis,
    AxisRange,
    Bounds,
    Box,
    Ending,
    FrameBounds,
    HeaterUse,
    Mark,
    Process,
    SlicerClaims,
    SpindleUse,
    ToolUse,
    WordUse,
)
from fleetctl.gcode.findings import reading_findings
from fleetctl.gcode.limits import MotionLimits
from fleetctl.gcode.metadata import read_pairs
from fleetctl.gcode.pictures import comment_pictures, container_pictures
from fleetctl.gcode.planning import default_limits, start_plan
from fleetctl.gcode.rapids import LowestZ, RapidBounds
from fleetctl.gcode.secrets import first_secret
from fleetctl.gcode.source import Source, open_source, refuse_other_formats
from fleetctl.gcode.trace import FeatureUse, History, LayerTable, ObjectUse
from fleetctl.gcode.writers import LASER_WRITERS, detect_writer

_SENSELESS = ("stray_character", "number_missing", "high_byte_code", "nul", "control_code", "placeholder")


def analyze(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    dialect: str = "auto",
    machine: MotionLimits | None = None,
    time_at_line: bool = False,
    position_at_line: bool = False,
    histories: bool = False,
    plate: int | None = None,
    unpacked: UnpackedProgram | None = None,
    progress: Callable[[int], None] | None = None,
) -> Analysis:
    """The facts of a program.

    `source` is a path or the bytes themselves, read in blocks of 1 MiB; of a container (gzip, `.gcode.3mf`,
    `.bgcode`) the plain program inside is read, of several plates the one that `plate` names. `unpacked` is what
    `unpack` gave, if the source is a plain program that was already taken out of one. `dialect` is a name of
    `dialects.DIALECTS`, or `auto` to detect it. `machine` gives the limits that time is planned with, and the
    places of home and start. `time_at_line` keeps the planned time of every line (8 bytes each),
    `position_at_line` where each ends (12 bytes each), `histories` how feed, temperatures and the like change.
    `progress` is told the bytes of each block once it is read, in the calling thread.

    Raises NotGcode for what is no G-code (empty, binary, another format, prose) and for a container that is damaged,
    UsageError for a dialect that does not exist or a plate that is not there or not said, OSError for a file that
    cannot be read. Everything odd inside a program is a hazard or a finding, never an exception.
    """
    if dialect != "auto" and dialect not in DIALECTS:
        raise UsageError(f"There is no dialect {dialect!r}.", hint=f"Known are: auto, {', '.join(DIALECTS)}.")
    with open_source(source, plate=plate, unpacked=unpacked) as opened:
        refuse_other_formats(opened.head, opened.size_bytes)
        chosen = DIALECTS[detect(opened) if dialect == "auto" else dialect]
        scan = scanner(chosen, machine, time_at_line, position_at_line, histories)
        digest = hashlib.sha256()
        for block in opened.blocks():
            digest.update(block)
            scan.feed(block)
            if progress is not None:
                progress(block.nbytes)
        scan.finish()
        refuse_text(scan)
        return _facts(scan, opened, chosen, dialect == "auto", machine, digest.hexdigest())


def detect(source: Source) -> str:
    """The dialect of a source: from its first 64 KiB, or its first MiB if that is all pictures and comments."""
    head = source.start
    probe = gcode_core.Scanner(0, False, False)
    probe.feed(head)
    if probe.totals()["commands"] < 20:
        head = source.head
    return detect_dialect(source.said + head, source.tail)


def scanner(
    dialect: Dialect,
    machine: MotionLimits | None,
    time_at_line: bool = False,
    position_at_line: bool = False,
    histories: bool = False,
    path: tuple[float, int] = (0.0, 0),
) -> gcode_core.Scanner:
    """A core ready to be fed with a program in `dialect`. `path`: deviation in mm and greatest number of vertices of
    the tool path, a deviation of 0 for none."""
    scan = gcode_core.Scanner(dialect.reads, True, time_at_line, position_at_line, histories, *path)
    start_plan(scan, dialect, machine)
    limits = machine or default_limits(dialect)
    scan.set_places(limits.home_mm, limits.start_mm)
    return scan


def refuse_text(scan: gcode_core.Scanner) -> None:
    """Raises NotGcode if hardly anything that was read was a command: prose, source code, damaged data."""
    hazards = scan.hazards()
    known = sum(count for _, count, _ in scan.words().values())
    known += sum(hazards[name][2] for name in ("o_word", "expression", "dollar_line") if name in hazards)
    odd = [hazards[name] for name in _SENSELESS if name in hazards]
    worst = sum(mark[2] for mark in odd)
    totals = scan.totals()
    if totals["commands"] == 0:
        raise NotGcode("There is no command in this file.", line=1, hint="Send the G-code file.")
    senseless = worst > 0 and known == 0 and totals["first_motion_line"] == 0
    if senseless or worst > max(8, 2 * known, totals["commands"] // 2):
        first = min(mark[0] for mark in odd)
        raise NotGcode("This text is not G-code.", line=first, hint="Send what the slicer or CAM exported.")


def _box(ranges: tuple[tuple[float, int, float, int, int, int] | None, ...]) -> Box:
    x, y, z = (None if r is None else AxisRange(*r) for r in ranges)
    return Box(x, y, z)


def _rapids(scan: gcode_core.Scanner) -> tuple[RapidBounds, ...]:
    return tuple(
        RapidBounds(name, LowestZ(*travel) if travel else None, LowestZ(*plunge) if plunge else None)
        for name, travel, plunge in scan.rapids()
    )


def merged(frames: tuple[FrameBounds, ...], work: bool) -> Bounds:
    """One box over all coordinate systems; `machine` only if there is no other: its zero is another place. What was
    moved before the place was known (`start`) counts only if nothing else does."""
    boxes: list[Box] = []
    for apart in (("machine", "start"), ("start",), ()):
        boxes = [frame.work if work else frame.motion for frame in frames if frame.frame not in apart]
        if any(r for box in boxes for r in box.axes):
            break
    low, high = [], []
    for axis in range(3):
        ranges = [r for box in boxes if (r := box.axes[axis])]
        low.append(min((r.low_mm for r in ranges), default=math.nan))
        high.append(max((r.high_mm for r in ranges), default=math.nan))
    return ((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def tool_uses(scan: gcode_core.Scanner, said: SlicerClaims) -> tuple[ToolUse, ...]:
    """Tools with the volume and the grams that the slicer's diameter (mm) and density (g/cm3) give."""
    uses = []
    # With M200 the E words are volumes from some line on, so that there is no one length to multiply.
    lengths = "volumetric" not in scan.hazards()
    for number, line, pushed in scan.tools():
        diameter = _nth(said.filament_diameter_mm, number) if lengths else None
        density = _nth(said.filament_density_g_cm3, number)
        volume = pushed * math.pi / 4 * diameter**2 if diameter else None
        grams = volume * density / 1000 if volume is not None and density else None
        material = said.filament_type[number] if 0 <= number < len(said.filament_type) else ""
        uses.append(ToolUse(number, line, pushed, grams, material, volume))
    return tuple(sorted(uses, key=lambda use: use.number))


def _nth(values: tuple[float, ...], n: int) -> float | None:
    return values[n] if 0 <= n < len(values) else None


def process_of(scan: gcode_core.Scanner, dialect: Dialect, writer: str, work: Bounds) -> Process:
    """How the program makes things, as far as its words tell."""
    if not dialect.cnc:
        return "additive" if any(pushed > 0 for _, _, pushed in scan.tools()) else "unknown"
    spindle = scan.spindle()
    flat = not work[1][2] - work[0][2] > 0
    laser_words = spindle is not None and (spindle[5] > 0 or scan.s_on_motion > 2)
    if writer.startswith(LASER_WRITERS) or (flat and laser_words):
        return "laser"
    return "subtractive" if scan.totals()["first_work_line"] else "unknown"


def _marks(scan: gcode_core.Scanner, opened: Source) -> dict[str, Mark]:
    """What the core saw; a secret in the settings of a container is in no line, so its line is 0."""
    marks = {name: Mark(*mark) for name, mark in scan.hazards().items()}
    secret = first_secret(scan.secret_keys())
    if secret is None and opened.said:
        beside = gcode_core.Scanner(DIALECTS["marlin"].reads, False, False)
        beside.feed(opened.said)
        beside.finish()
        found = first_secret(beside.secret_keys())
        secret = (0, found[1]) if found else None
    if secret:
        marks["secret"] = Mark(secret[0], 1 if secret[0] else 0, secret[1])
    return marks


def _facts(
    scan: gcode_core.Scanner,
    opened: Source,
    dialect: Dialect,
    detected: bool,
    machine: MotionLimits | None,
    sha256: str,
) -> Analysis:
    totals = scan.totals()
    unpacked = opened.unpacked
    pairs = read_pairs(opened.start, opened.tail, opened.said)
    said = msgspec.structs.replace(claims(pairs), lines=claim_lines(opened.start, opened.tail, totals["lines"]))
    writer = detect_writer(opened.start, opened.tail, opened.said)
    frames = tuple(
        FrameBounds(name, _box(motion), _box(work), length) for name, motion, work, length in scan.frames()
    )
    work = merged(frames, True) if frames else UNKNOWN_BOUNDS
    tools = tool_uses(scan, said)
    ending = Ending(*scan.ending())
    hazards = _marks(scan, opened)
    extended, objects = scan.names()
    layers, layers_from = scan.layers()
    parts, past = scan.object_rows()
    spindle = scan.spindle()
    from_file: Literal["file", "default"] = "file" if scan.file_sets_limits else "default"
    return Analysis(
        **totals,
        sha256=sha256,
        facts_version=FACTS_VERSION,
        dialect=dialect.name,
        dialect_detected=detected,
        process=process_of(scan, dialect, writer, work),
        slicer=writer,
        bounds_mm=merged(frames, False) if frames else UNKNOWN_BOUNDS,
        work_bounds_mm=work,
        frames=frames,
        rapids=_rapids(scan) if dialect.cnc else (),
        duration_s=sum(totals[part] for part in TIME_PARTS),
        limits_from="machine" if machine else from_file,
        times_f64=scan.times(),
        positions_f32=scan.positions(),
        layers=0 if dialect.cnc else layers,
        layers_from="" if dialect.cnc else layers_from,
        layer_table=LayerTable(*scan.layer_rows()),
        max_z_work_mm=None if math.isnan(work[1][2]) else work[1][2],
        filament_mm={tool.number: tool.filament_mm for tool in tools if tool.filament_mm > 0},
        filament_g={tool.number: tool.filament_g for tool in tools if tool.filament_g},
        filament_mm3={tool.number: tool.filament_mm3 for tool in tools if tool.filament_mm3},
        features={name: FeatureUse(*use) for name, use in scan.features().items()},
        histories=tuple(History(*one) for one in scan.histories()),
        tools=tools,
        temperatures={name: HeaterUse(*use) for name, use in scan.heaters().items()},
        spindle=SpindleUse(*spindle) if spindle else None,
        spindle_rpm_max=spindle[1] if spindle else None,
        words={word: WordUse(*use) for word, use in scan.words().items()},
        letters=scan.letters(),
        letter_columns=scan.letter_columns(),
        extended={name.upper(): WordUse(*use) for name, use in extended.items()},
        objects=tuple(objects),
        object_parts=tuple(ObjectUse(part[0], part[1] if part[1] >= 0 else None, *part[2:]) for part in parts),
        objects_past=past,
        hazards=hazards,
        ending=ending,
        claims=said,
        metadata=pairs,
        thumbnails=comment_pictures(opened.head) + container_pictures(unpacked.pictures if unpacked else ()),
        container=unpacked.container if unpacked else None,
        findings=reading_findings(
            hazards, ending, totals["lines"], evaluated=dialect.expressions, reasons=scan.reasons()
        ),
    )
