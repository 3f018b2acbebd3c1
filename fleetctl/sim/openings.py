"""Tells when a file is opened and when a writer closes it, by Linux's inotify(7).

The standard library has no inotify, so the C library is called. It must not know what the file is.
"""

from __future__ import annotations

import ctypes
import os
import struct

IN_CLOSE_WRITE = 0x008
IN_OPEN = 0x020
EVENT = struct.Struct("iIII")


class Openings:
    """Watches one file. Raises OSError where the system has no more watches to give."""

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no inotify instance left", path)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(path), IN_OPEN | IN_CLOSE_WRITE) < 0:
            number = ctypes.get_errno()
            os.close(self._descriptor)
            raise OSError(number, "the file cannot be watched", path)

    def fileno(self) -> int:
        return self._descriptor

    def writer_left(self) -> bool:
        """Take all that happened since the last call; True when somebody who could write has closed the file."""
        left = False
        try:
            while data := os.read(self._descriptor, 64 * EVENT.size):
                left |= any(mask & IN_CLOSE_WRITE for _, mask, _, _ in EVENT.iter_unpack(data))
        except BlockingIOError:
            return left
        return left

    def close(self) -> None:
        os.close(self._descriptor)
