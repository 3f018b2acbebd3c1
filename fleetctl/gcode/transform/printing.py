"""The preamble that takes up a print again: heat, lift, home X and Y, prime away from the part, come back from above.

Z is never homed over a part: the person says how its height is known. The nozzle comes down only at the place where
the print goes on, from above everything that is there. Order and reasons: print-farms.md section 4 (power loss).
It must not read programs; the place is given.
"""

from __future__ import annotations

from fleetctl.errors import UsageError
from fleetctl.gcode.state import ModalState
from fleetctl.gcode.transform.choices import Restart
from fleetctl.gcode.transform.place import Place
from fleetctl.gcode.transform.steps import Steps, nm, plain, written

Z_FEED_MM_MIN = 300.0
"""Slow enough for any Z screw (Marlin's default DEFAULT_MAX_FEEDRATE for Z is 5 mm/s)."""
PRIME_FEED_MM_MIN = 150.0
RETRACT_FEED_MM_MIN = 1800.0
LEAST_RETRACT_NM = 1_000_000
"""Filament held back on the way to the part, so that the nozzle does not ooze over it."""


def check(place: Place, chosen: Restart) -> None:
    """Raises UsageError for what the person must still say."""
    if chosen.z_strategy is None:
        raise UsageError(
            "Say how the height of the nozzle is known: Z cannot be homed over a part.",
            hint="z_strategy is trust (motors were on all the time), at_height (with z_mm: you put the nozzle at a "
            "measured height), or home (only where Z homes away from the part).",
        )
    if (chosen.z_strategy == "at_height") != (chosen.z_mm is not None):
        raise UsageError("z_mm belongs to z_strategy at_height: the height of the nozzle above the bed.")
    height_nm = place.state.axes[2].at_nm
    if chosen.z_mm is not None and nm(chosen.z_mm) > height_nm:
        raise UsageError(
            f"The print goes on at {written(height_nm)} mm, below the {chosen.z_mm:g} mm where you put the nozzle.",
            line=place.line,
            hint="Put the nozzle on top of the part and give that height: then it never goes lower than it stands.",
        )
    if chosen.z_strategy == "home" and not chosen.z_homes_clear:
        raise UsageError(
            "Z may only be homed where it homes away from the part.",
            hint="If this machine does so (Z homes to its top, or beside the part), say z_homes_clear; else choose "
            "at_height.",
        )
    if not _nozzle_degc(place.state, chosen):
        raise UsageError(
            "How hot the nozzle was is not known: no M104 or M109 before this line says it.",
            line=place.line,
            hint="Give nozzle_degc.",
        )
    if place.state.bed_degc == 0 and chosen.bed_degc is None and place.state.macro_line:
        raise UsageError(
            "How hot the bed was is not known: a macro may have heated it.",
            line=place.line,
            hint="Give bed_degc (0 for a cold bed).",
        )


def build(place: Place, chosen: Restart, steps: Steps) -> None:
    """All lines of the preamble."""
    top_nm = max(place.state.work_top_nm or 0, place.state.axes[2].at_nm) + nm(chosen.lift_mm)
    if place.sets_units:
        steps.add("G21", "this preamble counts in millimetres")
    _heat_bed(place, chosen, steps)
    _lift(place, chosen, steps, top_nm)
    _settings(place, steps)
    _heat_nozzle(place.state, chosen, steps)
    back_nm = _prime(place.state, chosen, steps)
    _come_back(place.state, chosen, steps, back_nm)
    _restore(place, steps)
    _warn(place, chosen, steps)


def _nozzle_degc(state: ModalState, chosen: Restart) -> float:
    return chosen.nozzle_degc if chosen.nozzle_degc is not None else state.nozzles_degc.get(state.tool, 0.0)


def _heat_bed(place: Place, chosen: Restart, steps: Steps) -> None:
    state = place.state
    # Klipper has no word for a chamber: its heater is set by the line that the program set it with, see `_settings`.
    chamber_degc = 0.0 if place.dialect.extended and not {"M141", "M191"} & place.words.keys() else state.chamber_degc
    bed_degc = chosen.bed_degc if chosen.bed_degc is not None else state.bed_degc
    if bed_degc > 0:
        steps.add(f"M140 S{plain(bed_degc)}", "the bed first: a part on a cold bed may come off")
    if chamber_degc > 0:
        steps.add(f"M141 S{plain(chamber_degc)}", "the chamber as at this line")
    if bed_degc > 0:
        steps.add(f"M190 S{plain(bed_degc)}", "wait for the bed before anything moves")
    if chamber_degc > 0:
        steps.add(f"M191 S{plain(chamber_degc)}", "wait for the chamber")


def _lift(place: Place, chosen: Restart, steps: Steps, top_nm: int) -> None:
    """Up and away, then home X and Y only."""
    if chosen.z_strategy == "home":
        steps.add("G90", "absolute coordinates")
        steps.add("G28 Z", "Z homes away from the part, as you said")
    else:
        if chosen.z_strategy == "at_height" and chosen.z_mm is not None:
            height = written(nm(chosen.z_mm))
            word = f"SET_KINEMATIC_POSITION Z={height}" if place.dialect.extended else f"G92 Z{height}"
            steps.add(word, f"the nozzle stands {height} mm above the bed, as you measured")
        steps.add("G91", "relative, for the lift")
        steps.add(
            f"G1 Z{written(nm(chosen.lift_mm))} F{plain(Z_FEED_MM_MIN)}", "lift first: only ever up from the part"
        )
        steps.add("G90", "absolute coordinates again")
    steps.add(f"G1 Z{written(top_nm)} F{plain(Z_FEED_MM_MIN)}", "above everything that is printed so far")
    steps.add("G28 X Y", "home X and Y only; Z is not homed over a part")


def _settings(place: Place, steps: Steps) -> None:
    state = place.state
    if state.wcs != "machine":
        steps.add(state.wcs, "the coordinate system in force")
    for text in place.kept:
        steps.add(text, "a setting in force at this line")
    levelled = any(text.upper().startswith(("M420", "BED_MESH_PROFILE")) for text in place.kept)
    if state.level_line and not levelled:
        word = "BED_MESH_PROFILE LOAD=default" if place.dialect.extended else "M420 S1"
        word = "G29 S1" if place.dialect.name == "rrf" else word
        steps.add(word, f"the mesh that line {state.level_line} measured: it cannot be measured over a part")


def _heat_nozzle(state: ModalState, chosen: Restart, steps: Steps) -> None:
    for tool, target in sorted(state.nozzles_degc.items()):
        if tool != state.tool:
            steps.add(f"M104 T{tool} S{plain(target)}", "another nozzle, as at this line")
    if state.tool_said:
        steps.add(f"T{state.tool}", "the tool in use")
    steps.add(f"M109 S{plain(_nozzle_degc(state, chosen))}", "heat the nozzle, away from the part, and wait")


def _prime(state: ModalState, chosen: Restart, steps: Steps) -> int:
    """Fill the nozzle; returns how far the filament is pulled back then, nm."""
    steps.add("M83", "relative filament, for priming")
    steps.add("G92 E0", "filament is counted from here")
    if chosen.prime_mm > 0:
        steps.add(
            f"G1 E{written(nm(chosen.prime_mm))} F{plain(PRIME_FEED_MM_MIN)}", "fill the nozzle, away from the part"
        )
    if state.retracted:
        steps.add("G10", "retracted by the firmware, as at this line")
        return state.pulled_back_nm
    back_nm = max(state.pulled_back_nm, LEAST_RETRACT_NM)
    steps.add(f"G1 E{written(-back_nm)} F{plain(RETRACT_FEED_MM_MIN)}", "hold the filament back on the way")
    return back_nm


def _come_back(state: ModalState, chosen: Restart, steps: Steps, back_nm: int) -> None:
    x, y, z = state.axes
    for fan, value in sorted(state.fans.items()):  # off as well: a run that broke off may have left it on
        index = f" P{fan}" if fan else ""
        steps.add(f"M106{index} S{plain(value)}", "the fan as at this line")
    steps.add(
        f"G0 X{written(x.at_nm)} Y{written(y.at_nm)} F{plain(chosen.travel_feed_mm_min)}",
        "above the place where the print goes on",
    )
    steps.add(f"G1 Z{written(z.at_nm)} F{plain(Z_FEED_MM_MIN)}", "down onto it, from above")
    if back_nm > state.pulled_back_nm:
        text = f"G1 E{written(back_nm - state.pulled_back_nm)} F{plain(RETRACT_FEED_MM_MIN)}"
        steps.add(text, "the filament stands as the program left it")


def _restore(place: Place, steps: Steps) -> None:
    state = place.state
    if any(state.offset_nm):
        offsets = [f"{name}={written(value)}" for name, value in zip("XYZ", state.offset_nm, strict=True) if value]
        steps.add("SET_GCODE_OFFSET " + " ".join(offsets), "the offset that the program had set")
    shifted = [
        f"{name}{written(axis.program_nm)}"
        for name, axis, offset_nm in zip("XYZ", state.axes, state.offset_nm, strict=True)
        if axis.zero_nm != offset_nm
    ]
    if shifted:
        steps.add("G92 " + " ".join(shifted), "zero as the program had set it")
    if place.object_text:
        steps.add(place.object_text, "the object that is being made")
    steps.add(f"G92 E{written(state.e_nm)}", "filament as the program counts it")
    if state.plane != 17:
        steps.add(f"G{state.plane}", "the plane of arcs")
    if state.relative:
        steps.add("G91", "relative coordinates, as at this line")
    steps.add("M83" if state.e_relative else "M82", "how the program counts filament")
    if state.inch:
        steps.add("G20", "the program counts in inches")
    if state.feed_nm_min:
        feed = round(state.feed_nm_min / 25.4) if state.inch else state.feed_nm_min
        steps.add(f"{'G0' if state.motion == 0 else 'G1'} F{written(feed)}", "the feed in force")


def _warn(place: Place, chosen: Restart, steps: Steps) -> None:
    state = place.state
    steps.warn("Look that nothing stands higher than what is printed, and that the nozzle is not stuck to the part.")
    if chosen.z_strategy == "trust":
        steps.warn("Z must be where the firmware believes: motors on ever since, no knock, no lost power.")
    if chosen.z_strategy == "at_height":
        steps.warn("The nozzle must stand at exactly the height you gave when the run begins.")
        if place.dialect.extended:
            steps.warn("SET_KINEMATIC_POSITION needs [force_move] with enable_force_move in printer.cfg.")
    if state.level_line:
        steps.warn("The mesh of the bed is there only if the machine kept power or has stored it.")
    if state.macro_line:
        steps.warn(
            f"Macros were called, the last on line {state.macro_line}: what they set, besides heat, is not repeated."
        )
    if state.pulled_back_nm == 0 and not state.retracted:
        steps.warn("The program extrudes at this very place; a line behind a retraction leaves less of a mark.")
