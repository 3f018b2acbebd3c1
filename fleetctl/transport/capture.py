"""Records a real link to a file, for bug reports and golden tests.

One JSON object a line: `t_s` (seconds since the capture began), `way` and `data` (the bytes as Latin-1 text; a count
for `discard`, a message for `lost`). The first line is a header with `format` and `url`. docs/reference/captures.md
has all of it. It must not know what the bytes mean, and never delays the link: a thread writes the file, and when it
cannot keep up, records are left out and their number is written as `way` `omitted`. When the disk takes no more, the
file ends with the last whole record, and `CaptureFile.failure` says why.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
from collections.abc import Mapping
from pathlib import Path

from fleetctl.clock import Clock
from fleetctl.errors import LinkError
from fleetctl.transport.base import Receiver, Transport

FORMAT = "fleetctl-capture-1"
QUEUE_RECORDS = 10_000
QUEUE_BYTES = 4 * 1024 * 1024
"""What may wait for the thread that writes; a network link gives 64 kB in one record."""

TAIL_BYTES = 65536


class CaptureFile:
    """The file of one capture; `add` may be called from the loop, `close` waits for what is queued.

    `header` holds more fields of the first line. `written_bytes` is how long the file is so far.
    """

    def __init__(self, path: Path, url: str, header: Mapping[str, object] | None = None) -> None:
        self.omitted = 0
        self.written_bytes = 0
        self.failure = ""
        self._path = path
        self._put_bytes = 0
        self._taken_bytes = 0  # by the thread that writes
        self._queue: queue.Queue[dict[str, object] | None] = queue.Queue()
        self._file = path.open("w", encoding="utf-8")
        self._queue.put({"format": FORMAT, "url": url, **(header or {})})
        self._thread = threading.Thread(target=self._write, name=f"capture {path.name}", daemon=True)
        self._thread.start()

    def add(self, t_s: float, way: str, data: str | int) -> None:
        """Queue one record; never blocks. Once the file has failed it is left out."""
        if self.failure:
            return
        if self.omitted and not self._try({"t_s": round(t_s, 6), "way": "omitted", "data": self.omitted}):
            self.omitted += 1
            return
        self.omitted = 0
        if not self._try({"t_s": round(t_s, 6), "way": way, "data": data}):
            self.omitted += 1

    def finish(self) -> None:
        """Let the thread write what is queued and close the file; does not wait for it. Idempotent."""
        self._queue.put_nowait(None)

    def close(self) -> None:
        """Write what is queued and close the file; idempotent."""
        self.finish()
        self._thread.join()

    @property
    def closed(self) -> bool:
        """Whether everything is in the file."""
        return not self._thread.is_alive()

    def _try(self, record: dict[str, object]) -> bool:
        waiting_bytes = self._put_bytes - self._taken_bytes
        if self._queue.qsize() >= QUEUE_RECORDS or waiting_bytes >= QUEUE_BYTES:
            return False
        self._put_bytes += _size_bytes(record)
        self._queue.put_nowait(record)
        return True

    def _write(self) -> None:
        try:
            with self._file:
                self._write_records()
        except OSError as error:
            self.failure = f"its file could not be written: {error.strerror or error}"
            with contextlib.suppress(OSError):
                self.written_bytes = _keep_whole_lines(self._path)

    def _write_records(self) -> None:
        while (record := self._queue.get()) is not None:
            self._taken_bytes += _size_bytes(record)
            line = json.dumps(record) + "\n"
            self._file.write(line)
            self.written_bytes += len(line)  # all ASCII
            if self._queue.empty():
                self._file.flush()


def _keep_whole_lines(path: Path) -> int:
    """Cut off a line whose end did not fit; how many bytes are left. Raises OSError."""
    with path.open("r+b") as file:
        at_byte = end_byte = file.seek(0, os.SEEK_END)
        while at_byte > 0:
            at_byte = max(0, at_byte - TAIL_BYTES)
            file.seek(at_byte)
            if (last := file.read(TAIL_BYTES).rfind(b"\n")) >= 0:
                end_byte = at_byte + last + 1
                break
        else:
            end_byte = 0
        file.truncate(end_byte)
        return end_byte


def _size_bytes(record: Mapping[str, object]) -> int:
    """What of a record may be large."""
    data = record.get("data")
    return len(data) if isinstance(data, str) else 0


class CaptureTransport:
    """A `Transport` that passes everything to `inner` and writes it down; the file ends with the link."""

    def __init__(self, inner: Transport, path: Path, clock: Clock) -> None:
        self.url = inner.url
        self._inner = inner
        self._clock = clock
        self._path = path
        self._file: CaptureFile | None = None
        self._opened_s = 0.0
        self._receiver: Receiver | None = None

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Open the inner link and begin the file. Raises LinkUnavailable, or OSError for the file."""
        self._file = CaptureFile(self._path, self.url)
        self._opened_s = self._clock.monotonic()
        self._receiver = receiver
        try:
            await self._inner.open(self, deadline_s)
        except BaseException:
            self._end()
            raise

    def write(self, data: bytes) -> None:
        """Record and pass on."""
        self._add("out", data.decode("latin-1"))
        self._inner.write(data)

    @property
    def unsent_bytes(self) -> int:
        """As the inner link says."""
        return self._inner.unsent_bytes

    def discard_output(self) -> int:
        """Record and pass on."""
        count = self._inner.discard_output()
        self._add("discard", count)
        return count

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Record and pass on."""
        if data:
            self._add("urgent", data.decode("latin-1"))
        self._inner.urgent(data, at_line_start=at_line_start)

    def close(self) -> None:
        """Close the inner link and the file."""
        self._inner.close()
        self._end()

    # What the inner link calls

    def data_received(self, data: bytes, now_s: float) -> None:
        """Record and pass up."""
        self._add("in", data.decode("latin-1"))
        if self._receiver is not None:
            self._receiver.data_received(data, now_s)

    def lost(self, reason: LinkError) -> None:
        """Record and pass up."""
        self._add("lost", str(reason))
        receiver = self._receiver
        self._end()
        if receiver is not None:
            receiver.lost(reason)

    def _add(self, way: str, data: str | int) -> None:
        if self._file is not None:
            self._file.add(self._clock.monotonic() - self._opened_s, way, data)

    def _end(self) -> None:
        self._receiver = None
        file, self._file = self._file, None
        if file is not None:
            file.close()
