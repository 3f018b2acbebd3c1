"""Signs in the file that are no G-code for this controller: real-time commands, checksums, secrets."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.gcode.facts import Analysis, Finding
from fleetctl.model.profile import Profile, Setup
from fleetctl.preflight.firmware import firmware_of
from fleetctl.preflight.rule import finding, rule

_BYTES = {
    "high_byte_code": "a byte above 127",
    "realtime_code": "one of the characters ? ! ~",
    "control_code": "a control character",
    "nul": "a NUL byte",
}


@rule(
    "FQ007",
    "Bytes that act at once",
    "error",
    "Grbl and its kin take certain bytes out of the stream and act on them at once, wherever they stand (I13).",
)
def realtime_bytes(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No byte outside comments could be taken as a real-time command (I13)."""
    for key in _BYTES.keys() & analysis.hazards.keys():
        mark = analysis.hazards[key]
        firmware = firmware_of(profile.dialect)
        acts = (
            f"{firmware.title} acts at once on {firmware.realtime}"
            if firmware.realtime
            else "controllers may act on it"
        )
        yield finding(
            "FQ007",
            "error",
            mark.line,
            f"There is {_BYTES[key]} outside a comment; {acts}.",
            "Save the file as plain ASCII.",
            mark.column,
        )


@rule(
    "FQ026",
    "Checksums that the firmware misreads",
    "error",
    "To RS274 a `*` is no checksum but multiplication, so a numbered printer file stops the controller.",
)
def checksums(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No `*` checksum where the target misreads it."""
    mark = analysis.hazards.get("checksum")
    if mark is None:
        return
    firmware = firmware_of(profile.dialect)
    if firmware.takes_star:
        return
    streamed = bool(firmware.realtime)
    yield finding(
        "FQ026",
        "warning" if streamed else "error",
        mark.line,
        f"The line has a checksum; {firmware.title} does not read `*` so."
        + (" It is taken off when the program is streamed." if streamed else ""),
        "Export the program without line numbers and checksums.",
        mark.column,
    )


@rule(
    "FQ027",
    "A secret in the file",
    "warning",
    "A password or key in a comment goes to everybody who may read the file, other sites and customers included.",
)
def secrets(analysis: Analysis, profile: Profile, setup: Setup) -> Iterator[Finding]:
    """No comment holds a password or key."""
    if mark := analysis.hazards.get("secret"):
        yield finding(
            "FQ027",
            "warning",
            mark.line,
            "A comment here holds a password or key.",
            "Take it out of the slicer's printer settings, export again, and change the password.",
            mark.column,
        )
