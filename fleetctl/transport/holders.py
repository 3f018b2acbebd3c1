"""Who has a device file open, as far as this user may see: for the words of a busy port.

Linux only tells of processes of the same user, or of all to root; of those that lock the file it tells everybody
(proc(5), `/proc/locks`). It opens no port and must not know what a port is for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    return holders_of([path], proc)[path]


def holders_of(paths: Iterable[str], proc: Path = PROC) -> dict[str, list[Holder]]:
    """The same for many paths, with one look at all processes."""
    devices = {path: os.path.realpath(path) for path in paths}
    open_by = _with_it_open(frozenset(devices.values()), proc)
    locked_by = _with_a_lock(proc)
    return {
        path: [
            Holder(pid, _name(pid, proc))
            for pid in sorted(open_by.get(device, set()) | locked_by.get(_number(device), set()))
        ]
        for path, device in devices.items()
    }


def _with_it_open(devices: frozenset[str], proc: Path) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for process in proc.glob("[0-9]*"):
        try:
            entries = list((process / "fd").iterdir())
        except OSError:
            continue  # another user's, or it ended meanwhile
        for entry in entries:
            if (target := _target(entry)) in devices:
                found.setdefault(target, set()).add(int(process.name))
    return found


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def _with_a_lock(proc: Path) -> dict[str, set[int]]:
    """`1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`; `->` marks one that waits."""
    try:
        lines = (proc / "locks").read_text().splitlines()
    except OSError:
        return {}
    found: dict[str, set[int]] = {}
    for row in (line.split() for line in lines):
        if len(row) > 5 and row[1] != "->" and int(row[4]) > 0:
            found.setdefault(row[5], set()).add(int(row[4]))
    return found


def _number(device: str) -> str:
    """The file as `/proc/locks` names it: the numbers of its file system in hexadecimal, and its inode."""
    try:
        status = Path(device).stat()
    except OSError:
        return ""
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def _name(pid: int, proc: Path) -> str:
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""
