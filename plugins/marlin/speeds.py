"""The speeds of Marlin-family boards, and how their speech is told from noise when nobody gave the speed.

It must not know ports or time.
"""

from __future__ import annotations

import re

from fleetctl.transport.probing import SpeedProbe

SPEEDS_BAUD = (115200, 250000, 230400, 500000, 57600)
"""BAUDRATE of Marlin's configurations: 115200 (Prusa, Creality 32-bit), 250000 (its default for years, divides an
AVR's 16 MHz evenly), and what Repetier, Sprinter and fast 32-bit boards use."""

HELLO = b"\n\nM105\n"
"""Asks for temperatures: changes nothing, and every firmware of the family answers it, also to a wrong checksum."""

SPEECH = re.compile(
    rb"(?m)^\s*(ok\b|start\b|wait\b|echo:|error:|!!|resend:|rs \d|t:\s*-?\d|//|firmware_name:|marlin)", re.I
)


def understood(data: bytes) -> bool:
    """Whether a whole line of `data` begins as lines of these firmwares begin."""
    whole, end, _ = data.rpartition(b"\n")
    return bool(end) and SPEECH.search(whole) is not None


SPEED_PROBE = SpeedProbe(speeds_baud=SPEEDS_BAUD, hello=HELLO, understood=understood)
