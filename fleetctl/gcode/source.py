"""Where the bytes of a program come from: a file or a buffer, plain or in a container, read in blocks.

Opens files. It must not know what a command is, nor how a container is built.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fleetctl.gcode.containers import UnpackedProgram, kind_of, unpack
from fleetctl.gcode.other_formats import refuse_other_formats

__all__ = ["BLOCK_BYTES", "TAIL_BYTES", "Source", "open_source", "refuse_other_formats"]

BLOCK_BYTES = 1 << 20
TAIL_BYTES = 64 << 10


class Source:
    """The bytes of one plain program. `head` is its first MiB, `start` the first 64 KiB of it, `tail` the last 64 KiB
    of the program that are not in the start: slicers write what they have to say into these two.

    `unpacked` is what its container says, if it came in one."""

    def __init__(self, handle: BinaryIO | None, buffer: memoryview, unpacked: UnpackedProgram | None = None) -> None:
        """A file open for reading, or else a buffer of bytes."""
        self._handle = handle
        self._buffer = buffer
        self.unpacked = unpacked
        self.size_bytes = os.fstat(handle.fileno()).st_size if handle else buffer.nbytes
        self.head = self._read_at(0, BLOCK_BYTES)
        self.start = self.head[:TAIL_BYTES]
        begin = max(len(self.start), self.size_bytes - TAIL_BYTES)
        self.tail = self._read_at(begin, max(0, self.size_bytes - begin))

    @property
    def said(self) -> bytes:
        """What the container says of the program, as comment lines; empty for a plain file."""
        return self.unpacked.comments if self.unpacked else b""

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
def open_source(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    plate: int | None = None,
    unpacked: UnpackedProgram | None = None,
) -> Iterator[Source]:
    """The plain program of a path or bytes, opened; a container is unpacked into a file that goes when this ends.

    `plate` chooses one of a `.gcode.3mf`. `unpacked` says that the source is plain and what it was taken out of.
    Raises OSError for a file that cannot be read, and NotGcode and UsageError as `containers.unpack` does.
    """
    if unpacked is None and kind_of(_first_bytes(source)):
        with tempfile.TemporaryFile(dir=_roomy_directory()) as plain:
            found = unpack(source, plain, plate=plate)
            plain.flush()
            yield Source(plain, memoryview(b""), found)
    elif isinstance(source, bytes | bytearray | memoryview):
        yield Source(None, memoryview(source).cast("B"), unpacked)
    else:
        with Path(source).open("rb", buffering=0) as handle:
            yield Source(handle, memoryview(b""), unpacked)


def _first_bytes(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(memoryview(source).cast("B")[:4])
    with Path(source).open("rb") as file:
        return file.read(4)


def _roomy_directory() -> str | None:
    """Where a large file may lie: what TMPDIR says, else /var/tmp, for /tmp may be memory (Debian 13)."""
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK):
        return "/var/tmp"
    return None
