"""The file under the journal: bytes at the end, made durable on demand, replaced whole.

Responsible for what survives a crash. Must not know records. `OsJournalFile` is a real file; `MemoryJournalFile`
loses what was not synced when the simulated power fails.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class JournalFile(Protocol):
    """One append-only file with one user. All methods block; all may raise OSError, then the content after the
    last `sync` or `replace` is uncertain until the next `replace`."""

    def read_all(self) -> bytes:
        """The whole content; empty when there is no file yet."""
        ...

    def append(self, data: bytes) -> None:
        """Add `data` at the end; survives a crash of the process, not one of the computer."""
        ...

    def sync(self) -> None:
        """Make all that was appended survive a power cut."""
        ...

    def replace(self, data: bytes) -> None:
        """Make `data` the whole content, durably, or leave the old content (atomic)."""
        ...

    def close(self) -> None:
        """Give the file back; idempotent."""
        ...


class OsJournalFile:
    """A journal file on a real disk, mode 0600, in a directory that is made when it is missing."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet."""
        self._path = path
        self._descriptor: int | None = None

    def read_all(self) -> bytes:
        """The whole content; empty when there is no file yet."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""

    def append(self, data: bytes) -> None:
        """Add `data` at the end."""
        if self._descriptor is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """fsync; the size is metadata that reading needs, so fdatasync covers it."""
        if self._descriptor is not None:
            os.fdatasync(self._descriptor)

    def replace(self, data: bytes) -> None:
        """Write beside, fsync, rename, fsync the directory."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
            beside.replace(self._path)
        except BaseException:
            os.close(descriptor)
            beside.unlink(missing_ok=True)
            raise
        self.close()
        self._descriptor = descriptor
        _sync_directory(self._path.parent)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class MemoryJournalFile:
    """A journal file in memory with a crash. `error`, when set, is raised by every write: a disk that fails."""

    def __init__(self, content: bytes = b"") -> None:
        """Begins with durable `content`."""
        self._content = bytearray(content)
        self._durable_bytes = len(content)
        self.error: OSError | None = None
        self.syncs = 0

    @property
    def unsynced_bytes(self) -> int:
        """How much of the content a power cut may take."""
        return len(self._content) - self._durable_bytes

    def after_kill(self) -> MemoryJournalFile:
        """What the next process finds when this one is killed now; the dead one can write no more."""
        return self._after(len(self._content))

    def after_power_cut(self, kept_bytes: int = 0) -> MemoryJournalFile:
        """What the next process finds when the power fails now: only what was synced, and the first
        `kept_bytes` of the rest, a torn tail. This file can be written no more."""
        return self._after(self._durable_bytes + kept_bytes)

    def _after(self, size_bytes: int) -> MemoryJournalFile:
        self.error = OSError("the process that wrote this file is dead")
        return MemoryJournalFile(bytes(self._content[:size_bytes]))

    def read_all(self) -> bytes:
        """The whole content."""
        return bytes(self._content)

    def append(self, data: bytes) -> None:
        """Add `data` at the end."""
        self._fail()
        self._content += data

    def sync(self) -> None:
        """Make all that was appended durable."""
        self._fail()
        self.syncs += 1
        self._durable_bytes = len(self._content)

    def replace(self, data: bytes) -> None:
        """Make `data` the whole, durable content."""
        self._fail()
        self._content[:] = data
        self._durable_bytes = len(data)

    def close(self) -> None:
        """Nothing to give back."""

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
