"""The tables of firmware hold together."""

from __future__ import annotations

import pytest

from fleetctl.gcode.dialects import DIALECTS
from fleetctl.preflight.firmware import FIRMWARES, PLAIN, firmware_of

from .programs import FLUIDNC, GRBLHAL, MILL, MILL_SETUP, MILLING, insert, judge


@pytest.mark.parametrize("name", FIRMWARES)
def test_a_firmware_is_described_for_a_dialect_that_the_core_reads(name: str) -> None:
    firmware = FIRMWARES[name]
    assert name in DIALECTS and name in firmware.accepts
    assert firmware.accepts <= DIALECTS.keys()
    # Programs of another kind are never read as if they were one's own.
    assert {DIALECTS[each].cnc for each in firmware.accepts} == {DIALECTS[name].cnc}
    assert not PLAIN[name] & (firmware.optional | firmware.refused.keys())
    assert all(word[0] in "GMT" for word in PLAIN[name] | firmware.optional)


def test_every_dialect_of_the_core_has_its_firmware() -> None:
    assert FIRMWARES.keys() == DIALECTS.keys()


def test_a_firmware_that_nobody_described_takes_only_its_own_programs() -> None:
    unknown = firmware_of("sinumerik")
    assert unknown.accepts == {"sinumerik"} and unknown.known is None


def test_real_time_bytes_are_told_as_this_firmware_has_them() -> None:
    text = insert(MILLING, 7, "G1 X1 \u00b4")
    said = {
        profile.dialect: next(each.message for each in judge(text, profile, MILL_SETUP) if each.code == "FQ007")
        for profile in (MILL, GRBLHAL, FLUIDNC)
    }
    assert "Ctrl-X" in said["grbl"] and "UTF-8" not in said["grbl"]
    assert "0x81" in said["grblhal"]
    assert "U+00B4" in said["fluidnc"]


def test_fluidnc_cuts_a_long_line_and_the_finding_says_so() -> None:
    long = insert(MILLING, 7, "G1 X1.0000 " + "S1 " * 130)
    message = next(each.message for each in judge(long, FLUIDNC, MILL_SETUP) if each.code == "FQ008")
    assert "cut off without a word" in message
    message = next(each.message for each in judge(long, GRBLHAL, MILL_SETUP) if each.code == "FQ008")
    assert "cut off" not in message
