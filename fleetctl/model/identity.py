"""Names of things: UUIDv7 inside, short human codes outside. Time and randomness are passed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

NewId = Callable[[], str]
"""Gives a fresh UUIDv7 in canonical text form; the application wires it to clock and randomness."""


def uuid7(wall_ms: int, random_bits: int) -> str:
    """A UUIDv7 (RFC 9562 section 5.7) from Unix time in milliseconds (48 bits) and 74 random bits."""
    rand_a = (random_bits >> 62) & 0xFFF
    rand_b = random_bits & ((1 << 62) - 1)
    value = (wall_ms & ((1 << 48) - 1)) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fresh_ids(wall: Callable[[], datetime], random_bits: Callable[[int], int]) -> NewId:
    """Gives UUIDv7 ids of the time that `wall` tells (UTC), with 74 bits each from `random_bits(74)`."""
    return lambda: uuid7(int(wall().timestamp() * 1000), random_bits(74))


class CodeKind(StrEnum):
    """Which counter a human code comes from."""

    ORDER = "O"
    JOB = "J"
    RUN = "R"
    PART = "P"


_WIDTH = {CodeKind.ORDER: 4, CodeKind.JOB: 4, CodeKind.RUN: 4, CodeKind.PART: 5}


def human_code(kind: CodeKind, number: int) -> str:
    """The short code people read and type: `J-1042`, `P-00311`."""
    return f"{kind.value}-{number:0{_WIDTH[kind]}d}"
