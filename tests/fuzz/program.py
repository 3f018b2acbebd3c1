"""`analyze` on any bytes: an answer or NotGcode, nothing else, and the answer survives JSON. See README.md.

First byte: `a` detects the dialect, others choose one. Second: 1 asks for times, 2 gives a machine.
"""

from __future__ import annotations

import msgspec

from fleetctl.errors import NotGcode
from fleetctl.gcode import Analysis, analyze, kind_of

from .scanner import DEVIATION, NAMES


def one(data: bytes) -> None:
    """One input."""
    if len(data) < 2:
        return
    dialect = "auto" if data[0] == 97 else NAMES[data[0] % len(NAMES)]
    machine = DEVIATION if data[1] & 2 else None
    program = data[2:]
    packed = kind_of(program) is not None  # no line can be named in it, and its plain text is longer
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
