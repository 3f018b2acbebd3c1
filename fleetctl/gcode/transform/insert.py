"""Insert: a script of a person's own, such as waiting for a cool bed and pushing the part off, put into a program.

The script is plain G-code without templates. What it changes of the modes is set back behind it, so that the rest of
the program means what it meant; in the middle of the work it must also bring the tool back. A script that pushes
parts off belongs to printers only.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Literal

import msgspec

from fleetctl._ext import gcode_core
from fleetctl.errors import CannotTransform, UsageError
from fleetctl.gcode.dialects import Dialect
from fleetctl.gcode.state import ModalState, state_of
from fleetctl.gcode.transform.contract import Given, Parameters, Prepared, Preview, Transformation
from fleetctl.gcode.transform.cut import pieces
from fleetctl.gcode.transform.place import read_process
from fleetctl.gcode.transform.steps import Steps, written

SCRIPT_MOST_BYTES = 64 * 1024
LINE_MOST_BYTES = 200

REFUSED = {
    "expression": "uses parameters or expressions",
    "o_word": "uses subroutines or loops",
    "offset_write": "writes stored positions (G10, G28.1 or G30.1)",
    "settings_write": "writes settings of the machine",
    "scale_change": "changes what coordinates mean",
    "dollar_line": "holds a $ command",
    "emergency_stop": "holds an emergency stop (M112)",
    "placeholder": "holds a placeholder; scripts have no templates",
    "number_missing": "holds a word whose number is missing",
    "number_overflow": "holds a number with too many digits",
    "stray_character": "holds a character that belongs to no word",
    "percent": "holds a %",
}
"""Hazards of a script that refuse it at once; whether the rest fits a machine is for the gate."""


class Insert(Parameters, frozen=True):
    """`script` is put in `at`: `end`, `before_end_script` (behind the last line that does work), or before a line.

    `end` is before the M2 or M30 of a CNC program. `purpose` eject is for scripts that push a part off.
    """

    script: str
    at: Literal["end", "before_end_script"] | int = "end"
    purpose: Literal["finish", "eject"] = "finish"


class _Ends(msgspec.Struct, frozen=True):
    """What must be known of the whole program."""

    lines: int
    last_work_line: int
    end_line: int
    process: str


def _prepare(given: Given, dialect: Dialect, chosen: Insert) -> Prepared:
    script = _plain(chosen.script, dialect)
    ends = _ends(given, dialect)
    if chosen.purpose == "eject" and ends.process != "additive":
        raise CannotTransform(
            f"A script that pushes parts off is for printers; this program is {ends.process}.",
            hint="Take parts off a mill or laser by hand.",
        )
    line = _line(chosen, ends)
    steps = Steps()
    for line_text in script.splitlines():
        steps.add(line_text, "your script")
    follows = line <= ends.lines and chosen.at != "end"
    back = Steps()
    if follows:
        _set_back(given, dialect, script, line, line <= ends.last_work_line, back)
    steps.lines += back.lines
    if chosen.purpose == "eject":
        if "M190" not in script.upper() and "TEMPERATURE_WAIT" not in script.upper():
            steps.warn("The script does not wait until the bed is cool (M190 R...): the part may still hold on.")
        steps.warn("A part that stays on the bed will be hit by the next print: have a check look, or clear by hand.")
    text = _text(chosen, script, back)
    where = "after the last line" if line > ends.lines else f"before line {line}"
    preview = Preview(
        name="insert",
        summary=f"{len(script.splitlines())} lines of your script are put in {where}.",
        lines=tuple(steps.lines),
        warnings=tuple(steps.warnings),
    )
    return Prepared(preview, partial(_blocks, given, line, text))


def _plain(script: str, dialect: Dialect) -> str:
    """The script with plain line ends. Raises UsageError for what could not be sent or read."""
    plain = script.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not plain.strip():
        raise UsageError("The script is empty.")
    if len(plain) > SCRIPT_MOST_BYTES:
        raise UsageError(f"The script has more than {SCRIPT_MOST_BYTES} characters.")
    for number, text in enumerate(plain.split("\n"), 1):
        if any(not (32 <= ord(c) < 127 or c == "\t") or c in "?!~" for c in text):
            raise UsageError(
                f"Line {number} of the script holds a character that a controller may act on at once, or no ASCII.",
                hint="Use plain letters, digits and signs; not ?, ! and ~.",
            )
        if len(text) > LINE_MOST_BYTES:
            raise UsageError(f"Line {number} of the script is longer than {LINE_MOST_BYTES} characters.")
    scan = gcode_core.Scanner(dialect.reads, False)
    scan.feed(plain.encode() + b"\n")
    scan.finish()
    hazards = scan.hazards()
    for key, phrase in REFUSED.items():
        if mark := hazards.get(key):
            raise UsageError(f"Line {mark[0]} of the script {phrase}.", hint="Take it out.")
    if scan.totals()["commands"] == 0:
        raise UsageError("There is no command in the script.")
    if scan.ending()[1] in ("M2", "M30"):
        raise UsageError("The script ends the program (M2 or M30).", hint="Take that line out.")
    return plain


def _ends(given: Given, dialect: Dialect) -> _Ends:
    scan = gcode_core.Scanner(dialect.reads, False)
    for _, block in pieces(given, 1):
        scan.feed(block)
    scan.finish()
    marker, marker_line = scan.ending()[1:3]
    end_line = marker_line if dialect.cnc and marker in ("M2", "M30", "%") else 0
    return _Ends(scan.totals()["lines"], state_of(scan).last_work_line, end_line, read_process(given, scan, dialect))


def _line(chosen: Insert, ends: _Ends) -> int:
    """The line before which the script goes; one more than there are for the end."""
    if chosen.at == "end":
        return ends.end_line or ends.lines + 1
    if chosen.at == "before_end_script":
        if not ends.last_work_line:
            raise CannotTransform("The program does no work, so it has no end script.", hint="Give a line.")
        return ends.last_work_line + 1
    if not 1 <= chosen.at <= ends.lines:
        raise CannotTransform(f"The program has {ends.lines} lines; there is no line {chosen.at}.")
    if ends.end_line and chosen.at > ends.end_line:
        raise CannotTransform("The program has ended before this line.", hint="Choose `end`.")
    return chosen.at


def _set_back(given: Given, dialect: Dialect, script: str, line: int, amid: bool, steps: Steps) -> None:
    """Lines that set the modes back as they were. Raises CannotTransform for what no line sets back."""
    scan = gcode_core.Scanner(dialect.reads, False)
    for before, block in pieces(given, line):
        if not before:
            break
        scan.feed(block)
    was = state_of(scan)
    scan.feed(script.encode() + b"\n")
    now = state_of(scan)
    _modes(was, now, dialect, steps)
    scan.feed("".join(step.text + "\n" for step in steps.lines).encode())
    now = state_of(scan)
    names = ["inch", "relative", "e_relative", "plane", "wcs", "feed_mode", "arc_absolute", "tool"]
    if not dialect.cnc:
        names += ["e_nm"]
    if amid:
        names += ["axes", "spindle", "s", "pulled_back_nm", "retracted", "nozzles_degc", "tool_length_nm", "fans"]
        names += ["motion"] if dialect.cnc else []
    for name in names:
        if getattr(was, name) != getattr(now, name):
            raise CannotTransform(
                f"The script changes {LEFT_CHANGED[name]} and leaves it so; behind it the program counts on it.",
                line=line,
                hint="Let the script set it back at its end.",
            )


LEFT_CHANGED = {
    "inch": "the units (G20, G21)",
    "relative": "the distance mode (G90, G91)",
    "e_relative": "how filament is counted (M82, M83)",
    "plane": "the plane (G17, G18, G19)",
    "wcs": "the coordinate system (G54 to G59.3)",
    "feed_mode": "how feed is counted (G93, G94, G95)",
    "arc_absolute": "how the centre of arcs is counted (G90.1, G91.1)",
    "tool": "the tool",
    "e_nm": "where the filament stands (E)",
    "axes": "where the axes stand, or their zero,",
    "spindle": "whether the spindle turns (M3, M4, M5)",
    "s": "the speed S",
    "pulled_back_nm": "how far the filament is pulled back",
    "retracted": "the firmware's retraction (G10, G11)",
    "nozzles_degc": "the temperature of a nozzle",
    "tool_length_nm": "the tool length (G43, G49)",
    "fans": "the speed of a fan",
    "motion": "the motion mode",
}
"""What a script must leave as it was, in words."""


def _modes(was: ModalState, now: ModalState, dialect: Dialect, steps: Steps) -> None:
    if now.inch != was.inch:
        steps.add("G20" if was.inch else "G21", "units as before the script")
    if now.relative != was.relative:
        steps.add("G91" if was.relative else "G90", "distance mode as before the script")
    if not dialect.cnc and (now.e_relative != was.e_relative or now.relative != was.relative):
        steps.add("M83" if was.e_relative else "M82", "filament is counted as before the script")
    if now.wcs != was.wcs and was.wcs != "machine":
        steps.add(was.wcs, "coordinate system as before the script")
    if now.plane != was.plane:
        steps.add(f"G{was.plane}", "plane as before the script")
    if not dialect.cnc and now.e_nm != was.e_nm and not was.inch:
        steps.add(f"G92 E{written(was.e_nm)}", "filament as the program counts it")
    if was.feed_nm_min and now.feed_nm_min != was.feed_nm_min and not was.inch:
        steps.add(f"G1 F{written(was.feed_nm_min)}", "feed as before the script")
    if dialect.cnc and now.motion != was.motion and was.motion in (0, 10):
        steps.add(f"G{was.motion // 10}", "motion mode as before the script")


def _text(chosen: Insert, script: str, back: Steps) -> bytes:
    return (
        f"; fleetctl: begin of the inserted script ({chosen.purpose})\n{script}\n".encode()
        + back.text()
        + b"; fleetctl: end of the inserted script\n"
    )


def _blocks(given: Given, line: int, text: bytes) -> Iterator[bytes]:
    put, last = False, b"\n"
    for before, block in pieces(given, line):
        if not before and not put:
            put = True
            yield text
        last = bytes(block[-1:])
        yield bytes(block)
    if not put:
        yield (b"" if last in b"\r\n" else b"\n") + text


INSERT = Transformation(name="insert", version=1, title="with script", parameters=Insert, prepare=_prepare)
