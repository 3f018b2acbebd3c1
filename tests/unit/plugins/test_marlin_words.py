"""Marlin's words: each kind of line, reports, and what forks say differently."""

from __future__ import annotations

import pytest
from fleetctl_plugins.marlin import words
from fleetctl_plugins.marlin.words import Word


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"ok", Word.OK),
        (b"ok T:20.1 /0.0 B:19.9 /0.0 @:0 B@:0", Word.OK),
        (b"ok N12 P15 B3", Word.OK),
        (b"okay then", Word.TEXT),
        (b"Resend: 12", Word.RESEND),
        (b"rs 12", Word.RESEND),
        (b"echo:busy: processing", Word.BUSY),
        (b"busy: processing", Word.BUSY),
        (b"echo:busy: paused for user", Word.WAITS_FOR_PERSON),
        (b"start", Word.BANNER),
        (b"echo:start", Word.BANNER),
        (b" External Reset", Word.BANNER),
        (b"start of layer 2", Word.TEXT),
        (b"\xfe\xffstart", Word.BANNER),
        (b"T:200.1 /2start", Word.BANNER),
        (b"okstart", Word.BANNER),
        (b"please restart", Word.TEXT),
        (b"echo:print start", Word.TEXT),
        (b"Error:checksum mismatch, Last Line: 4", Word.LINK_ERROR),
        (b"Error:Line Number is not Last Line Number+1, Last Line: 4", Word.LINK_ERROR),
        (b"Error:No Checksum with line number, Last Line: 4", Word.LINK_ERROR),
        (b"Error:Printer halted. kill() called!", Word.HALT),
        (b"Error:Thermal Runaway, system stopped! Heater_ID: 0", Word.HALT),
        (b"Error:MAXTEMP triggered, system stopped! Heater_ID: 0", Word.HALT),
        (b"Error:Printer stopped due to errors. Fix the error and use M999 to restart.", Word.HALT),
        (b"!! Halted", Word.HALT),
        (b"Error:G2/G3 bad parameters", Word.ERROR),
        (b"Error:volume.init failed", Word.TEXT),
        (b"//action:paused", Word.ACTION),
        (b"// action:cancel", Word.ACTION),
        (b" T:20.1 /0.0 B:19.9 /0.0", Word.TEMPERATURES),
        (b"T:20.1 E:0 W:?", Word.TEMPERATURES),
        (b"wait", Word.WAIT),
        (b"X:1.00 Y:2.00 Z:3.00 E:0.00 Count X:80 Y:160 Z:1200", Word.TEXT),
        (b'echo:Unknown command: "M155 S2"', Word.TEXT),
    ],
)
def test_each_line_has_its_kind(line: bytes, word: Word) -> None:
    assert words.classify(line) is word


@pytest.mark.parametrize(
    ("line", "readings"),
    [
        (b"ok T:205.10 /205.00 B:60.00 /60.00 @:12 B@:9", {"T0": (205.1, 205.0), "B": (60.0, 60.0)}),
        (b" T:21.0 /0.0 T0:21.0 /0.0 T1:22.5 /180.0 B:20.0 /0.0", {"T0": (21, 0), "T1": (22.5, 180), "B": (20, 0)}),
        (b"T:19.9 E:0 W:?", {"T0": (19.9, 0.0)}),
        (b"T:-14.00 /0.00 C:31.0 /40.0", {"T0": (-14.0, 0.0), "C": (31.0, 40.0)}),
        (b"echo:nothing here", {}),
    ],
)
def test_temperatures(line: bytes, readings: dict[str, tuple[float, float]]) -> None:
    assert words.temperatures(line) == readings


def test_positions_and_numbers() -> None:
    assert words.position(b"X:1.50 Y:-2.00 Z:3.00 E:9.00 Count X:120") == (1.5, -2.0, 3.0)
    assert words.position(b"echo: Home XYZ first") is None
    assert words.resend_number(b"Resend: 17") == 17
    assert words.resend_number(b"rs N17") == 17
    assert words.resend_number(b"Resend:") is None
    assert words.free_buffer(b"ok N7 P15 B3") == 3
    assert words.free_buffer(b"ok B:60.0 /60.0") is None


def test_facts_of_m115() -> None:
    firmware, version, facts = words.firmware_facts(
        [
            "FIRMWARE_NAME:Marlin 2.1.2 (Jan 1 2024) SOURCE_CODE_URL:github.com/x/y PROTOCOL_VERSION:1.0 UUID:ab-cd",
            "Cap:EMERGENCY_PARSER:1",
            "Cap:AUTOREPORT_TEMP:0",
        ]
    )
    assert (firmware, version) == ("Marlin", "2.1.2 (Jan 1 2024)")
    assert facts["uuid"] == "ab-cd"
    assert facts["source_code_url"] == "github.com/x/y"
    assert facts["cap:EMERGENCY_PARSER"] == "1"
    assert facts["cap:AUTOREPORT_TEMP"] == "0"


def test_a_firmware_without_a_name_is_marlin_like() -> None:
    assert words.firmware_facts(['echo:Unknown command: "M115"']) == ("Marlin-like", "", {})


@pytest.mark.parametrize(
    ("line", "code"), [(b"N12 G28 X*45", b"G28"), (b"M0", b"M0"), (b"G04 S1", b"G4"), (b"T1", b""), (b"N3 T1*1", b"")]
)
def test_the_code_of_a_line(line: bytes, code: bytes) -> None:
    assert words.code(line) == code
