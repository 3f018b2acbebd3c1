"""Journals of older versions are read as they were meant, and one of a newer version is left alone.

The files in tests/data/journals were written by the code of their day and are never made anew: whoever changes a
record so that one of them reads otherwise loses runs and stops of those who upgrade. A new format adds a file.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetctl.agent.blocking import inline
from fleetctl.agent.files import MemoryJournalFile
from fleetctl.agent.journal import Journal
from fleetctl.agent.records import Latched, RunProgress, RunStarted, RunTaken, Snapshot, frame, scan
from fleetctl.agent.state import JournalState
from fleetctl.errors import StoreTooNew
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import Answer, MachineReport, RunReport, StopReport
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock

JOURNALS = Path(__file__).parents[2] / "data" / "journals"
KINDS = 13
"""Of records, in each of the files."""

MIDDLE = 1 << 20
"""Where the numbers of the second boot in the files begin."""


def read(name: str) -> tuple[JournalState, list[Any]]:
    found = scan((JOURNALS / name).read_bytes())
    assert (found.torn_bytes, found.not_known) == (0, "")
    state = JournalState()
    for record in found.records:
        state.apply(record)
    return state, list(found.records)


@pytest.mark.parametrize("name", sorted(path.name for path in JOURNALS.iterdir()))
def test_a_journal_of_any_version_means_what_it_meant(name: str) -> None:
    state, records = read(name)
    content = state.content
    assert len({type(record) for record in records}) >= KINDS - 1  # Assigned stands in the snapshot
    assert (content.journal_id, content.stop_id, content.acknowledged) == ("journal-1", "stop-1", MIDDLE + 1)
    assert content.last_sequence == MIDDLE + 2
    assert content.positions == {"id-k1": Position.KNOWN, "id-k2": Position.SUSPECT}
    assert content.unsafe == {"id-k1": True}
    assert content.speeds_baud == {"id-k1": 250_000, "id-k2": 115_200}
    k1, k2 = content.machines["id-k1"], content.machines["id-k2"]
    assert (k1.name, k1.driver, k1.port, k1.options) == ("k1", "marlin", "serial:///dev/ttyk1", {"dtr": "off"})
    assert (k1.profile.name, k1.unattended, k2.unattended) == ("generic-220", False, True)


@pytest.mark.parametrize("name", sorted(path.name for path in JOURNALS.iterdir()))
def test_its_runs_commands_and_reports_are_all_there(name: str) -> None:
    content = read(name)[0].content
    runs = {run.run_id: (run.machine_id, run.epoch, run.state, run.started) for run in content.runs.values()}
    assert runs == {
        "run-1": ("id-k1", 3, "finished", True),
        "run-2": ("id-k1", 4, "running", True),
        "run-3": ("id-k2", 1, "claimed", True),
    }
    assert (content.runs["run-2"].acknowledged_line, content.runs["run-2"].planner_depth) == (1234, 16)
    assert content.commands["start-1"] == Answer(command_id="start-1")
    answer, stop = content.commands["start-2"], content.commands["stop-1"]
    assert isinstance(answer, Answer) and isinstance(stop, StopReport)
    assert (answer.lines, answer.values) == (("ok",), {"G54": (1.0, 2.0, 3.0)})
    assert [(each.machine_id, each.outcome) for each in stop.outcomes] == [
        ("id-k1", "confirmed"),
        ("id-k2", "unreachable"),
    ]
    assert content.commands["late"] is None
    [report] = content.reports.values()
    assert isinstance(report, MachineReport)
    assert (report.link, report.activity, report.position) == (Link.ONLINE, Activity.FAULT, Position.SUSPECT)
    assert (report.reason, report.firmware, report.at_s) == ("Printer halted", "Marlin 2.1.2", 1764400000.5)


def test_reports_that_nobody_had_acknowledged_are_in_the_snapshot() -> None:
    snapshot = scan((JOURNALS / "1-lines-only.journal").read_bytes()).records[0]
    assert isinstance(snapshot, Snapshot)
    run = snapshot.content.reports[2]
    assert isinstance(run, RunReport)
    told = (run.run_id, run.state, run.reason, run.started, run.acknowledged_line)
    assert told == ("run-1", "finished", "why", True, 500)


def test_what_an_older_version_did_not_write_is_not_known() -> None:
    old, new = read("1-lines-only.journal")[0].content.runs, read("2-with-bytes.journal")[0].content.runs
    assert [(run.program_sha256, run.acknowledged_bytes) for run in old.values()] == [("", 0)] * 3
    assert (new["run-2"].program_sha256, new["run-2"].acknowledged_bytes) == ("cd" * 32, 56789)


# A newer version


def frame_of(payload: bytes) -> bytes:
    return struct.pack("<II", len(payload), zlib.crc32(payload)) + payload


def framed(**record: object) -> bytes:
    """A record as another version may write it."""
    return frame_of(msgspec.msgpack.encode(record))


BEGUN = frame(RunTaken("run-9", "id-k1", 1, "claimed")) + frame(RunStarted("run-9"))


@pytest.mark.parametrize(
    "newer",
    [{"record": "held", "machine_id": "id-k1"}, {"record": "progress", "run_id": "run-9", "acknowledged_line": "12"}],
    ids=["a new kind", "a kind that changed"],
)
@under_virtual_clock()
async def test_a_record_of_a_newer_version_stops_the_agent_and_nothing_is_lost(newer: dict[str, object]) -> None:
    """Passing over it and writing on would forget what stands behind it: here that a run began, which must not begin
    again (I5)."""
    whole = frame(Latched("stop-9")) + framed(**newer) + BEGUN
    file = MemoryJournalFile(whole)
    journal = Journal(file, inline, VirtualClock())
    with pytest.raises(StoreTooNew, match=str(newer["record"])) as refused:
        await journal.open()
    assert refused.value.hint
    await journal.close()
    assert file.read_all() == whole


def test_a_field_that_a_newer_version_added_is_passed_over() -> None:
    newer = framed(record="progress", run_id="r", acknowledged_line=7, planner_depth=2, layer=3)
    found = scan(newer + BEGUN)
    assert found.records[0] == RunProgress("r", 7, 2)
    assert (len(found.records), found.torn_bytes) == (3, 0)


@pytest.mark.parametrize("payload", [b"", b"\xc1", msgspec.msgpack.encode([1, 2]), msgspec.msgpack.encode({"a": 1})])
def test_what_is_no_record_of_any_version_is_damage(payload: bytes) -> None:
    found = scan(BEGUN + frame_of(payload) + BEGUN)
    assert (len(found.records), found.not_known) == (2, "")
    assert found.torn_bytes == 8 + len(payload) + len(BEGUN)
