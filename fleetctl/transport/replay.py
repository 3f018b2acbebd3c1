"""Plays a captured link back: the machine's side of a recording, in step with what we send.

It must not know what the bytes mean. Output has to be what was recorded, byte for byte; the first difference
ends the link with an error that shows both. What people asked of the driver (`verb`) is played like what the machine
said: in its place, as long after the record before it as then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fleetctl.clock import Clock
from fleetctl.errors import LinkUnavailable, OurProtocolError
from fleetctl.transport.base import Receiver
from fleetctl.transport.capture import FORMAT

EARLY_S = 0.05
"""Output that comes so much before its turn waits for it: real clocks and timers are not that exact. A computer that
was busy while it recorded needs more."""

BYTES = frozenset({"in", "out", "urgent"})
PLAYED = frozenset({"in", "verb", "end"})
"""What is played at its time; `out` and `urgent` are waited for, everything else is passed over."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a capture: its time since the begin, its way, and its bytes (text of other ways as UTF-8)."""

    t_s: float
    way: str
    data: bytes


@dataclass(frozen=True)
class Capture:
    """A capture as it was read: what its first line says, and its records."""

    header: dict[str, object] = field(default_factory=dict)
    records: tuple[Record, ...] = ()

    def of_one_link(self) -> list[Record]:
        """The records from the last opening of the link on. Raises LinkUnavailable when it was not opened in it."""
        openings = [index for index, record in enumerate(self.records) if record.way == "open"]
        if not openings:
            raise LinkUnavailable(
                "The capture begins in the middle of a link, so that nobody knows how its driver stood.",
                hint="Make one with --reconnect.",
            )
        return list(self.records[openings[-1] :])


def load_capture(path: Path) -> Capture:
    """All of a capture file. Raises LinkUnavailable, with what is wrong, when it is not one."""
    try:
        first, *rows = path.read_text(encoding="utf-8").splitlines()
        header = json.loads(first)
        if header.get("format") != FORMAT:
            raise ValueError(f"its first line does not say {FORMAT}")
        return Capture(header, tuple(_record(json.loads(row)) for row in rows))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise LinkUnavailable(f"{path.name} is not a capture of fleetctl: {error}.") from error


def _record(row: dict[str, object]) -> Record:
    way, data = str(row["way"]), str(row["data"])
    return Record(float(row["t_s"]), way, data.encode("latin-1" if way in BYTES else "utf-8"))  # type: ignore[arg-type]


def read_capture(path: Path) -> list[Record]:
    """The bytes records of a capture file. Raises LinkUnavailable, with what is wrong, when it is not one."""
    return [record for record in load_capture(path).records if record.way in BYTES]


class ReplayTransport:
    """A `Transport` that plays `records`. What the machine said comes as long after the record before it as
    then.

    Ordinary and urgent output are compared as one stream, however it is split into writes. `on_verb` hears each verb
    when its time comes, `on_end` the end of the capture; after it output is no longer compared.
    """

    def __init__(
        self,
        url: str,
        records: list[Record],
        clock: Clock,
        *,
        on_verb: Callable[[str], None] = lambda _: None,
        on_end: Callable[[], None] = lambda: None,
        early_s: float = EARLY_S,
    ) -> None:
        self.url = url
        self._records = [record for record in records if record.way in PLAYED or record.way in BYTES]
        self._on_verb = on_verb
        self._on_end = on_end
        self._early = b""
        self._early_s = early_s
        self._over = False
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
        while data and self._receiver is not None and not self._over:
            if self.finished:
                self._differ(b"", data)
                return
            if self._records[self._at].way in PLAYED:
                if self._timer is None or self._timer.when() - asyncio.get_running_loop().time() > self._early_s:
                    self._differ(b"", data)
                else:
                    self._early += data
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
        if not self.finished and self._records[self._at].way in PLAYED:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, delay_s), self._play)

    def _play(self) -> None:
        record, self._timer = self._records[self._at], None
        receiver = self._receiver
        self._next()
        early, self._early = self._early, b""
        self.write(early)
        if record.way == "verb":
            self._on_verb(record.data.decode("utf-8", "replace"))
        elif record.way == "end":
            self._over = True
            self._on_end()
        elif receiver is not None and record.data:
            receiver.data_received(record.data, self._clock.monotonic())

    @property
    def expected(self) -> str:
        """What would have to come next, for whoever waited in vain."""
        if self.finished:
            return "nothing"
        record = self._records[self._at]
        return f"{record.way} {record.data[self._matched_bytes :][:80]!r} (record {self._at + 1})"

    def _differ(self, expected: bytes, got: bytes) -> None:
        receiver = self._receiver
        self.close()
        wanted = f"expected {expected[:80]!r}" if expected else "nothing was expected yet"
        reason = OurProtocolError(f"Replay differs at record {self._at + 1}: {wanted}, sent {got[:80]!r}.")
        if receiver is not None:
            asyncio.get_running_loop().call_soon(receiver.lost, reason)
