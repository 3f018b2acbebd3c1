"""`analyze` on any bytes: an answer or NotGcode, nothing else, and the answer survives JSON. See README.md.

First byte: `a` detects the dialect, others choose one. Second: 1 asks for times, 2 gives a machine.
"""

from __future__ import annotations

import msgspec

from fleetctl.errors import NotGcode
from fleetctl.gcode import Analysis, analyze

from .scanner import DEVIATION, NAMES

CONTAINERS = (b"GCDE", b"PK\x03\x04", b"\x1f\x8b")
"""First bytes of packed programs, in which no line can be named, and whose plain text is longer than they are."""


def one(data: bytes) -> None:
    """One input."""
    if len(data) < 2:
        return
    dialect = "auto" if data[0] == 97 else NAMES[data[0] % len(NAMES)]
    machine = DEVIATION if data[1] & 2 else None
    program = data[2:]
    packed = program.startswith(CONTAINERS)
    try:
        facts = analyze(program, dialect=dialect, machine=machine, time_at_line=bool(data[1] & 1))
    except NotGcode as refusal:
        assert refusal.hint and (refusal.line or packed)
        return
    assert msgspec.json.decode(msgspec.json.encode(facts), type=Analysis) == facts
    assert packed or facts.size_bytes == len(program)
    for finding in facts.findings:
        assert 1 <= finding.line <= facts.lines and finding.column >= 0 and finding.message, finding
    for picture in facts.thumbnails:
        assert packed or 0 < picture.offset_bytes <= len(program)
