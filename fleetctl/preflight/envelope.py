"""Where the tool goes, in machine coordinates, with the offsets that are set now."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, AxisRange, Box, Finding, FrameBounds
from fleetctl.model.profile import Envelope, Process, Profile, Setup
from fleetctl.preflight.rule import finding, rule

TOLERANCE_MM = 0.001
"""Programs are written with three decimals; less than the last of them is not a collision."""

LIFT_MOST_MM = 50.0
"""How far a printer's start script may lift the nozzle before it homes."""

CODE = "FQ001"


@rule(
    CODE,
    "Outside the envelope",
    "error",
    "A move beyond the envelope ends the run at a limit switch, or breaks something that has none.",
)
def envelope(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No motion leaves the envelope, in machine coordinates with the offsets that are set now."""
    if profile.envelope is None:
        if analysis.first_motion_line:
            yield finding(
                CODE,
                "error",
                analysis.first_motion_line,
                "The envelope of this machine is not known, so nobody can say whether the program fits.",
                "Give the machine a profile with an envelope.",
            )
        return
    for frame in analysis.frames:
        length = frame.length_offset
        if frame.frame == "start":
            yield from _from_unknown_start(frame.motion, analysis, profile)
        elif length is not None and length not in setup.tool_lengths_mm:
            yield _unknown_length(frame, length)
        elif frame.frame == "machine":
            offset = _lengthened((0.0, 0.0, 0.0), length, setup)
            yield from _outside(frame.motion, profile.envelope, offset, "machine coordinates")
        elif frame.frame in setup.offsets_mm:
            offset = _lengthened(setup.offsets_mm[frame.frame], length, setup)
            place = frame.frame if length is None else f"{frame.frame} with the length of tool {length}"
            yield from _outside(frame.motion, profile.envelope, offset, place)
        else:
            line, column = _somewhere(frame.motion)
            yield finding(
                CODE,
                "error",
                line,
                f"The program moves in {frame.frame}, and no {frame.frame} offset is on record for this machine.",
                f"Set the {frame.frame} offset of the machine and enter it in its set-up.",
                column,
            )


def _somewhere(box: Box) -> tuple[int, int]:
    """Line and column of the earliest of the moves that reach farthest; 0 for a box of no move."""
    reaches = [reach for reach in box.axes if reach is not None]
    places = [(reach.low_line, reach.low_column) for reach in reaches]
    places += [(reach.high_line, reach.high_column) for reach in reaches]
    return min(places, default=(0, 0))


def _lengthened(
    offset_mm: tuple[float, float, float], length: int | None, setup: Setup
) -> tuple[float, float, float]:
    """A work offset with the length of a tool of the machine's table added to Z."""
    x, y, z = offset_mm
    return (x, y, z) if length is None else (x, y, z + setup.tool_lengths_mm[length])


def _unknown_length(frame: FrameBounds, length: int) -> Finding:
    z = frame.motion.z
    return finding(
        CODE,
        "error",
        min(z.low_line, z.high_line) if z is not None else 0,
        f"The program uses the length of tool {length} (G43 H{length}), and none is on record for this machine.",
        f"Measure tool {length} and enter its length in the machine's set-up.",
    )


def _from_unknown_start(box: Box, analysis: Analysis, profile: Profile) -> Iterator[Finding]:
    if profile.process is not Process.ADDITIVE:
        yield finding(
            CODE,
            "error",
            analysis.first_motion_line,
            "The program moves relative to wherever the tool stands, so it cannot be shown to stay inside.",
            "Begin with an absolute move (G90) in a work offset.",
        )
        return
    # Lifting the nozzle before homing is how most start scripts begin; anything else may hit something.
    lines = [reach.low_line or reach.high_line for reach in (box.x, box.y) if reach is not None]
    if box.z is not None and box.z.low_mm < 0.0:
        lines.append(box.z.low_line)
    if box.z is not None and box.z.high_mm > LIFT_MOST_MM:
        lines.append(box.z.high_line)
    if lines:
        yield finding(
            CODE,
            "error",
            min(lines),
            "The program moves relative to wherever the nozzle stands, so it cannot be shown to stay inside.",
            f"Home the axis (G28) before; only lifting by up to {LIFT_MOST_MM:g} mm is fine without.",
        )


def _outside(box: Box, envelope: Envelope, offset_mm: tuple[float, float, float], frame: str) -> Iterator[Finding]:
    for name, reach, shift, least, greatest in zip(
        "XYZ", box.axes, offset_mm, envelope.least_mm, envelope.greatest_mm, strict=True
    ):
        if reach is not None:
            yield from _axis_outside(name, reach, shift, (least, greatest), frame)


def _axis_outside(
    name: str, reach: AxisRange, shift: float, limits_mm: tuple[float, float], frame: str
) -> Iterator[Finding]:
    least, greatest = limits_mm
    hint = "Move the work offset or the part on the plate, or choose a larger machine."
    if reach.high_mm + shift > greatest + TOLERANCE_MM:
        yield finding(
            CODE,
            "error",
            reach.high_line,
            f"{name} reaches {reach.high_mm + shift:.3f} mm ({frame}), {reach.high_mm + shift - greatest:.3f} mm "
            f"beyond the envelope's {greatest:.3f} mm.",
            hint,
            reach.high_column,
        )
    if reach.low_mm + shift < least - TOLERANCE_MM:
        yield finding(
            CODE,
            "error",
            reach.low_line,
            f"{name} reaches {reach.low_mm + shift:.3f} mm ({frame}), {least - reach.low_mm - shift:.3f} mm "
            f"below the envelope's {least:.3f} mm.",
            hint,
            reach.low_column,
        )
