"""The journal: records taken in at once, written and synced off the loop, in order.

Responsible for when a record is in the file and when it is durable. A disk that fails or hangs delays only
who waits for durability: streams go on, and `failing` says why nothing new may start. Must not know what the
records mean; `state` does.
"""

from __future__ import annotations

import asyncio
import logging

from fleetctl.agent.blocking import RunBlocking
from fleetctl.agent.files import JournalFile
from fleetctl.agent.records import Record, RunProgress, Snapshot, frame, scan
from fleetctl.agent.state import JournalState
from fleetctl.clock import Clock
from fleetctl.errors import StoreTooNew

log = logging.getLogger(__name__)

WRITE_AFTER_S = 0.1
"""Records nobody waits for, and progress, are written this long after the first of them."""

SYNC_AFTER_S = 5.0
"""What was written is synced at the latest this long after."""

RETRY_AFTER_S = 1.0
COMPACT_BYTES = 4 * 1024 * 1024
"""The file is rewritten as one snapshot when it has grown this much, or 8 times its last snapshot."""


class Journal:
    """One journal file and what it amounts to. `await open()`, then `run()` as a task, then `close()`."""

    def __init__(self, file: JournalFile, run_blocking: RunBlocking, clock: Clock) -> None:
        """Reads nothing yet."""
        self.state = JournalState()
        self.failing = ""
        self._file = file
        self._run_blocking = run_blocking
        self._clock = clock
        self._wake = asyncio.Event()
        self._pending: list[bytes] = []
        self._progress: dict[str, bytes] = {}
        self._ticket = 0
        self._durable_ticket = 0
        self._waiting: list[tuple[int, asyncio.Future[bool]]] = []
        self._write_at_s: float | None = None
        self._sync_at_s: float | None = None
        self._must_replace = True
        self._grown_bytes = 0
        self._snapshot_bytes = 0
        self._opened = False
        self._closed = False

    async def open(self) -> int:
        """Take in the file; gives how many torn or damaged bytes at its end were left out.

        The file itself is rewritten by the first write, which cuts the torn tail. Raises OSError when it
        cannot be read, and StoreTooNew when another version wrote it: what that has recorded behind (a run that
        began, a stop that holds) would be forgotten. Nothing is changed then.
        """
        found = scan(await self._run_blocking(self._file.read_all))
        if found.not_known:
            raise StoreTooNew(
                f"The agent's journal holds a record {found.not_known!r} that this fleetctl cannot read.",
                hint="Install the newer fleetctl that wrote it, and let it end when no run is in hand.",
            )
        for record in found.records:
            self.state.apply(record)
        self._opened = True
        if found.torn_bytes:
            log.warning("the agent journal ended in %d bytes that are no record; cut off", found.torn_bytes)
        return found.torn_bytes

    def append(self, record: Record) -> int:
        """Take in a record; gives the ticket for `durable`. Never blocks, never fails."""
        self.state.apply(record)
        if isinstance(record, RunProgress):
            # Framed now: hundreds of them in one go, when it is time to write, would hold up the loop.
            self._progress[record.run_id] = frame(record)
        else:
            self._flush_progress()
            self._pending.append(frame(record))
        self._ticket += 1
        if self._write_at_s is None:
            self._write_at_s = self._clock.monotonic() + WRITE_AFTER_S
            self._wake.set()
        return self._ticket

    async def durable(self, ticket: int, deadline_s: float) -> bool:
        """Whether the record survives a power cut from now on; False when the disk fails or did not answer by
        `deadline_s` (`Clock.monotonic`)."""
        if ticket <= self._durable_ticket:
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, answer))
        self._wake.set()
        try:
            async with asyncio.timeout_at(deadline_s):
                return await answer
        except TimeoutError:
            self.failing = self.failing or "The disk under the agent's journal does not answer."
            return False

    async def settle(self, deadline_s: float) -> bool:
        """`durable` for everything so far."""
        return await self.durable(self._ticket, deadline_s)

    async def run(self) -> None:
        """Write and sync, until cancelled. One writer: records reach the file in the order of `append`."""
        while True:
            await self._until_due()
            await self._write()
            if self.failing:
                await self._clock.sleep(RETRY_AFTER_S)

    async def close(self) -> None:
        """Write what is left, once, and close the file. Call it after `run` was cancelled; idempotent. A file that
        could not be read is left as it is."""
        if self._closed:
            return
        self._closed = True
        if self._opened:
            await self._write()
        self._answer(False)
        await self._run_blocking(self._file.close)

    async def _until_due(self) -> None:
        while not self._waiting:
            due_s = min((at_s for at_s in (self._write_at_s, self._sync_at_s) if at_s is not None), default=None)
            if due_s is not None and due_s <= self._clock.monotonic():
                return
            self._wake.clear()
            try:
                async with asyncio.timeout_at(due_s):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _write(self) -> None:
        """Bring the file up to date: append, and sync when somebody waits or it is time; or write it anew."""
        self._flush_progress()
        ticket = self._ticket
        now_s = self._clock.monotonic()
        sync = bool(self._waiting) or (self._sync_at_s is not None and self._sync_at_s <= now_s)
        self._write_at_s = None
        try:
            if self._must_replace or self._grown_bytes > max(COMPACT_BYTES, 8 * self._snapshot_bytes):
                sync = True
                await self._replace()
            else:
                await self._append(sync)
        except OSError as error:
            self._fail(error)
            return
        if sync:
            self._sync_at_s = None
            self._durable_ticket = ticket
            self._recover()
            self._answer(True)
        elif self._sync_at_s is None:
            self._sync_at_s = now_s + SYNC_AFTER_S

    async def _append(self, sync: bool) -> None:
        data, self._pending = b"".join(self._pending), []
        self._grown_bytes += len(data)
        self._must_replace = True  # until it has worked: a write that fails half-way leaves a torn frame
        await self._run_blocking(self._append_and_sync, data, sync)
        self._must_replace = False

    def _append_and_sync(self, data: bytes, sync: bool) -> None:
        if data:
            self._file.append(data)
        if sync:
            self._file.sync()

    async def _replace(self) -> None:
        data, self._pending = frame(Snapshot(self.state.content)), []
        self._must_replace = True
        await self._run_blocking(self._file.replace, data)
        self._must_replace = False
        self._snapshot_bytes, self._grown_bytes = len(data), 0

    def _flush_progress(self) -> None:
        """Progress goes to the file before anything that came after it."""
        self._pending += self._progress.values()
        self._progress.clear()

    def _fail(self, error: OSError) -> None:
        reason = f"The agent's journal cannot be written: {error.strerror or error}."
        if reason != self.failing:
            log.error("%s Running machines go on, nothing new starts.", reason)
        self.failing = reason
        self._write_at_s = self._clock.monotonic()
        self._answer(False)

    def _recover(self) -> None:
        if self.failing:
            log.info("the agent's journal can be written again")
        self.failing = ""

    def _answer(self, durable: bool) -> None:
        """Answer those whose record is durable by now, or everybody when the disk failed."""
        waiting, self._waiting = self._waiting, []
        for ticket, answer in waiting:
            if durable and ticket > self._durable_ticket:
                self._waiting.append((ticket, answer))
            elif not answer.done():
                answer.set_result(durable)
