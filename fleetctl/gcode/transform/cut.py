"""A program cut in two at the beginning of a line, and single lines of it by number; read in blocks.

It must not know what a line means.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from fleetctl._ext.rewrite import LineFinder
from fleetctl.gcode.source import open_source
from fleetctl.gcode.transform.contract import Given


def pieces(given: Given, line: int) -> Iterator[tuple[bool, memoryview]]:
    """Every block of the program as (stands before the beginning of `line`, block), cut there.

    A block is only valid until the next is asked for. A line that is not there, however large its number, has every
    block before it.
    """
    line = max(0, min(line, sys.maxsize))
    finder = LineFinder()
    found = False
    with open_source(given) as opened:
        for block in opened.blocks():
            at = 0 if found else finder.find(block, line)
            if at < 0:
                yield True, block
                continue
            found = True
            if at:
                yield True, block[:at]
            yield False, block[at:]


def tail(given: Given, line: int) -> Iterator[bytes]:
    """The program from the beginning of `line` to its end, byte by byte as it is."""
    for before, block in pieces(given, line):
        if not before:
            yield bytes(block)


def lines_at(given: Given, numbers: Sequence[int]) -> list[bytes]:
    """The lines with these numbers (ascending), without their ends and the comment behind a `;`."""
    wanted = list(numbers)
    texts: list[bytes] = []
    held: bytearray | None = None
    finder = LineFinder()
    with open_source(given) as opened:
        for block in opened.blocks():
            at = 0
            while wanted and at >= 0:
                if held is None:
                    at = finder.find(block, wanted[0], at)
                    held = bytearray() if at >= 0 else None
                    continue
                end = finder.find(block, wanted[0] + 1, at)
                held += block[at : end if end >= 0 else len(block)]
                at = end
                if end >= 0:
                    texts.append(bytes(held))
                    held = None
                    wanted.pop(0)
    if held is not None:
        texts.append(bytes(held))
    return [text.split(b";")[0].strip() for text in texts]
