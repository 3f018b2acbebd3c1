"""The preamble that takes up milling or engraving again: up in machine coordinates, tool, spindle, X and Y, down.

Nothing moves sideways below the height that the person gave; the way down is a feed. A laser is switched on last.
Order: cnc.md 3.5 (resume) and RS274NGC 3.8 for what one line may hold. It must not read programs.
"""

from __future__ import annotations

import re

from fleetctl.errors import CannotTransform, UsageError
from fleetctl.gcode.state import AxisState, ModalState
from fleetctl.gcode.transform.choices import Restart
from fleetctl.gcode.transform.place import Place
from fleetctl.gcode.transform.steps import Steps, nm, plain, written

_PATH_MODE = re.compile(r"(?i)G6(?:1(?:\.1)?|4)(?:\s*[PQ]\s*[\d.]+)*")
_LENGTH = re.compile(r"(?i)H\s*(\d+)")


def check(place: Place, chosen: Restart) -> None:
    """Raises UsageError for what the person must still say, CannotTransform where spindle or laser do not fit."""
    if not chosen.homed:
        raise UsageError(
            "The machine must be homed, with the work offsets of the first run.",
            hint="Home it, look that zero is where it was, and say homed.",
        )
    if chosen.retract_z_mm is None:
        raise UsageError(
            "Give a height in machine coordinates that is clear of everything (retract_z_mm).",
            hint="On a mill that homes up to 0, for example -1.",
        )
    state = place.state
    if place.process == "laser":
        if state.spindle == 3 and state.s > 0:
            raise CannotTransform(
                "The laser is on with constant power (M3) here: it would burn where it begins, before it moves.",
                line=place.line,
                hint="Choose a line at which the laser is off, or make the program with M4.",
            )
    elif state.spindle not in (3, 4):
        raise CannotTransform(
            "The spindle is off at this line.",
            line=place.line,
            hint="Choose a line at which it turns, or run it all.",
        )
    if "M98" in place.words or (state.feed_mode == 95 and state.feed_nm_min is None):
        raise CannotTransform("The feed at this line is not known.", line=place.line, hint="Choose a later line.")


def build(place: Place, chosen: Restart, steps: Steps) -> None:
    """All lines of the preamble."""
    state = place.state
    laser = place.process == "laser"
    for text, reason in (
        ("M5", "nothing turns or burns while it travels"),
        ("M9", "coolant off while it travels"),
        ("G21", "this preamble counts in millimetres"),
        ("G90", "absolute coordinates"),
        ("G94", "feed in millimetres a minute"),
        ("G17", "the plane X Y"),
        ("G40", "no cutter compensation"),
        ("G49", "no tool length of an earlier program"),
        ("G80", "no cycle of an earlier program"),
    ):
        steps.add(text, reason)
    steps.add("G91.1", "centres of arcs count from where the arc begins")
    if place.dialect.name == "linuxcnc":
        steps.add("G8", "X is a radius")
    assert chosen.retract_z_mm is not None
    steps.add(f"G53 G0 Z{written(nm(chosen.retract_z_mm))}", "first straight up, in machine coordinates")
    _tool(place, steps)
    if "G92" in place.words or "G92.2" in place.words:
        steps.add("G92.1", "zero as the machine has it; the program's own is set again below")
    if not laser:
        steps.add("M0", "a person looks: tool, clamps and zero are right, then cycle start")
    steps.add(state.wcs, "the coordinate system in force")
    _length(place, steps)
    if not laser:
        _spindle(state, chosen, steps)
    _approach(place, chosen, steps, "G0" if laser else "G1")
    _restore(place, steps)
    if laser and state.spindle in (3, 4):
        steps.add(f"M{state.spindle} S{plain(state.s)}", "the laser last: it burns only while it moves")
    _warn(place, chosen, steps)


def _tool(place: Place, steps: Steps) -> None:
    state = place.state
    if state.tool_change_line:
        steps.add(f"T{state.tool_in} M6", "the tool in the spindle at this line")
        if state.tool != state.tool_in:
            steps.add(f"T{state.tool}", "the tool that was asked for next")
    elif state.tool_said:
        steps.add(f"T{state.tool}", "the tool that was asked for")


def _length(place: Place, steps: Steps) -> None:
    state = place.state
    if state.tool_length_nm:
        steps.add(f"G43.1 Z{written(state.tool_length_nm)}", "the tool length that the program gave")
    elif state.tool_length_line:
        number = _LENGTH.search(place.length_text)
        steps.add(f"G43 H{number.group(1)}" if number else "G43", "the tool length from the machine's table")


def _spindle(state: ModalState, chosen: Restart, steps: Steps) -> None:
    steps.add(f"M{state.spindle} S{plain(state.s)}", "the spindle, high above the part")
    if chosen.spindle_up_s > 0:
        steps.add(f"G4 P{plain(chosen.spindle_up_s)}", "until it has its speed")
    if state.mist:
        steps.add("M7", "mist coolant")
    if state.flood:
        steps.add("M8", "flood coolant")


def _approach(place: Place, chosen: Restart, steps: Steps, down: str) -> None:
    """X and Y at the height of the retract, then Z; each in the coordinate system that it was put there in."""
    state = place.state
    x, y, z = state.axes
    above, onto = "above the place where the work goes on", "down to where the tool was"
    feed = f" F{plain(chosen.plunge_feed_mm_min)}" if down == "G1" else ""
    moves = [(x.frame, f"G0 X{_goal(x)} Y{_goal(y)}", above)]
    if x.frame != y.frame:
        moves = [(x.frame, f"G0 X{_goal(x)}", above), (y.frame, f"G0 Y{_goal(y)}", above)]
    moves.append((z.frame, f"{down} Z{_goal(z, state.tool_length_nm)}{feed}", onto))
    selected = state.wcs
    for frame, move, reason in moves:
        if frame not in ("machine", selected):
            steps.add(frame, "the coordinate system of that place")
            selected = frame
        steps.add(f"G53 {move}" if frame == "machine" else move, reason)
    if selected != state.wcs:
        steps.add(state.wcs, "the coordinate system in force")


def _goal(axis: AxisState, length_nm: int = 0) -> str:
    """The coordinate before G92 is set again; a tool length is in force already, but not in machine coordinates."""
    return written(axis.at_nm - (length_nm if axis.frame != "machine" else 0))


def _restore(place: Place, steps: Steps) -> None:
    state = place.state
    lengths = (0, 0, state.tool_length_nm)
    shifted = [
        f"{name}{written(axis.program_nm)}"
        for name, axis, length_nm in zip("XYZ", state.axes, lengths, strict=True)
        if axis.zero_nm != length_nm
    ]
    if shifted:
        steps.add("G92 " + " ".join(shifted), "zero as the program had set it")
    for text in place.kept:
        if found := _PATH_MODE.search(text):
            steps.add(found.group(0), "how exactly the path is followed")
        elif "M48" in text.upper() or "M49" in text.upper():
            steps.add("M49" if "M49" in text.upper() else "M48", "whether overrides count")
    if state.plane != 17:
        steps.add(f"G{state.plane}", "the plane of arcs")
    if state.arc_absolute:
        steps.add("G90.1", "centres of arcs are absolute")
    if state.cycle_returns_to_r:
        steps.add("G99", "cycles go back to R")
    if state.inch:
        steps.add("G20", "the program counts in inches")
    _restore_feed(state, steps)
    if state.relative:
        steps.add("G91", "relative coordinates, as at this line")
    if place.process == "laser" and state.spindle not in (3, 4) and state.s > 0:
        steps.add(f"S{plain(state.s)}", "the power that the next M3 or M4 will use")


def _restore_feed(state: ModalState, steps: Steps) -> None:
    word = {0: "G0", -1: "G80"}.get(state.motion, "G1")
    feed = ""
    if state.feed_nm_min is not None and state.feed_mode != 93:
        value = round(state.feed_nm_min / 25.4) if state.inch else state.feed_nm_min
        feed = f"F{written(value)}"
    if state.feed_mode == 94:
        steps.add(f"{word} {feed}".strip(), "the motion mode and feed in force")
        return
    steps.add(word, "the motion mode in force")
    steps.add(f"G{state.feed_mode} {feed}".strip(), "how the program gives feeds")


def _warn(place: Place, chosen: Restart, steps: Steps) -> None:
    steps.warn("The work offsets must be those of the first run, and the part must not have moved.")
    if place.process != "laser":
        steps.warn("The line may have been cut in part already; the tool goes down where that line begins.")
        if place.state.tool_length_line:
            steps.warn("The tool length comes from the machine's table; look that it is that of this tool.")
    if place.state.axes[2].frame == "machine":
        steps.warn("Z goes down in machine coordinates (G53).")
