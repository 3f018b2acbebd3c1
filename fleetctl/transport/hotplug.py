"""Notices that a port came back: a machine that is plugged in again need not wait for the next attempt.

While somebody waits, and only then, the device files waited for are looked at four times a second; that costs some
microseconds each and works in containers, where udev's messages do not arrive. A name below `/dev/serial/by-path` is
followed, so a port that comes back as another ttyUSB number is found. It must not open ports or know machines.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetctl.transport.opener import device_path

LOOK_EVERY_S = 0.25

Signature = tuple[int, ...]
"""What is equal as long as a name leads to the same device file with the same rights."""


def signature(path: str) -> Signature | None:
    """The device file that `path` leads to now; None when there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev, status.st_mode, status.st_uid, status.st_gid


class PortWatch:
    """One for all machines of an agent. `look` gives the signature of a path."""

    def __init__(self, look: Callable[[str], Signature | None] = signature) -> None:
        self._look = look
        self._watched: dict[object, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def look(self, url: str) -> Signature | None:
        """What stands at `url` now; None when nothing does, or when it is no device of this computer."""
        path = device_path(url)
        return None if path is None else self._look(path)

    @contextlib.contextmanager
    def watching(self, url: str, before: Signature | None, appeared: Callable[[], None]) -> Iterator[None]:
        """Meanwhile call `appeared`, once, from the loop, when the device of `url` is there and is not what `look`
        gave `before`, or has got other rights since (udev gives them a moment after the file)."""
        path = device_path(url)
        key = object()
        if path is not None:
            self._watched[key] = _Watched(path, before, appeared)
            self._arm()
        try:
            yield
        finally:
            self._watched.pop(key, None)
            if not self._watched and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._watched:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look_at_all)

    def _look_at_all(self) -> None:
        self._timer = None
        for key, watched in list(self._watched.items()):
            now = self._look(watched.path)
            if now is None:
                watched.before = None
            elif now != watched.before:
                del self._watched[key]
                watched.appeared()
        self._arm()


@dataclass(slots=True)
class _Watched:
    path: str
    before: Signature | None
    appeared: Callable[[], None]
