"""Places that cannot be taken up again, and why: what no line of a preamble could bring about.

Refuses before anything is built. It must not know how a state is rebuilt.
"""

from __future__ import annotations

from fleetctl.errors import CannotTransform
from fleetctl.gcode.transform.place import Place

PULLED_BACK_MOST_NM = 30_000_000
"""Filament pulled back further than this is not retracted but unloaded: a tool change is under way."""

ALL_HAZARDS = {
    "expression": "uses parameters or expressions, whose values at this line are not known",
    "o_word": "uses subroutines or loops, so that the line may be reached more than once",
    "offset_write": "writes stored positions (G10, G28.1 or G30.1), so coordinates mean something else since",
    "settings_write": "writes settings of the machine",
    "transform": "turns, scales or mirrors coordinates (G16, G51 or G68)",
    "not_followed": "bends the path or changes what moves (skew, mesh offset, carriages)",
    "meta_command": "decides by if or while what it does",
    "probe": "probes, and what was measured is not known",
    "scale_change": "changes what coordinates mean (M92, M206, M428, M665 or M666)",
    "dollar_line": "holds a $ command",
    "number_overflow": "holds a number with too many digits",
    "oversized_line": "holds a line too long to be read",
    "unknown_number": "holds a command number that is out of range",
    "tool_overflow": "uses too many tools",
    "not_provable": "does something that cannot be known before the run",
    "length_unknown": "uses a tool length that cannot be told",
    "frame_overflow": "uses too many tool lengths",
    "offset_unknown": "brings back a shift that another program left (G92.3)",
    "state_unknown": "brings back a state that it did not store",
    "repeated_group": "has words on one line that exclude each other",
    "placeholder": "holds a placeholder that the slicer left in",
}
"""Hazards of the lines before the place."""

CUTTING_HAZARDS = {"block_delete": "has lines that the machine may have left out (/)"}

WORDS = {
    "G52": "shifts zero with G52",
    "G60": "stores a place (G60)",
    "M218": "sets tool offsets (M218)",
    "M290": "moves Z by baby steps (M290)",
    "M428": "takes the present place as home (M428)",
    "M605": "moves two carriages together (M605)",
    "M97": "calls a subroutine (M97)",
    "M98": "calls a subroutine (M98)",
    "M66": "waits for an input (M66)",
    "M61": "says by M61 which tool is in",
}

CUTTING_WORDS = {
    "M70": "keeps its modes (M70)",
    "M72": "brings back modes (M72)",
    "M73": "keeps its modes (M73)",
    "G7": "counts X as a diameter (G7)",
}
"""On printers M73 tells how far the print is."""

NAMES = {
    "SET_KINEMATIC_POSITION": "says by itself where the axes stand",
    "SAVE_GCODE_STATE": "saves a state that is not known here",
    "RESTORE_GCODE_STATE": "takes up a saved state",
    "MANUAL_STEPPER": "moves a motor of its own",
}


def refuse(place: Place) -> None:
    """Raises CannotTransform for a place whose state is not known, or cannot be brought about."""
    _refuse_words(place)
    if place.last_work_line < place.line:
        raise CannotTransform(
            "The program does no work from this line on.", line=place.line, hint="Choose a line before its end."
        )
    if not place.state.last_work_line:
        raise CannotTransform(
            "The program has done no work before this line.", line=place.line, hint="Run the program as it is."
        )
    _refuse_state(place)
    _refuse_axes(place)


def _refuse_words(place: Place) -> None:
    # Grbl swallows the / and carries the line out (protocol.c); others have a switch for it.
    switched = place.dialect.cnc and place.dialect.name != "grbl"
    hazards = ALL_HAZARDS | (CUTTING_HAZARDS if switched else {})
    for word, phrase in (WORDS | (CUTTING_WORDS if place.dialect.cnc else {})).items():
        if use := place.words.get(word):
            raise _cannot(f"Before this place the program {phrase}.", use[0])
    for key, phrase in hazards.items():
        if mark := place.hazards.get(key):
            raise _cannot(f"Before this place the program {phrase}.", mark[0])
    if place.dialect.pushes_state and (use := place.words.get("M120")):
        raise _cannot("Before this place the program stores its state (M120).", use[0])
    for name, phrase in NAMES.items():
        if use := place.names.get(name):
            raise _cannot(f"Before this place {name} {phrase}.", use[0])


def _cannot(message: str, line: int) -> CannotTransform:
    return CannotTransform(message, line=line, hint="This program can only be run from its beginning.")


def _refuse_state(place: Place) -> None:
    state = place.state
    if state.cutter:
        raise CannotTransform(
            f"Cutter compensation G{state.cutter} is on at this line, so the tool stands beside the programmed path.",
            line=place.line,
            hint="Choose a line behind the next G40.",
        )
    if state.surface_speed:
        raise CannotTransform(
            "The spindle follows the diameter here (G96).", line=place.line, hint="Choose a line behind the next G97."
        )
    if state.kept_lost:
        raise _cannot("Before this place the program makes more settings than can be repeated.", place.line)
    if any(state.offset_nm) and not place.dialect.extended:
        raise CannotTransform(
            "The nozzle is lifted by the firmware here, or has an offset that the program gave to its tool.",
            line=place.line,
            hint="Choose a line behind the next G11.",
        )
    if state.pulled_back_nm > PULLED_BACK_MOST_NM:
        raise CannotTransform(
            "The filament is pulled back far here: a tool is being changed.",
            line=place.line,
            hint="Choose a line behind the tool change, such as the next layer.",
        )
    if (state.motion < 0 or state.motion > 10) and place.next_is_bare:
        raise CannotTransform(
            "The next line goes on with an arc or a cycle that an earlier line began.",
            line=place.line,
            hint="Choose a line with a motion word of its own (G0, G1, G2 or G3).",
        )
    if state.motion > 30 and not place.next_words & {"G0", "G1", "G2", "G3", "G80"}:
        raise CannotTransform(
            "A canned cycle is in force at this line.", line=place.line, hint="Choose a line behind the next G80."
        )


def _refuse_axes(place: Place) -> None:
    for name, axis in zip("XYZ", place.state.axes, strict=True):
        if not axis.known:
            raise CannotTransform(
                f"Where {name} stands at this line is not known.",
                line=place.line,
                hint=f"Choose a line behind an absolute move of {name} (G90).",
            )
        if axis.foreign or axis.absolute_frame == "start":
            raise CannotTransform(
                f"Zero of {name} was set (G92) where its place was not known.",
                line=place.line,
                hint="This program can only be run from its beginning.",
            )
