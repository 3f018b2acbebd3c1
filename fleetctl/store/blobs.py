"""The blob store: program files by their SHA-256, on the file system beside the database.

Responsible for atomic, durable, verified files: a name in the store always has the whole content with that
hash, after a crash or on a full disk too. Must not know what a file means. Plain and blocking: call it from a
thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fleetctl.errors import NotFound, StoreUnavailable, UsageError

BLOCK_BYTES = 1024 * 1024
"""Size of the blocks in which a blob is read back."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_INCOMING = "incoming"


class Blob(NamedTuple):
    """A stored file: its name in the store and its size."""

    sha256: str
    size_bytes: int


class BlobStore:
    """Files under `root/ab/abcdef...`, named by the SHA-256 of their content (64 lower-case hex digits)."""

    def __init__(self, root: Path) -> None:
        """Make `root` when it is not there. At start, under the data directory lock, call `sweep_temp()`."""
        self.root = root
        self._incoming = root / _INCOMING
        _make_directory(self._incoming)

    def begin(self) -> BlobWriter:
        """Start to store a file whose hash is not known yet. End with `commit()` or `abort()`.

        Raises `StoreUnavailable` when there is no room to begin.
        """
        return BlobWriter(self)

    def path(self, sha256: str) -> Path:
        """Where the blob is, or would be. Raises `UsageError` when `sha256` is not a hash."""
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"{sha256!r} is not a SHA-256 in 64 lower-case hex digits.")
        return self.root / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        """Whether the blob is stored."""
        return self.path(sha256).is_file()

    def open(self, sha256: str) -> BinaryIO:
        """The blob, for reading. Raises `NotFound`."""
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise NotFound(f"The file of program {sha256[:12]} is not stored here.") from None

    def verify(self, sha256: str) -> bool:
        """Whether the stored content still has its hash (I4). Reads the whole file; raises `NotFound`."""
        path = self.path(sha256)
        if not path.is_file():
            raise NotFound(f"The file of program {sha256[:12]} is not stored here.")
        return _has_hash(path, sha256)

    def sweep_temp(self) -> int:
        """Remove what uploads cut off by a crash left; returns how many. Only while nobody writes."""
        left_over = [path for path in self._incoming.iterdir() if path.is_file()]
        for path in left_over:
            path.unlink()
        return len(left_over)

    def _new_file(self) -> tuple[int, Path]:
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        return descriptor, Path(name)


class BlobWriter:
    """One file on its way into the store. As a context manager it aborts unless it was committed."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        try:
            self._descriptor, self._path = store._new_file()
        except OSError as error:
            raise _unavailable(store.root, error) from error
        self._open = True
        self._lock = threading.Lock()
        self._writing = False

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, *_error: object) -> None:
        self.abort()

    @property
    def path(self) -> Path:
        """The unfinished file, to be read only: what is in it may be looked at before it is committed."""
        return self._path

    def write(self, data: bytes) -> None:
        """Append `data`. Raises `StoreUnavailable` on a full or failing disk; the upload is then gone."""
        with self._lock:
            self._require_open()
            self._writing = True
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.abort()
            raise _unavailable(self._store.root, error) from error
        finally:
            self._written()
        self._digest.update(data)
        self._size_bytes += len(data)

    def commit(self) -> Blob:
        """Make the file durable under its hash. When it is there already, that one is kept.

        Raises `StoreUnavailable` when the disk refuses; nothing is stored then.
        """
        self._require_open()
        blob = Blob(self._digest.hexdigest(), self._size_bytes)
        try:
            os.fchmod(self._descriptor, 0o440)
            os.fsync(self._descriptor)
            target = self._store.path(blob.sha256)
            _make_directory(target.parent)
            # A stored file that was damaged from outside is replaced: sending it again is how a person mends it.
            if not (target.is_file() and target.stat().st_size == blob.size_bytes and _has_hash(target, blob.sha256)):
                self._path.replace(target)
            _sync_directory(target.parent)
        except OSError as error:
            raise _unavailable(self._store.root, error) from error
        finally:
            self.abort()
        return blob

    def abort(self) -> None:
        """Forget the file; does nothing after `commit()` or a second time. May be called while a thread writes: that
        thread then closes the file when its block is written, and nobody else gets its descriptor meanwhile."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            if not self._writing:
                os.close(self._descriptor)
            self._path.unlink(missing_ok=True)

    def _written(self) -> None:
        """The end of a `write()`, well or not."""
        with self._lock:
            self._writing = False
            if not self._open:
                os.close(self._descriptor)

    def _require_open(self) -> None:
        if not self._open:
            raise RuntimeError("this upload has ended")


def _has_hash(path: Path, sha256: str) -> bool:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest() == sha256


def _make_directory(path: Path) -> None:
    """Make a directory that survives a power cut, with those above it."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """Make the names in a directory durable; the content of a file does not include its name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(root: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"A program file cannot be stored in {root}: {error.strerror or error}.",
        hint="Free some space or mend the disk, then upload again; nothing was kept.",
    )
