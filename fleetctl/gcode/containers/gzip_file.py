"""gzip (RFC 1952): one or more members, one after the other, zero bytes at the end allowed.

Knows the frame of gzip; deflate, sums and lengths are zlib's. It must not know what the text is.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from fleetctl.errors import NotGcode

READ_BYTES = 64 << 10
PLAIN_BYTES = 256 << 10
"""Plain text at a time, at most."""

_NAME_FLAG, _EXTRA_FLAG = 8, 4
_AGAIN = "Compress it again, or send it plain."


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The plain text of every member. Raises NotGcode where the file is damaged or ends too early."""
    waiting = file.read(READ_BYTES)
    while waiting:
        reader = zlib.decompressobj(wbits=31)
        while not reader.eof:
            waiting = waiting or file.read(READ_BYTES)
            if not waiting:
                raise NotGcode("This gzip file ends too early.", hint="Send the whole file.")
            try:
                yield reader.decompress(waiting, PLAIN_BYTES)
            except zlib.error as error:
                raise NotGcode(
                    f"This gzip file is damaged near byte {file.tell()} ({error}).", hint=_AGAIN
                ) from error
            waiting = reader.unconsumed_tail
        waiting = _next_member(file, reader.unused_data)


def _next_member(file: BinaryIO, waiting: bytes) -> bytes:
    """Past the zero bytes that tapes and cards fill up with."""
    while True:
        waiting = waiting.lstrip(b"\0")
        if waiting:
            return waiting
        waiting = file.read(READ_BYTES)
        if not waiting:
            return b""


def member_name(head: bytes) -> str:
    """The name of the file that was compressed, if the header gives it (RFC 1952 section 2.3), else empty."""
    if len(head) < 10 or not head[3] & _NAME_FLAG:
        return ""
    at = 10
    if head[3] & _EXTRA_FLAG:
        at += 2 + int.from_bytes(head[10:12], "little")
    end = head.find(b"\0", at, at + 256)
    return head[at:end].decode("latin-1") if end >= 0 else ""
