"""Where the bytes of a program come from: a file or a buffer, read in blocks; and what is plainly no G-code.

Opens files and looks at their first bytes. It must not know what a command is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fleetctl.errors import NotGcode

BLOCK_BYTES = 1 << 20
TAIL_BYTES = 64 << 10

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"GCDE", "This is binary G-code (.bgcode).", "Export plain G-code: switch off binary G-code in the slicer."),
    (b"PK\x03\x04", "This is a zip archive (.3mf, .gcode.3mf).", "Export the plate as plain G-code."),
    (b"\x1f\x8b", "This file is compressed with gzip.", "Unpack it first."),
    (b"\xff\xfe", "This is UTF-16 text.", "Save it as plain ASCII text."),
    (b"\xfe\xff", "This is UTF-16 text.", "Save it as plain ASCII text."),
    (b"\x89PNG", "This is a picture.", "Send the G-code file."),
    (b"%PDF", "This is a PDF document.", "Send the G-code file."),
    (b"\x7fELF", "This is a program for a computer.", "Send the G-code file."),
    (b"<?xml", "This is an XML document.", "Send the G-code file."),
    (b"<svg", "This is a drawing.", "Send the G-code file."),
    (b"<!DOCTYPE", "This is a web page.", "Send the G-code file."),
    (b"ISO-10303-21", "This is a STEP model.", "Slice it, or run it through CAM, and send the G-code."),
)


class Source:
    """The bytes of one program. `head` is its first MiB, `start` the first 64 KiB of it, `tail` the last 64 KiB
    of the program that are not in the start: slicers write what they have to say into these two."""

    def __init__(self, handle: BinaryIO | None, buffer: memoryview) -> None:
        """A file open for reading, or else a buffer of bytes."""
        self._handle = handle
        self._buffer = buffer
        self.head = self._read_at(0, BLOCK_BYTES)
        size = os.fstat(handle.fileno()).st_size if handle else buffer.nbytes
        self.start = self.head[:TAIL_BYTES]
        begin = max(len(self.start), size - TAIL_BYTES)
        self.tail = self._read_at(begin, max(0, size - begin))

    def _read_at(self, offset: int, count: int) -> bytes:
        if self._handle is None:
            return bytes(self._buffer[offset : offset + count])
        self._handle.seek(offset)
        return self._handle.read(count)

    def blocks(self) -> Iterator[memoryview]:
        """Every byte once, in blocks of up to 1 MiB; a block is only valid until the next is asked for."""
        if self._handle is None:
            for start in range(0, self._buffer.nbytes, BLOCK_BYTES):
                yield self._buffer[start : start + BLOCK_BYTES]
            return
        self._handle.seek(0)
        block = memoryview(bytearray(BLOCK_BYTES))
        while count := self._handle.readinto(block):  # type: ignore[attr-defined]
            yield block[:count]


@contextmanager
def open_source(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Iterator[Source]:
    """A path or bytes, opened. Raises OSError for a file that cannot be read."""
    if isinstance(source, bytes | bytearray | memoryview):
        yield Source(None, memoryview(source).cast("B"))
    else:
        with Path(source).open("rb", buffering=0) as handle:
            yield Source(handle, memoryview(b""))


def refuse_other_formats(head: bytes) -> None:
    """Raises NotGcode for an empty file, or one whose first bytes name another format."""
    if not head[:4096].strip(b"\x00 \t\r\n\x1a"):
        raise NotGcode("The file is empty.", line=1, hint="Export it again.")
    start = head[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, message, hint in _MAGIC:
        if head.startswith(magic) or start.startswith(magic):
            raise NotGcode(message, line=1, hint=hint)
    if start.startswith(b"solid ") and b"facet normal" in head:
        raise NotGcode("This is an STL model.", line=1, hint="Slice it and send the G-code.")
