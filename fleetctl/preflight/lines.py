"""Lines against the firmware's line buffer, as they are sent."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.firmware import Firmware, firmware_of
from fleetctl.preflight.rule import finding, rule

RAW_LINE_MOST_BYTES = 65536
"""The feeder reads no longer line, comments included (ext/feeder.pyx, RAW_LINE_LIMIT_BYTES)."""

_DRESSED = {"numbered": "with its number and checksum", "code": "without comments", "raw": "with its comments"}


@rule(
    "FQ008",
    "Longer than the line buffer",
    "error",
    "Grbl refuses a line that is too long, Marlin and FluidNC cut it off and carry out what is left.",
)
def line_length(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No line is longer than the firmware's line buffer, as it is sent."""
    firmware = firmware_of(profile.dialect)
    sent_bytes, line, most_bytes = _longest(analysis, profile, firmware)
    if most_bytes is not None and sent_bytes > most_bytes:
        cut = (
            " The rest is cut off without a word, and what is left is carried out."
            if firmware.cuts_long_lines
            else ""
        )
        yield finding(
            "FQ008",
            "error",
            line,
            f"The line has {sent_bytes} bytes {_DRESSED[firmware.counts]}; this firmware's buffer holds {most_bytes}."
            + cut,
            "Split the line.",
        )
        if line == analysis.longest_line:
            return  # what is to be done is the same
    if analysis.longest_line_bytes > RAW_LINE_MOST_BYTES:
        yield finding(
            "FQ008",
            "error",
            analysis.longest_line,
            f"The line has {analysis.longest_line_bytes} bytes with its comment; at most {RAW_LINE_MOST_BYTES} "
            "are read.",
            "Take the comment out.",
        )


def _longest(analysis: Analysis, profile: Profile, firmware: Firmware) -> tuple[int, int, int | None]:
    """Bytes of the longest line as this firmware counts them, the line, and how many it takes (None: any)."""
    most_bytes = firmware.line_most_bytes or profile.line_max_bytes
    if firmware.counts == "nothing":
        return 0, 0, None
    if firmware.counts == "raw":
        return analysis.longest_line_bytes, analysis.longest_line, most_bytes
    if firmware.counts == "code":
        return analysis.longest_code_bytes, analysis.longest_code_line, most_bytes
    # "N", the line's number, a blank, the line with single blanks, "*" and three digits; MAX_CMD_SIZE counts a
    # closing zero byte too.
    code_bytes = analysis.longest_spaced_bytes
    sent_bytes = code_bytes + len(str(analysis.lines)) + 6 if code_bytes else 0
    return sent_bytes, analysis.longest_spaced_line, most_bytes - 1
