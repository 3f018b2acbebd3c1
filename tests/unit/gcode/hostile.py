"""Programs made to be slow or to fill memory, and a child process that measures the core on one of them.

`python -m tests.unit.gcode.hostile NAME MEGABYTES` prints CPU seconds per byte and peak memory as JSON. Only the
core's own time counts, not the making of the program.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from fleetctl.gcode import DIALECTS
from fleetctl.gcode.analysis import scanner

BLOCK_BYTES = 1 << 20
ALMOST_CAP = 262_000
"""Bytes of a line that is still read: the core counts those over 256 KiB without reading them."""


def over_and_over(text: bytes, first: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """Blocks that repeat `text` for ever, after `first` once."""

    def blocks() -> Iterator[bytes]:
        if first:
            yield first
        block = text * max(1, BLOCK_BYTES // len(text))
        while True:
            yield block

    return blocks


def numbered(pattern: bytes) -> Callable[[], Iterator[bytes]]:
    """Blocks of lines that are never the same: `%d` counts up."""

    def blocks() -> Iterator[bytes]:
        numbers = count()
        while True:
            yield b"".join(pattern % next(numbers) for _ in range(1000))

    return blocks


def growing(begin: bytes, filler: bytes, end: bytes) -> Callable[[], Iterator[bytes]]:
    """Lines that are each a little longer than any before, so that each sets a record."""

    def blocks() -> Iterator[bytes]:
        for length in count(1):
            yield begin + filler * length + end

    return blocks


PLAIN = {
    "plain printer": ("marlin", over_and_over(b"G1 X10.125 Y20.25 E0.0331\nG1 X11.5 Y19.75 E.0412\n", b"M83\nG28\n")),
    "plain mill": ("grbl", over_and_over(b"G1 X10.125 Y20.25 F600\nX11.5 Y19.75\n", b"G90 G21\n")),
}

HOSTILE = {
    "one endless line": ("grbl", over_and_over(b"G1 X1 ")),
    "one endless comment": ("marlin", over_and_over(b"x", b";")),
    "one endless number": ("grbl", over_and_over(b"9", b"G1 X")),
    "one endless name": ("klipper", over_and_over(b"A")),
    "empty lines": ("grbl", over_and_over(b"\n")),
    "carriage returns": ("grbl", over_and_over(b"\r")),
    "carriage returns behind a long line": ("grbl", over_and_over(b" " * 2 * ALMOST_CAP + b"\r" * 2 * ALMOST_CAP)),
    "line feeds behind a long line": ("grbl", over_and_over(b" " * 2 * ALMOST_CAP + b"\n" * 2 * ALMOST_CAP)),
    "line ends in turn": ("grbl", over_and_over(b"\r\n\n\r\r")),
    "only parentheses": ("grbl", over_and_over(b"(")),
    "lines of parentheses": ("linuxcnc", over_and_over(b"(" * ALMOST_CAP + b"\n")),
    "lines of comments": ("grbl", over_and_over(b"()" * (ALMOST_CAP // 2) + b"\n")),
    "percent and comments": ("grbl", over_and_over(b"%" + b"()" * (ALMOST_CAP // 2) + b"\n")),
    "only NULs": ("marlin", over_and_over(b"\0")),
    "lines of NULs": ("marlin", over_and_over(b"\0" * ALMOST_CAP + b"\n")),
    "every byte": ("grbl", over_and_over(bytes(range(256)))),
    "high bytes": ("marlin", over_and_over(b"\xff" * 99 + b"\n")),
    "blanks in numbers": ("grbl", over_and_over(b"G1 X1" + b" " * (ALMOST_CAP - 8) + b"2\n")),
    "letters apart": ("grbl", over_and_over(b"G1" + (b"X" + b" " * 999) * 260 + b"\n")),
    "points apart": ("grbl", over_and_over(b"G1" + (b"X." + b" " * 999) * 260 + b"\n")),
    "numbers with spaces": ("grbl", over_and_over(b"G1 X" + b"1 " * (ALMOST_CAP // 2) + b"\n")),
    "long numbers": ("linuxcnc", over_and_over(b"G1 X" + b"9" * ALMOST_CAP + b"\n")),
    "words": ("grbl", over_and_over(b"X1" * (ALMOST_CAP // 2) + b"\n")),
    "commands": ("grbl", over_and_over(b"G1" * (ALMOST_CAP // 2) + b"\n")),
    "stars": ("marlin", over_and_over(b"G1 X1" + b"*" * (ALMOST_CAP - 8) + b"\n")),
    "late checksums": ("marlin", over_and_over(b"G1 X1" + b" " * (ALMOST_CAP - 8) + b"*1\n")),
    "ever longer comments": ("grbl", growing(b"G1 X1 (", b"x" * 30, b")\n")),
    "ever longer blanks": ("marlin", growing(b"G1 X1", b" " * 30, b"Y1\n")),
    "nested brackets": ("linuxcnc", over_and_over(b"G1 X" + b"[" * (ALMOST_CAP - 8) + b"\n")),
    "brackets closed": ("linuxcnc", over_and_over(b"G1 X" + b"[" * 9999 + b"1" + b"]" * 9999 + b"\n")),
    "nested functions": ("linuxcnc", over_and_over(b"G1 X" + b"SIN[" * 9999 + b"1" + b"]" * 9999 + b"\n")),
    "long sums": ("linuxcnc", over_and_over(b"G1 X[1" + b"+1" * 9999 + b"]\n")),
    "chained parameters": ("linuxcnc", over_and_over(b"G1 X" + b"#" * 9999 + b"1\n")),
    "named parameters": ("linuxcnc", numbered(b"#<a%d>=1\n")),
    "O words never ended": ("linuxcnc", numbered(b"o%d sub\nG1 X1\n")),
    "O words": ("linuxcnc", over_and_over(b"o1 if [1]\nG1 X1\no1 endif\n")),
    "object names": ("marlin", numbered(b"M486 Aobject %d\n")),
    "object definitions": ("klipper", numbered(b"EXCLUDE_OBJECT_DEFINE NAME=part_%d\n")),
    "objects printed": ("marlin", numbered(b"; printing object part_%d\n")),
    "extended names": ("klipper", numbered(b"MACRO_%d A=1\n")),
    "extended names with words": ("marlin", numbered(b"WORD_%d G1 X1\n")),
    "tools": ("marlin", numbered(b"T%d\nG1 E1\n")),
    "tools of a mill": ("linuxcnc", numbered(b"T%d M6\n")),
    "heated tools": ("marlin", numbered(b"M104 T%d S200\n")),
    "commands of every number": ("marlin", numbered(b"M%d\n")),
    "layers": ("marlin", over_and_over(b";LAYER:1\n;LAYER_CHANGE\n")),
    "arcs without end": ("grbl", over_and_over(b"G2X1Y1I1P999999999\n", b"G0X0Y0\n")),
    "tiny moves": ("marlin", over_and_over(b"X.000001\n", b"G91\nG1 F1\n")),
    "waits": ("grbl", over_and_over(b"G4P0\n")),
}


def peak_kib() -> int:
    """Greatest resident memory of this process so far. (`ru_maxrss` would count the parent's before the exec.)"""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1))


def main() -> None:
    """Measure one program."""
    name, megabytes = sys.argv[1], int(sys.argv[2])
    dialect, blocks = (PLAIN | HOSTILE)[name]
    scan = scanner(DIALECTS[dialect], None)
    left, spent, fed = megabytes << 20, 0.0, blocks()
    before = peak_kib()
    while left > 0:
        block = next(fed)
        left -= len(block)
        begin = time.process_time()
        scan.feed(block)
        spent += time.process_time() - begin
    begin = time.process_time()
    scan.finish()
    scan.totals(), scan.names(), scan.words(), scan.tools(), scan.hazards()
    spent += time.process_time() - begin
    print(
        json.dumps({"seconds": spent, "before_kib": before, "peak_kib": peak_kib(), "lines": scan.totals()["lines"]})
    )


if __name__ == "__main__":
    main()
