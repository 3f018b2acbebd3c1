"""The line feeder: any split gives the same lines, raw or numbered, and never a real-time byte (I13). See README.md.

First byte: 1 removes spaces, 2 sends text commands. Second: the longest line, and the seed of the splits.
"""

from __future__ import annotations

import functools
import operator

from fleetctl.errors import FleetctlError
from fleetctl.protocol.feeder import Feeder, frame_line

from .scanner import split

REALTIME = frozenset(b"!?~")
NEVER = frozenset((*range(10), *range(11, 32), *range(127, 256)))

Lines = list[tuple[bytes, int, int]]


def feed(blocks: list[bytes], batch: int, options: dict[str, int], first: int | None = None) -> tuple[Lines, str]:
    """What comes out of a feeder, and the fault that ended it."""
    feeder = Feeder(**options)  # type: ignore[arg-type]
    given: Lines = []
    try:
        for block in [*blocks, None]:
            if block is None:
                feeder.finish()
            else:
                feeder.push(block)
            while lines := feeder.take(batch) if first is None else feeder.take_numbered(batch, first + len(given)):
                assert len(lines) <= batch
                given += lines
    except FleetctlError as fault:
        assert fault.line and fault.hint and not feeder.exhausted
        return given, str(fault)
    assert feeder.exhausted and feeder.offset_bytes == sum(map(len, blocks))
    return given, ""


def one(data: bytes) -> None:
    """One input."""
    if len(data) < 2:
        return
    options = {
        "line_limit_bytes": 1 + data[1] // 2, "remove_spaces": data[0] & 1 != 0, "text_commands": data[0] & 2 != 0,
    }  # fmt: skip
    program = data[2:]
    whole, fault = feed([program], 1000, options)
    assert feed(split(program, data[1]), 1 + data[1] % 5, options) == (whole, fault)
    last_line = last_offset = 0
    for line, source, offset in whole:
        assert line.endswith(b"\n") and 1 < len(line) <= options["line_limit_bytes"] + 1
        assert not NEVER & set(line) and line.count(b"\n") == 1
        assert options["text_commands"] or not REALTIME & set(line)
        assert source > last_line and offset > last_offset
        last_line, last_offset = source, offset
    numbered, _ = feed(split(program, data[0]), 3, options | {"line_limit_bytes": 1000}, first=data[0])
    for number, (line, _, _) in enumerate(numbered, data[0]):
        body, _, given = line[:-1].rpartition(b"*")
        assert functools.reduce(operator.xor, body) == int(given)
        prefix = b"N%d " % number
        assert body.startswith(prefix) and frame_line(number, body.removeprefix(prefix)) == line
