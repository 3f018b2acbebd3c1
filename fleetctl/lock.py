"""The lock on a data directory: one controller, or one agent, at a time.

Responsible for refusing a second holder and naming the first. Must not know what is in the directory.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fleetctl.errors import DataDirectoryInUse


class DataDirectoryLock:
    """An exclusive lock on `<directory>/<name>.lock`, held until `release()` or the end of the process.

    The kernel frees it when the holder dies, however it dies, so it is never stale. The file stays: removing
    it would let two processes lock two different files of one name. Use as a context manager, or `acquire()`
    and `release()`.
    """

    def __init__(self, directory: Path, name: str = "controller") -> None:
        self.path = directory / f"{name}.lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our process id into it.

        Raises `DataDirectoryInUse`, naming the holder's process id when it is known, and OSError when the
        directory cannot be written. The descriptor is closed on exec, so child programs do not inherit the
        lock.
        """
        if self._descriptor is not None:
            raise RuntimeError(f"{self.path} is already held by this object")
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"{self.path.parent} is in use by {f'process {holder}' if holder else 'another process'}.",
                hint="Stop that fleetctl first, or give this one another --data directory.",
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock up; does nothing when it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            # Said aloud, because a child on its way from fork to exec still has a copy of the descriptor.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> DataDirectoryLock:
        self.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()
