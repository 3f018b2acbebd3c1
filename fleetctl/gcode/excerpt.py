"""Single lines out of a program, read again for a person who wants to see what a finding is about.

Lines end as the core sees them: LF, CR, or both. It must not know what a line means.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from fleetctl.gcode.source import open_source

KEPT_BYTES = 4096
"""So much of a line is kept: more than anybody reads, and enough to find a column in what people write."""


def lines_at(
    source: str | os.PathLike[str] | bytes, wanted: Collection[int], plate: int | None = None
) -> dict[int, bytes]:
    """The wanted lines (from 1) without their line ends, cut at 4096 bytes; lines that are not there are left out.

    Reads no further than the last of them, in blocks, and splits only blocks that hold one. Of a container the
    program inside is read, of several plates the one that `plate` names. Raises OSError for a file that cannot be
    read.
    """
    left = sorted(line for line in set(wanted) if line > 0)
    found: dict[int, bytes] = {}
    if not left:
        return found
    line, carried = 1, b""  # the number of the line that is being read, and the beginning of it
    with open_source(source, plate=plate) as opened:
        for block in _with_one_line_end(opened.blocks()):
            ends = block.count(b"\n")
            if left[0] > line + ends:
                line += ends
                last = block.rfind(b"\n") + 1
                carried = (block[last:] if ends else carried + block)[:KEPT_BYTES]
                continue
            pieces = block.split(b"\n")
            pieces[0] = carried + pieces[0]
            for number, text in enumerate(pieces[:-1], line):
                if left and number == left[0]:
                    found[left.pop(0)] = text[:KEPT_BYTES]
            if not left:
                return found
            line += ends
            carried = pieces[-1][:KEPT_BYTES]
    if left[0] == line:
        found[line] = carried
    return found


def _with_one_line_end(blocks: Iterator[memoryview]) -> Iterator[bytes]:
    """The blocks with every line end as LF; a CR at the end of a block waits for the LF that may follow."""
    waiting = b""
    for view in blocks:
        block = waiting + bytes(view)
        waiting = b""
        if block.endswith(b"\r"):
            block, waiting = block[:-1], b"\r"
        yield block.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in block else block
    if waiting:
        yield b"\n"


def readable(text: bytes, column: int) -> tuple[str, int]:
    """A line as text that a terminal can show, and the character (from 0) where byte `column` (from 1) stands.

    What is not UTF-8, or cannot be printed, is shown as `·` or the replacement sign.
    """
    before = text[: max(0, column - 1)].decode("utf-8", "replace")
    return _printable(text.decode("utf-8", "replace")), len(before)


def utf16_column(text: bytes, column: int) -> int:
    """Byte `column` of a line as editors count: UTF-16 units, from 1."""
    return len(text[: max(0, column - 1)].decode("utf-8", "replace").encode("utf-16-le")) // 2 + 1


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(" " if sign == "\t" else sign if sign.isprintable() else "·" for sign in text)
