"""Captures of links: which are under way, the newest of each machine, and how long and large they may become.

A capture listens to a wire, blanks secrets, and hands each record to a thread that writes; it never delays the link.
Must not know firmwares, nor who asks.
"""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleetctl.agent.blocking import RunBlocking
from fleetctl.agent.wire import Heard, Wire
from fleetctl.clock import Clock
from fleetctl.errors import Conflict, NotFound, UsageError
from fleetctl.model.messages import CaptureState
from fleetctl.transport.blanking import Blanker, blank_line
from fleetctl.transport.capture import CaptureFile

SECONDS_MOST = 3600.0
SIZE_MOST_BYTES = 16 * 1024 * 1024
"""A printer at 100 lines a second fills about 25 kB of it a second."""

AT_ONCE = 4
READ_BYTES = 256 * 1024


@dataclass
class Capture:
    """One capture, from its begin to its end; `hear` is what listens."""

    file: CaptureFile
    wire: Wire
    clock: Clock
    seconds: float
    begun_s: float
    began_s: float
    ended: str = ""
    timer: asyncio.TimerHandle | None = None
    blankers: dict[str, Blanker] = field(default_factory=dict)

    def begin(self) -> None:
        """Listen, for so long."""
        self.timer = asyncio.get_running_loop().call_later(self.seconds, self.end, f"after {self.seconds:g} s")
        self.wire.listen(self.hear)

    def hear(self, way: Heard, data: bytes) -> None:
        """Record it."""
        if way in ("in", "out", "urgent"):
            data = self.blankers.setdefault(way, Blanker()).blank(data)
            self._add(way, data.decode("latin-1"))
        elif way == "discard":
            self._add(way, int(data))
        else:
            self._add(way, blank_line(data.decode("utf-8", "replace")))
        if self.records() and self.file.written_bytes > SIZE_MOST_BYTES:
            self.end(f"the file reached {SIZE_MOST_BYTES // 1024 // 1024} MiB")

    def end(self, reason: str) -> None:
        """Listen no more; the file is whole a moment later. Idempotent."""
        if self.ended:
            return
        self.ended = reason
        self.wire.forget(self.hear)
        if self.timer is not None:
            self.timer.cancel()
        self._add("end", reason)
        self.file.finish()

    def records(self) -> bool:
        """Whether it goes on. A file that failed ends it, also when nothing goes over the link any more."""
        if self.file.failure:
            self.end(self.file.failure)
        return not self.ended

    def state(self) -> CaptureState:
        """How it stands."""
        self.records()
        ended = self.file.failure or self.ended  # whatever ended it first: what is in the file says less
        return CaptureState(
            begun_s=self.begun_s,
            ends_s=self.begun_s + self.seconds,
            size_bytes=self.file.written_bytes,
            ended=ended if self.file.closed else "",
        )

    def _add(self, way: str, data: str | int) -> None:
        self.file.add(self.clock.monotonic() - self.began_s, way, data)


class Captures:
    """The newest capture of each machine. `folder` None: nothing can be captured here."""

    def __init__(self, folder: Path | None, blocking: RunBlocking, clock: Clock) -> None:
        """Touches no file before it is asked to."""
        self._folder = folder
        self._blocking = blocking
        self._clock = clock
        self._captures: dict[str, Capture] = {}

    async def begin(
        self, machine_id: str, wire: Wire, seconds: float, url: str, header: Mapping[str, object]
    ) -> CaptureState:
        """Begin to capture; the file of the machine's capture before is gone then. Raises UsageError, Conflict."""
        if self._folder is None:
            raise UsageError("This agent keeps no files, so that nothing can be captured.")
        if not 1.0 <= seconds <= SECONDS_MOST:
            raise UsageError(f"A capture lasts 1 to {SECONDS_MOST:g} s, not {seconds:g}.")
        under_way = [one for one, capture in self._captures.items() if capture.records()]
        if machine_id in under_way:
            raise Conflict("Its link is being captured already.", hint="Wait for the end, or end it.")
        if len(under_way) >= AT_ONCE:
            raise Conflict(f"{AT_ONCE} links are being captured already.", hint="Wait until one of them is done.")
        wall = self._clock.wall()
        stamped = {"begun": wall.astimezone(datetime.UTC).isoformat(timespec="seconds"), **header}
        try:
            file = await self._blocking(_open, self._folder, machine_id, url, stamped)
        except OSError as error:
            text = f"No file can be written for the capture: {error.strerror or error}."
            raise UsageError(text, hint="Make room on the disk of the agent's computer.") from error
        if (before := self._captures.get(machine_id)) is not None:
            before.end("another one began")
        capture = Capture(file, wire, self._clock, seconds, wall.timestamp(), self._clock.monotonic())
        self._captures[machine_id] = capture
        capture.begin()
        return capture.state()

    def end(self, machine_id: str, reason: str) -> CaptureState:
        """End the capture under way, if there is one."""
        if (capture := self._captures.get(machine_id)) is not None:
            capture.end(reason)
        return self.state(machine_id)

    def state(self, machine_id: str) -> CaptureState:
        """How the newest capture of a machine stands."""
        capture = self._captures.get(machine_id)
        return CaptureState() if capture is None else capture.state()

    async def read(self, machine_id: str, offset: int) -> bytes:
        """A piece of the newest capture's file, empty at its end. Raises NotFound, Conflict while it is made."""
        if self._folder is None or machine_id not in self._captures:
            raise NotFound("Its link was not captured since the agent began.")
        if not self._captures[machine_id].file.closed:
            raise Conflict("The capture is not done yet.", hint="Wait for its end, or end it.")
        return await self._blocking(_read, self._folder, machine_id, offset)


def _path(folder: Path, machine_id: str) -> Path:
    return folder / f"{machine_id}.jsonl"


def _open(folder: Path, machine_id: str, url: str, header: Mapping[str, object]) -> CaptureFile:
    """Readable by the owner only: it shows what was made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _path(folder, machine_id)
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return CaptureFile(path, url, header)


def _read(folder: Path, machine_id: str, offset: int) -> bytes:
    with _path(folder, machine_id).open("rb") as file:
        file.seek(offset)
        return file.read(READ_BYTES)
