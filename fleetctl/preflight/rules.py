"""The preflight rules: each compares one kind of fact with the machine and names the line (I2, I13).

A rule is a function from (program facts, profile, set-up) to findings. An error refuses the program on this
machine; a warning is shown. Rules read no file: everything they need is in the facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleetctl.gcode.facts import Analysis, AxisRange, Box, Finding, FrameBounds, Severity
from fleetctl.model.profile import Envelope, Process, Profile, Setup
from fleetctl.preflight.refused import hazards
from fleetctl.preflight.words import (
    ACCEPTED_DIALECTS,
    KNOWN_WORDS,
    OPTIONAL_WORDS,
    REFUSED_WORDS,
    STOPS_ON_UNKNOWN,
    UNKNOWN_LETTERS,
)

Rule = Callable[[Analysis, Profile, Setup], Iterator[Finding]]

RULE_SET = "2026-11.4"
"""Version of the rules; a pass given by another version is void (I2). Count up with every change of a verdict."""

TOLERANCE_MM = 0.001
"""Programs are written with three decimals; less than the last of them is not a collision."""

LIFT_MOST_MM = 50.0
"""How far a printer's start script may lift the nozzle before it homes."""

RAW_LINE_MOST_BYTES = 65536
"""The feeder reads no longer line, comments included (ext/feeder.pyx, RAW_LINE_LIMIT_BYTES)."""


def _finding(code: str, severity: Severity, line: int, message: str, hint: str) -> Finding:
    return Finding(code=code, severity=severity, line=line, column=0, message=message, hint=hint)


def envelope(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ001: no motion leaves the envelope, in machine coordinates with the offsets that are set now."""
    if profile.envelope is None:
        if analysis.first_motion_line:
            yield _finding(
                "FQ001",
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
            yield _finding(
                "FQ001",
                "error",
                analysis.first_motion_line,
                f"The program moves in {frame.frame}, and no {frame.frame} offset is on record for this machine.",
                f"Set the {frame.frame} offset of the machine and enter it in its set-up.",
            )


def _lengthened(
    offset_mm: tuple[float, float, float], length: int | None, setup: Setup
) -> tuple[float, float, float]:
    """A work offset with the length of a tool of the machine's table added to Z."""
    x, y, z = offset_mm
    return (x, y, z) if length is None else (x, y, z + setup.tool_lengths_mm[length])


def _unknown_length(frame: FrameBounds, length: int) -> Finding:
    z = frame.motion.z
    return _finding(
        "FQ001",
        "error",
        min(z.low_line, z.high_line) if z is not None else 0,
        f"The program uses the length of tool {length} (G43 H{length}), and none is on record for this machine.",
        f"Measure tool {length} and enter its length in the machine's set-up.",
    )


def _from_unknown_start(box: Box, analysis: Analysis, profile: Profile) -> Iterator[Finding]:
    if profile.process is not Process.ADDITIVE:
        yield _finding(
            "FQ001",
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
        yield _finding(
            "FQ001",
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
        yield _finding(
            "FQ001",
            "error",
            reach.high_line,
            f"{name} reaches {reach.high_mm + shift:.3f} mm ({frame}), {reach.high_mm + shift - greatest:.3f} mm "
            f"beyond the envelope's {greatest:.3f} mm.",
            hint,
        )
    if reach.low_mm + shift < least - TOLERANCE_MM:
        yield _finding(
            "FQ001",
            "error",
            reach.low_line,
            f"{name} reaches {reach.low_mm + shift:.3f} mm ({frame}), {least - reach.low_mm - shift:.3f} mm "
            f"below the envelope's {least:.3f} mm.",
            hint,
        )


def temperatures(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ002: no heater is asked for more than the machine allows."""
    caps = {
        "nozzle": profile.nozzle_max_degc,
        "bed": profile.bed_max_degc,
        "chamber": profile.chamber_max_degc,
    }
    for heater, use in analysis.temperatures.items():
        cap = caps.get(heater)
        if cap is None and use.max_degc > 0:
            yield _finding(
                "FQ002",
                "error",
                use.max_line,
                f"The program heats the {heater} to {use.max_degc:g} °C; no such heater is on record here.",
                "Choose another machine, or enter the heater's limit in the profile.",
            )
        elif cap is not None and use.max_degc > cap:
            yield _finding(
                "FQ002",
                "error",
                use.max_line,
                f"The program heats the {heater} to {use.max_degc:g} °C; this machine allows {cap:g} °C.",
                "Slice again with a lower temperature or choose another machine.",
            )


def spindle(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ003: the spindle is not asked for more than it has."""
    use = analysis.spindle
    if use is not None and profile.spindle_max_rpm is not None and use.max_s > profile.spindle_max_rpm:
        yield _finding(
            "FQ003",
            "error",
            use.max_line,
            f"The program asks for {use.max_s:g} rpm; this spindle reaches {profile.spindle_max_rpm:g} rpm.",
            "Post-process again for this machine.",
        )


def dialect(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ004: the program is written for this kind of machine, in words that its firmware knows."""
    accepted = ACCEPTED_DIALECTS.get(profile.dialect, frozenset({profile.dialect}))
    additive_machine = profile.process is Process.ADDITIVE
    wrong_process = analysis.process != "unknown" and (analysis.process == "additive") != additive_machine
    # A program read by the rules of another firmware has other facts than this machine would make of it.
    if wrong_process or analysis.dialect not in accepted:
        work = "" if analysis.process == "unknown" else f" for {analysis.process} work"
        yield _finding(
            "FQ004",
            "error",
            analysis.first_motion_line,
            f"This is a {analysis.dialect} program{work}; "
            f"the machine speaks {profile.dialect} and is {profile.process.value}.",
            "Slice or post-process for this kind of machine.",
        )
        return
    yield from _unknown_words(analysis, profile)


def _unknown_words(analysis: Analysis, profile: Profile) -> Iterator[Finding]:
    known = KNOWN_WORDS.get(profile.dialect)
    optional = OPTIONAL_WORDS.get(profile.dialect, frozenset())
    refused = REFUSED_WORDS.get(profile.dialect, {})
    severity: Severity = "error" if profile.dialect in STOPS_ON_UNKNOWN else "warning"
    hint = "Take the word out of the post-processor, or choose another machine."
    for word, use in analysis.words.items():
        checked = known is not None and (word.startswith("G") or profile.dialect in STOPS_ON_UNKNOWN)
        if why := refused.get(word):
            yield _finding("FQ015", "error", use.first_line, f"{word} {why}.", hint)
        elif word in optional:
            message = f"{word} needs an option that stock {profile.dialect} firmware is built without."
            yield _finding("FQ005", "warning", use.first_line, message, "Make sure that this machine has it.")
        elif checked and known is not None and word not in known:
            message = f"{word} is not a word that {profile.dialect} firmware knows."
            yield _finding("FQ005", severity, use.first_line, message, hint)
    for letter in sorted(UNKNOWN_LETTERS.get(profile.dialect, frozenset())):
        if line := analysis.letters.get(letter):
            message = f"The letter {letter} means nothing to {profile.dialect} firmware, which would stop there."
            yield _finding("FQ005", "error", line, message, hint)
    for name, use in analysis.extended.items():
        message = f"{name} is a Klipper command; {profile.dialect} firmware does not know it."
        yield _finding("FQ005", severity, use.first_line, message, hint)


def complete(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ006: the file is whole."""
    ending = analysis.ending
    if ending.cut_word:
        yield _finding(
            "FQ006",
            "error",
            analysis.lines,
            "The last line stops in the middle of a word: the file is truncated.",
            "Export or upload the file again.",
        )
    elif not ending.marker:
        severity: Severity = "error" if not ending.newline else "warning"
        yield _finding(
            "FQ006",
            severity,
            analysis.lines,
            "Nothing marks the end of the program (M2, M30, M84 or a slicer's closing comment): it may be truncated.",
            "Check that the end is there; export again with an end script.",
        )


_BYTES = {
    "high_byte_code": "a byte above 127",
    "realtime_code": "one of the characters ? ! ~",
    "control_code": "a control character",
    "nul": "a NUL byte",
}


def realtime_bytes(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ007: no byte outside comments that a controller could take as a real-time command (I13)."""
    for key, phrase in _BYTES.items():
        if mark := analysis.hazards.get(key):
            yield Finding(
                code="FQ007",
                severity="error",
                line=mark.line,
                column=mark.column,
                message=f"There is {phrase} outside a comment; controllers may act on it at once.",
                hint="Save the file as plain ASCII.",
            )


def line_length(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ008: no line is longer than the firmware's line buffer, as it is sent."""
    numbered = profile.dialect == "marlin"
    if numbered:
        # "N", the line's number, a blank, the line with single blanks, "*" and three digits; MAX_CMD_SIZE counts a
        # closing zero byte too.
        code_bytes, line = analysis.longest_spaced_bytes, analysis.longest_spaced_line
        sent_bytes = code_bytes + len(str(analysis.lines)) + 6 if code_bytes else 0
        most_bytes = profile.line_max_bytes - 1
    else:
        sent_bytes, line = analysis.longest_code_bytes, analysis.longest_code_line
        most_bytes = profile.line_max_bytes
    if sent_bytes > most_bytes:
        dressed = "with its number and checksum" if numbered else "without comments"
        yield _finding(
            "FQ008",
            "error",
            line,
            f"The line has {sent_bytes} bytes {dressed}; this firmware's buffer holds {most_bytes}.",
            "Split the line.",
        )
    if analysis.longest_line_bytes > RAW_LINE_MOST_BYTES:
        yield _finding(
            "FQ008",
            "error",
            analysis.longest_line,
            f"The line has {analysis.longest_line_bytes} bytes with its comment; at most {RAW_LINE_MOST_BYTES} "
            "are read.",
            "Take the comment out.",
        )


def homed(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ014: a printer homes before it moves; its motors were off since the last run."""
    mark = analysis.hazards.get("motion_before_home")
    if mark is not None and profile.process is Process.ADDITIVE:
        # Lifting the nozzle first is common; a program that never homes counts on what nobody can know.
        severity: Severity = "warning" if analysis.first_home_line else "error"
        yield _finding(
            "FQ014",
            severity,
            mark.line,
            "The program moves before any G28: it counts on where the nozzle stands.",
            "Begin with G28.",
        )


def left_on(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """FQ013: heaters and spindle are off at the end."""
    for heater, use in analysis.temperatures.items():
        if use.end_degc > 0:
            message = f"The {heater} is left on at {use.end_degc:g} °C after the last line."
            yield _finding("FQ013", "warning", use.end_line, message, "Add M104 S0 and M140 S0 to the end script.")
    if analysis.spindle is not None and analysis.spindle.end_on:
        message = "The spindle is left on after the last line."
        yield _finding("FQ013", "warning", analysis.spindle.end_line, message, "End the program with M5.")


RULES: tuple[Rule, ...] = (
    envelope,
    temperatures,
    spindle,
    dialect,
    complete,
    realtime_bytes,
    line_length,
    hazards,
    homed,
    left_on,
)
