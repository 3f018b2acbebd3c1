"""Program files on the machine side: verified while preparing, streamed from the same open descriptor (I4).

Responsible for giving a driver exactly the bytes whose SHA-256 was approved. Must not know runs, machines or
who put the file there. Layout under the root: `ab/abcdef...`, the SHA-256 in 64 lower-case hex digits.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple, Protocol

from fleetctl.agent.blocking import RunBlocking
from fleetctl.driver.api import ProgramSource
from fleetctl.errors import FleetctlError, NotFound, ProgramChanged, StoreError, UsageError

VERIFY_BYTES = 1024 * 1024
"""Size of a verifying read."""

BLOCK_BYTES = 32 * 1024
"""Size of the read-ahead: two such blocks for each machine, of which one lasts seconds on a serial link. A program
that fits in one block is hashed again whole before its first byte is given out. The block before is kept as well: a
feeder holds at most 32 KiB that no machine has acknowledged, so half a block behind that stays at hand."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Stretch(NamedTuple):
    """Some bytes of a program, and how many of its bytes come before them."""

    text: bytes
    first_byte: int


NOTHING = Stretch(b"", 0)


class Program(ProgramSource, Protocol):
    """A verified program in the hands of one run."""

    failure: FleetctlError | None
    """Why reading failed, once it has; the run must then fail."""

    def before(self, offset_bytes: int) -> Stretch:
        """What is still in memory of the program's bytes up to `offset_bytes`, at least the last KiB given out."""
        ...

    def close(self) -> None:
        """Give the file back; idempotent."""
        ...


class Programs(Protocol):
    """Where verified programs come from."""

    async def open(self, sha256: str) -> Program:
        """The program, read whole and found to have this hash. Raises NotFound, ProgramChanged, UsageError."""
        ...

    async def before(self, sha256: str, offset_bytes: int) -> Stretch:
        """The last KiB of the program's file up to `offset_bytes`, not verified; empty when it cannot be read."""
        ...


class ProgramCache:
    """The programs in a directory of this computer; for the local agent the controller's own `programs/`."""

    def __init__(self, root: Path, run_blocking: RunBlocking) -> None:
        """Reads only; `root` need not exist yet."""
        self._root = root
        self._run_blocking = run_blocking

    async def open(self, sha256: str) -> Program:
        """The program, read whole and found to have this hash. Raises NotFound, ProgramChanged, UsageError,
        and StoreError when the disk fails."""
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"{sha256!r} is not a SHA-256 in 64 lower-case hex digits.")
        path = self._root / sha256[:2] / sha256
        opening = asyncio.create_task(self._run_blocking(_open_verified, path, sha256), name=f"verify {sha256[:12]}")
        try:
            descriptor, size_bytes = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        return ProgramFile(descriptor, sha256, size_bytes, self._run_blocking)

    async def before(self, sha256: str, offset_bytes: int) -> Stretch:
        """The last KiB of the program's file up to `offset_bytes`, not verified; empty when it cannot be read."""
        if not _SHA256.fullmatch(sha256):
            return NOTHING
        return await self._run_blocking(_read_before, self._root / sha256[:2] / sha256, offset_bytes)


class ProgramFile:
    """A verified program, read one block ahead from the descriptor that was verified.

    What is read is hashed again; the last block is given out only if the whole still has the hash.
    """

    def __init__(self, descriptor: int, sha256: str, size_bytes: int, run_blocking: RunBlocking) -> None:
        """Takes over `descriptor`; `size_bytes` is what was verified."""
        self.sha256 = sha256
        self.size_bytes = size_bytes
        self.failure: FleetctlError | None = None
        self._descriptor = descriptor
        self._run_blocking = run_blocking
        self._digest = hashlib.sha256()
        self._offset = 0
        self._recent = (b"", b"")
        """The last two blocks; they end at `_offset`."""
        self._held = memoryview(b"")
        self._ahead: asyncio.Task[bytes] | None = None
        self._closed = False

    async def read(self, limit_bytes: int) -> bytes:
        """The next block of 1 to `limit_bytes` bytes, empty at the end. Raises ProgramChanged, StoreError."""
        if not self._held:
            block = await self._next_block()
            self._recent = (self._recent[1], block)
            self._held = memoryview(block)
        given = bytes(self._held[:limit_bytes])
        self._held = self._held[limit_bytes:]
        return given

    def before(self, offset_bytes: int) -> Stretch:
        """What is still in memory of the program's bytes up to `offset_bytes`, at least the last KiB given out."""
        held = b"".join(self._recent)
        first = self._offset - len(held)
        return Stretch(held[: max(0, offset_bytes - first)], first) if offset_bytes <= self._offset else NOTHING

    def close(self) -> None:
        """Give the file back; a read that is under way in a thread finishes first."""
        if self._closed:
            return
        self._closed = True
        if self._ahead is None or self._ahead.done():
            os.close(self._descriptor)
        else:
            # Closing under a thread's read would let it read another file that got the same number.
            self._ahead.add_done_callback(self._close_after)

    def _close_after(self, ahead: asyncio.Task[bytes]) -> None:
        os.close(self._descriptor)
        if not ahead.cancelled():
            ahead.exception()

    async def _next_block(self) -> bytes:
        if self._closed:
            raise ValueError(f"program {self.sha256[:12]} was read after the end of its run")
        if self.failure is not None:
            raise self.failure
        ahead = self._ahead or self._begin_reading()
        if ahead is None:
            return b""
        try:
            block = await asyncio.shield(ahead)
        except FleetctlError as error:
            self.failure = error
            raise
        self._offset += len(block)
        self._ahead = None
        self._begin_reading()
        return block

    def _begin_reading(self) -> asyncio.Task[bytes] | None:
        if self._offset < self.size_bytes:
            wanted = min(BLOCK_BYTES, self.size_bytes - self._offset)
            self._ahead = asyncio.create_task(
                self._run_blocking(self._read_block, self._offset, wanted), name=f"read {self.sha256[:12]}"
            )
        return self._ahead

    def _read_block(self, offset: int, wanted: int) -> bytes:
        try:
            block = os.pread(self._descriptor, wanted, offset)
        except OSError as error:
            raise _unreadable(self.sha256, error) from error
        self._digest.update(block)
        at_end = offset + wanted == self.size_bytes
        if len(block) != wanted or (at_end and self._digest.hexdigest() != self.sha256):
            raise ProgramChanged(
                f"The file of program {self.sha256[:12]} changed while it was streamed.",
                hint="Somebody wrote into the data directory, or the disk fails; upload the program again.",
            )
        return block


def _read_before(path: Path, offset_bytes: int) -> Stretch:
    first = max(0, offset_bytes - BLOCK_BYTES)
    try:
        with path.open("rb") as file:
            text = os.pread(file.fileno(), offset_bytes - first, first)
            is_whole = text.endswith((b"\n", b"\r")) or offset_bytes == os.fstat(file.fileno()).st_size
    except OSError:
        return NOTHING
    return Stretch(text, first) if is_whole else NOTHING


def _open_verified(path: Path, sha256: str) -> tuple[int, int]:
    """Descriptor and size in bytes of the file, if its content has this hash."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(
            f"The file of program {sha256[:12]} is not on this computer.", hint="Upload the program again."
        ) from None
    except OSError as error:
        raise _unreadable(sha256, error) from error
    try:
        return descriptor, _verify(descriptor, sha256)
    except BaseException:
        os.close(descriptor)
        raise


def _close_unwanted(opening: asyncio.Task[tuple[int, int]]) -> None:
    """The run was given up while a thread verified its program."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result()[0])


def _verify(descriptor: int, sha256: str) -> int:
    digest = hashlib.sha256()
    size_bytes = 0
    try:
        while block := os.pread(descriptor, VERIFY_BYTES, size_bytes):
            digest.update(block)
            size_bytes += len(block)
    except OSError as error:
        raise _unreadable(sha256, error) from error
    if digest.hexdigest() != sha256:
        raise ProgramChanged(
            f"The file of program {sha256[:12]} no longer has the hash that was approved.",
            hint="Upload the program again.",
        )
    return size_bytes


def _unreadable(sha256: str, error: OSError) -> StoreError:
    return StoreError(
        f"The file of program {sha256[:12]} cannot be read: {error.strerror or error}.",
        hint="Look at the disk of the agent's computer.",
    )
