"""Restart: the rest of a program from a line or a layer on, behind a preamble that brings about the state there.

The preamble is proven before it is given out: the core reads it, and the state it leads to must be the state that
the whole program has at that line. Whether the machine may do this is for the gate and a person to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fleetctl.errors import CannotTransform
from fleetctl.gcode.dialects import Dialect
from fleetctl.gcode.state import ModalState, state_after
from fleetctl.gcode.transform import cutting, printing, unbuildable
from fleetctl.gcode.transform.choices import Restart, check_ranges
from fleetctl.gcode.transform.contract import Given, Prepared, Preview, Transformation
from fleetctl.gcode.transform.cut import tail
from fleetctl.gcode.transform.layers import line_of_layer
from fleetctl.gcode.transform.place import Place, read_place
from fleetctl.gcode.transform.steps import Steps

_PLAIN = (
    *("inch", "relative", "e_relative", "arc_absolute", "plane", "wcs", "cycle_returns_to_r", "feed_mode", "tool"),
    *("tool_length_nm", "spindle", "s", "mist", "flood", "chamber_degc", "retracted", "feed_percent", "flow_percent"),
)
"""Fields of the state that are compared as they are."""

INCH_ERROR_NM = 26
"""A feed set in millimetres and restored in inches is right to a millionth of an inch."""


def _prepare(given: Given, dialect: Dialect, chosen: Restart) -> Prepared:
    check_ranges(chosen)
    line = chosen.line if chosen.layer is None else line_of_layer(given, dialect, chosen.layer)
    assert line is not None
    place = read_place(given, dialect, line)
    unbuildable.refuse(place)
    steps = Steps()
    if place.process == "additive":
        printing.check(place, chosen)
        printing.build(place, chosen, steps)
    elif place.dialect.cnc:
        cutting.check(place, chosen)
        cutting.build(place, chosen, steps)
    else:
        raise CannotTransform(
            "What this program makes is not known, so nothing says how to come back safely.",
            hint="Restarting is for prints, and for milling and engraving on CNC controllers.",
        )
    where = f"line {line}" + (f" (layer {chosen.layer})" if chosen.layer is not None else "")
    heading = (
        f"fleetctl: restart of program {place.sha256[:12]} at {where}",
        "The lines down to the next heading bring about the state that the program has there.",
    )
    text = (b"%\n" if place.tape else b"") + steps.text(*heading)
    _prove(text, place)
    text += f"; fleetctl: from here on line {line} and what follows it, as in the program\n".encode()
    preview = Preview(
        name="restart",
        summary=f"The program from {where} on, behind {len(steps.lines)} lines that bring about its state there.",
        first_line=line,
        lines=tuple(steps.lines),
        warnings=tuple(steps.warnings),
        at_mm=_where(place),
    )
    return Prepared(preview, partial(_blocks, text, given, line))


def _where(place: Place) -> tuple[float, float, float] | None:
    """Where the tool is before the line, mm; None where an axis is not known."""
    x, y, z = place.state.axes
    if not (x.known and y.known and z.known):
        return None
    return x.program_nm / 1e6, y.program_nm / 1e6, z.program_nm / 1e6


def _blocks(text: bytes, given: Given, line: int) -> Iterator[bytes]:
    yield text
    yield from tail(given, line)


def _prove(text: bytes, place: Place) -> None:
    """Raises CannotTransform when the preamble does not lead to the state of the place."""
    reached = _comparable(state_after(text, place.dialect), place)
    for name, wanted in _comparable(place.state, place).items():
        got = reached.get(name)
        if name == "feed_nm_min" and place.state.inch and isinstance(wanted, int) and isinstance(got, int):
            wanted = got if abs(wanted - got) <= INCH_ERROR_NM else wanted
        if got != wanted:
            raise CannotTransform(
                f"The state at this line cannot be brought about exactly: {name} would be {got}, not {wanted}.",
                line=place.line,
                hint="Choose another line, such as the beginning of a layer or the first move after a tool change.",
            )


def _comparable(state: ModalState, place: Place) -> dict[str, object]:
    """What must be the same before the first line of the rest is read."""
    facts: dict[str, object] = {name: getattr(state, name) for name in _PLAIN}
    facts["feed_nm_min"] = state.feed_nm_min if state.feed_mode != 93 else None
    facts["where"] = tuple(axis.program_nm for axis in state.axes)
    if state.motion in (0, 10):
        facts["motion"] = state.motion
    if place.dialect.cnc:
        facts["frames"] = tuple(
            (axis.frame, axis.length, axis.absolute_frame, axis.absolute_length, axis.at_nm, axis.zero_nm)
            for axis in state.axes
        )
        facts["tool_in"] = state.tool_in
        facts["spindle"] = state.spindle or 5
    else:
        facts["filament"] = (state.e_nm, state.pulled_back_nm)
        facts["offset"] = state.offset_nm
        facts["fans"] = state.fans
        facts["other nozzles"] = {tool: degc for tool, degc in state.nozzles_degc.items() if tool != state.tool}
    return facts


RESTART = Transformation(name="restart", version=1, title="restarted", parameters=Restart, prepare=_prepare)
