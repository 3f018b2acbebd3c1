"""Records, what they amount to, and when they are durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleetctl.agent.blocking import Threads, inline
from fleetctl.agent.files import JournalFile, MemoryJournalFile, OsJournalFile
from fleetctl.agent.journal import COMPACT_BYTES, Journal
from fleetctl.agent.records import (
    Acknowledged,
    Assigned,
    Booted,
    CommandDone,
    CommandSeen,
    Latched,
    MadeSafe,
    Record,
    Reported,
    RunProgress,
    RunStarted,
    RunTaken,
    Snapshot,
    frame,
    scan,
)
from fleetctl.agent.state import COMMANDS_KEPT, RUNS_KEPT, JournalState
from fleetctl.clock import SystemClock
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import Answer, MachineReport, RunReport
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from tests.unit.agent.rig import assigned


def _machine_report(sequence: int, machine_id: str = "id-m1") -> MachineReport:
    return MachineReport(
        sequence=sequence,
        machine_id=machine_id,
        link=Link.ONLINE,
        activity=Activity.IDLE,
        position=Position.SUSPECT,
        at_s=1.0,
    )


def _run_report(sequence: int, state: str, run_id: str = "r1") -> RunReport:
    return RunReport(sequence=sequence, run_id=run_id, machine_id="id-m1", state=state, started=True, at_s=1.0)


LIFE: tuple[Record, ...] = (
    Booted("journal-1", "boot-1", 0),
    Assigned((assigned(),)),
    CommandSeen("c1"),
    RunTaken("r1", "id-m1", 3, "claimed"),
    Reported(_machine_report(1)),
    Reported(_run_report(2, "preparing")),
    RunStarted("r1"),
    RunProgress("r1", 17, 4),
    Latched("stop-1"),
    CommandDone("c1", Answer(command_id="c1", lines=("ok",))),
    Reported(_machine_report(3)),
    Acknowledged(2),
)


def _state_after(records: tuple[Record, ...] | list[Record]) -> JournalState:
    state = JournalState()
    for record in records:
        state.apply(record)
    return state


def test_what_a_life_amounts_to() -> None:
    content = _state_after(LIFE).content
    assert content.journal_id == "journal-1"
    assert content.stop_id == "stop-1"
    assert content.positions == {"id-m1": Position.SUSPECT}
    assert content.unsafe == {"id-m1": True}
    assert list(content.reports) == [3], "acknowledged and superseded reports are forgotten"
    assert (content.runs["r1"].acknowledged_line, content.runs["r1"].started) == (17, True)
    assert content.commands == {"c1": Answer(command_id="c1", lines=("ok",))}


def test_what_the_agent_saw_of_a_position_outweighs_the_assignment() -> None:
    state = _state_after([*LIFE, Assigned((assigned(position=Position.KNOWN),))])
    assert state.content.positions == {"id-m1": Position.SUSPECT}
    state.apply(Assigned(()))
    state.apply(Assigned((assigned(position=Position.KNOWN),)))
    assert state.content.positions == {"id-m1": Position.KNOWN}


def test_a_snapshot_stands_for_everything_before_it() -> None:
    whole = _state_after(LIFE)
    [snapshot] = scan(frame(Snapshot(whole.content))).records
    after: tuple[Record, ...] = (Reported(_run_report(9, "finished")), MadeSafe("id-m1"), Latched(""))
    assert _state_after([snapshot, *after]).content == _state_after([*LIFE, *after]).content


def test_a_file_torn_at_any_byte_keeps_every_whole_record() -> None:
    frames = [frame(record) for record in LIFE]
    data = b"".join(frames)
    ends = [sum(map(len, frames[: n + 1])) for n in range(len(frames))]
    for cut in range(len(data) + 1):
        found = scan(data[:cut])
        whole = sum(end <= cut for end in ends)
        assert found.records == list(LIFE[:whole])
        assert found.torn_bytes == cut - (ends[whole - 1] if whole else 0)


def test_a_damaged_byte_is_found() -> None:
    data = b"".join(frame(record) for record in LIFE)
    for at in range(len(data)):
        spoiled = bytearray(data)
        spoiled[at] ^= 0x40
        found = scan(bytes(spoiled))
        assert found.torn_bytes > 0
        assert found.records == list(LIFE[: len(found.records)])


def test_a_journal_torn_at_any_byte_opens_and_goes_on() -> None:
    @under_virtual_clock()
    async def live() -> None:
        data = b"".join(frame(record) for record in LIFE)
        for cut in range(len(data) + 1):
            file = MemoryJournalFile(data[:cut])
            journal = Journal(file, inline, VirtualClock())
            await journal.open()
            writing = asyncio.create_task(journal.run())
            assert await journal.durable(journal.append(Latched(f"cut-{cut}")), 1e9)
            writing.cancel()
            after = scan(file.after_power_cut().read_all())
            assert after.torn_bytes == 0
            assert _state_after(after.records).content == journal.state.content
            assert journal.state.content.stop_id == f"cut-{cut}"

    live()


@under_virtual_clock()
async def test_what_was_not_synced_is_lost_by_a_power_cut_and_what_was_is_not() -> None:
    file = MemoryJournalFile()
    journal = Journal(file, inline, VirtualClock())
    await journal.open()
    writing = asyncio.create_task(journal.run())
    assert await journal.durable(journal.append(RunTaken("r1", "m", 1, "running")), 1e9)
    for line in range(10):
        journal.append(RunProgress("r1", line, 4))
        await asyncio.sleep(0.05)
    writes = scan(file.read_all()).records
    assert _state_after(writes).content.runs["r1"].acknowledged_line >= 7
    assert file.unsynced_bytes > 0
    await asyncio.sleep(5.2)
    assert file.unsynced_bytes == 0, "synced at the latest after five seconds"
    syncs = file.syncs
    await asyncio.sleep(60.0)
    assert file.syncs == syncs, "with nothing new there is nothing to sync"
    journal.append(RunProgress("r1", 99, 4))
    await asyncio.sleep(0.2)
    writing.cancel()
    left = _state_after(scan(file.after_power_cut(3).read_all()).records).content
    assert left.runs["r1"].acknowledged_line == 9


@under_virtual_clock()
async def test_progress_is_written_ten_times_a_second_at_most() -> None:
    file = MemoryJournalFile()
    journal = Journal(file, inline, VirtualClock())
    await journal.open()
    writing = asyncio.create_task(journal.run())
    assert await journal.durable(journal.append(RunTaken("r1", "m", 1, "running")), 1e9)
    for line in range(1000):
        journal.append(RunProgress("r1", line, 4))
        await asyncio.sleep(0.001)
    written = [r for r in scan(file.read_all()).records if isinstance(r, RunProgress)]
    assert 8 <= len(written) <= 12
    writing.cancel()


@under_virtual_clock()
async def test_a_failing_disk_is_named_and_the_journal_recovers_whole() -> None:
    file = MemoryJournalFile()
    journal = Journal(file, inline, VirtualClock())
    await journal.open()
    writing = asyncio.create_task(journal.run())
    assert await journal.settle(1e9)
    file.error = OSError(28, "No space left on device")
    assert not await journal.durable(journal.append(Latched("stop-1")), 1e9)
    assert "No space" in journal.failing
    journal.append(CommandSeen("c1"))
    await asyncio.sleep(10.0)
    file.error = None
    await asyncio.sleep(2.0)
    assert journal.failing == ""
    assert await journal.settle(1e9)
    writing.cancel()
    assert _state_after(scan(file.after_power_cut().read_all()).records).content == journal.state.content


class _HalfWritten(MemoryJournalFile):
    """A disk that is full in the middle of a record."""

    full = False

    def append(self, data: bytes) -> None:
        if self.full:
            super().append(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        super().append(data)


@under_virtual_clock()
async def test_a_record_that_was_written_in_half_hides_nothing_behind_it() -> None:
    file = _HalfWritten()
    journal = Journal(file, inline, VirtualClock())
    await journal.open()
    writing = asyncio.create_task(journal.run())
    assert await journal.durable(journal.append(CommandSeen("c0")), 1e9)
    file.full = True
    assert not await journal.durable(journal.append(Latched("stop-1")), 1e9)
    file.full = False
    await asyncio.sleep(2.0)
    journal.append(CommandSeen("c1"))
    assert await journal.settle(1e9)
    writing.cancel()
    found = scan(file.read_all())
    assert found.torn_bytes == 0
    assert _state_after(found.records).content == journal.state.content


@under_virtual_clock()
async def test_progress_is_written_before_what_came_after_it() -> None:
    file = MemoryJournalFile()
    journal = Journal(file, inline, VirtualClock())
    await journal.open()
    writing = asyncio.create_task(journal.run())
    journal.append(RunTaken("r1", "id-m1", 1, "running"))
    assert await journal.settle(1e9)
    journal.append(RunProgress("r1", 17, 4))
    ended = RunReport(
        sequence=1, run_id="r1", machine_id="id-m1", state="finished", started=True, acknowledged_line=20, at_s=1.0
    )
    journal.append(Reported(ended))
    assert await journal.settle(1e9)
    writing.cancel()
    assert _state_after(scan(file.read_all()).records).content.runs["r1"].acknowledged_line == 20


@under_virtual_clock()
async def test_a_disk_that_hangs_delays_only_who_waits_for_it() -> None:
    hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hang(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if work.__name__ != "read_all":
            await hanging
        return work(*args, **kwargs)

    clock = VirtualClock()
    journal = Journal(MemoryJournalFile(), hang, clock)
    await journal.open()
    writing = asyncio.create_task(journal.run())
    begun_s = clock.monotonic()
    ticket = journal.append(Latched("stop-1"))
    assert clock.monotonic() == begun_s
    assert not await journal.durable(ticket, begun_s + 5.0)
    assert clock.monotonic() == begun_s + 5.0
    assert "does not answer" in journal.failing
    hanging.set_result(None)
    assert await journal.durable(ticket, begun_s + 20.0)
    assert journal.failing == ""
    writing.cancel()


@under_virtual_clock()
async def test_the_file_is_written_anew_when_it_has_grown() -> None:
    file = MemoryJournalFile()
    journal = Journal(file, inline, VirtualClock())
    await journal.open()
    writing = asyncio.create_task(journal.run())
    report = _run_report(1, "running")
    journal.append(RunTaken("r1", "id-m1", 1, "running"))
    for _ in range(200):
        for _ in range(500):
            journal.append(Reported(report))
        await asyncio.sleep(0.2)
    assert len(file.read_all()) < COMPACT_BYTES + 100_000
    assert await journal.settle(1e9)
    assert _state_after(scan(file.read_all()).records).content == journal.state.content
    writing.cancel()


def test_memory_of_runs_and_commands_is_bounded_and_forgets_no_active_run() -> None:
    state = _state_after([RunTaken("active", "m", 1, "running")])
    for number in range(2 * RUNS_KEPT):
        state.apply(RunTaken(f"r{number}", "m", 1, "finished"))
        state.apply(CommandSeen(f"c{number}"))
        state.apply(CommandDone(f"c{number}", Answer(command_id=f"c{number}")))
    assert len(state.content.runs) == RUNS_KEPT
    assert "active" in state.content.runs
    assert f"r{2 * RUNS_KEPT - 1}" in state.content.runs
    assert len(state.content.commands) <= COMMANDS_KEPT


def _exercise(file: JournalFile) -> None:
    assert file.read_all() == b""
    file.append(b"one")
    file.append(b"two")
    file.sync()
    assert file.read_all() == b"onetwo"
    file.replace(b"new")
    file.append(b"er")
    assert file.read_all() == b"newer"
    file.close()
    file.close()


def test_both_kinds_of_file_behave_the_same(tmp_path: Path) -> None:
    _exercise(MemoryJournalFile())
    path = tmp_path / "agent" / "journal"
    _exercise(OsJournalFile(path))
    assert path.read_bytes() == b"newer"
    assert path.stat().st_mode & 0o777 == 0o600
    again = OsJournalFile(path)
    again.append(b"!")
    again.close()
    assert path.read_bytes() == b"newer!"
    assert [entry.name for entry in path.parent.iterdir()] == ["journal"]


async def test_on_a_real_disk_with_real_threads(tmp_path: Path) -> None:
    threads = Threads("journal", 1)
    journal = Journal(OsJournalFile(tmp_path / "journal"), threads, SystemClock())
    assert await journal.open() == 0
    writing = asyncio.create_task(journal.run())
    deadline_s = asyncio.get_running_loop().time() + 30.0
    assert await journal.durable(journal.append(Latched("stop-1")), deadline_s)
    journal.append(CommandSeen("c1"))
    writing.cancel()
    await journal.close()
    await journal.close()
    threads.close()
    with (tmp_path / "journal").open("ab") as file:
        file.write(b"\x00\x01torn")
    again = Journal(OsJournalFile(tmp_path / "journal"), inline, SystemClock())
    assert await again.open() == 6
    assert again.state.content == journal.state.content
    assert "c1" in again.state.content.commands
    await again.close()
