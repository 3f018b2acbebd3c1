"""Plays a captured link back: the machine's side of a recording, in step with what we send.

It must not know what the bytes mean. Output has to be what was recorded, byte for byte; the first difference
ends the link with an error that shows both.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from fleetctl.clock import Clock
from fleetctl.errors import LinkUnavailable, OurProtocolError
from fleetctl.transport.base import Receiver
from fleetctl.transport.capture import FORMAT


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a capture: its time since the opening, its way, and its bytes."""

    t_s: float
    way: str
    data: bytes


def read_capture(path: Path) -> list[Record]:
    """The bytes records of a capture file. Raises LinkUnavailable, with the line, when it is not one."""
    try:
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        if json.loads(header).get("format") != FORMAT:
            raise ValueError(f"its first line does not say {FORMAT}")
        parsed = [json.loads(row) for row in rows]
        return [
            Record(float(row["t_s"]), row["way"], row["data"].encode("latin-1"))
            for row in parsed
            if row["way"] in ("in", "out", "urgent")
        ]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise LinkUnavailable(f"{path.name} is not a capture of fleetctl: {error}.") from error


class ReplayTransport:
    """A `Transport` that plays `records`. What the machine said comes as long after the record before it as
    then.

    Ordinary and urgent output are compared as one stream, however it is split into writes.
    """

    def __init__(self, url: str, records: list[Record], clock: Clock) -> None:
        self.url = url
        self._records = list(records)
        self._clock = clock
        self._at = 0
        self._matched_bytes = 0
        self._receiver: Receiver | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def finished(self) -> bool:
        """True when every record was played and matched."""
        return self._at == len(self._records)

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        """Begin to play."""
        self._receiver = receiver
        self._arm(self._records[0].t_s if self._records else 0.0)

    def write(self, data: bytes) -> None:
        """Compare with what was recorded; a difference loses the link."""
        while data and self._receiver is not None:
            if self.finished or self._records[self._at].way == "in":
                self._differ(b"", data)
                return
            expected = self._records[self._at].data[self._matched_bytes :]
            length = min(len(expected), len(data))
            if expected[:length] != data[:length]:
                self._differ(expected, data)
                return
            data = data[length:]
            self._matched_bytes += length
            if length == len(expected):
                self._next()

    @property
    def unsent_bytes(self) -> int:
        """Always 0: a recording takes everything at once."""
        return 0

    def discard_output(self) -> int:
        """Nothing is ever unsent."""
        return 0

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        """Compared like other output."""
        self.write(data)

    def close(self) -> None:
        """Stop playing."""
        self._receiver = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        previous_s = self._records[self._at].t_s
        self._at += 1
        self._matched_bytes = 0
        if not self.finished:
            self._arm(self._records[self._at].t_s - previous_s)

    def _arm(self, delay_s: float) -> None:
        if not self.finished and self._records[self._at].way == "in":
            self._timer = asyncio.get_running_loop().call_later(max(0.0, delay_s), self._say)

    def _say(self) -> None:
        data = self._records[self._at].data
        receiver = self._receiver
        self._next()
        if receiver is not None and data:
            receiver.data_received(data, self._clock.monotonic())

    def _differ(self, expected: bytes, got: bytes) -> None:
        receiver = self._receiver
        self.close()
        wanted = f"expected {expected[:80]!r}" if expected else "nothing was expected yet"
        reason = OurProtocolError(f"Replay differs at record {self._at + 1}: {wanted}, sent {got[:80]!r}.")
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.lost, reason)
