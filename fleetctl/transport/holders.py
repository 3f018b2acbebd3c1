"""Who has a device file open, as far as this user may see: for the words of a busy port.

Linux only tells of processes of the same user, or of all to root; of those that lock the file it tells everybody
(proc(5), `/proc/locks`). It opens no port and must not know what a port is for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Holder(NamedTuple):
    """One process: `name` is its command, empty when it cannot be told."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name or 'process'} (pid {self.pid})"


def holders(path: str, proc: Path = PROC) -> list[Holder]:
    """The processes that have `path` open or locked, by their number; empty when nobody can be named. Blocks for
    some milliseconds, so not for the event loop."""
    try:
        status = Path(path).stat()
    except OSError:
        return []
    pids = _with_it_open(os.path.realpath(path), proc) | _with_a_lock(status, proc)
    return [Holder(pid, _name(pid, proc)) for pid in sorted(pids)]


def _with_it_open(device: str, proc: Path) -> set[int]:
    found = set()
    for process in proc.glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) == device for entry in (process / "fd").iterdir()):
                found.add(int(process.name))
        except OSError:
            continue  # another user's, or it ended meanwhile
    return found


def _with_a_lock(status: os.stat_result, proc: Path) -> set[int]:
    """`1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`, with the numbers of the device in hexadecimal."""
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = (proc / "locks").read_text().splitlines()
    except OSError:
        return set()
    rows = [line.replace("-> ", "").split() for line in lines]
    return {int(row[4]) for row in rows if len(row) > 5 and row[5] == wanted and int(row[4]) > 0}


def _name(pid: int, proc: Path) -> str:
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""
