"""Facts of an earlier reader are stated anew: in the background, one at a time, and before the gate judges."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from fleetctl.fleet.gate import Gate
from fleetctl.fleet.record import Record
from fleetctl.fleet.renewal import Renewal, carried_over
from fleetctl.gcode import analyze
from fleetctl.gcode.facts import FACTS_VERSION, Analysis
from fleetctl.gcode.origin import ContainerFacts
from fleetctl.store import programs
from fleetctl.store.blobs import BlobStore
from fleetctl.store.programs import Program
from fleetctl.store.reader import InlineReader
from fleetctl.store.writer import InlineWriter
from fleetctl.testing.loop import VirtualClock, run
from tests.unit.fleet.conftest import PRINT, Book

T = TypeVar("T")


class Shelf:
    """Programs on record and on disk, with facts of an old version where a test wants them."""

    def __init__(self, book: Book, root: Path) -> None:
        self.book = book
        self.blobs = BlobStore(root)
        self.read: list[int] = []
        self.under_way = 0
        writer = InlineWriter(book.database, lambda _: None, chance=random.Random(1))
        self.record = Record(
            writer, InlineReader(book.database, chance=random.Random(2)), VirtualClock(), lambda: "id"
        )
        self.renewal = Renewal(self.record, self.blobs, self.off_loop)

    async def off_loop(self, work: Callable[[], T]) -> T:
        self.under_way += 1
        self.read.append(self.under_way)
        found = work()
        self.under_way -= 1
        return found

    def put(self, text: bytes, version: int = 0, *, file: bool = True) -> str:
        if file:
            with self.blobs.begin() as writer:
                writer.write(text)
                writer.commit()
        old = msgspec.structs.replace(analyze(text), facts_version=version, lines=1, words={})
        program = Program(sha256=old.sha256, name="a.gcode", size_bytes=len(text), dialect=old.dialect, analysis=old,
                          created_s=0.0)  # fmt: skip
        self.book.change(lambda conn, stamp: programs.add(conn, program))
        return old.sha256

    def facts(self, sha256: str) -> Analysis:
        return self.book.look(lambda conn: programs.get(conn, sha256)).analysis


@pytest.fixture
def shelf(book: Book, tmp_path: Path) -> Shelf:
    return Shelf(book, tmp_path / "programs")


def test_every_old_program_is_read_again_one_at_a_time_and_no_other(shelf: Shelf) -> None:
    old = [shelf.put(PRINT + b"; %d\n" % n) for n in range(25)]
    new = shelf.put(PRINT + b"; new\n", FACTS_VERSION)
    run(shelf.renewal.run())
    for n, sha256 in enumerate(old):
        assert shelf.facts(sha256) == analyze(PRINT + b"; %d\n" % n)
    assert shelf.facts(new).lines == 1, "these facts are of this version"
    assert shelf.read == [1] * 25
    run(shelf.renewal.run())
    assert len(shelf.read) == 25, "nothing is left to do"
    assert shelf.book.kinds().count("program.read_again") == 25


def test_a_file_that_is_gone_keeps_its_facts_and_holds_up_nothing(shelf: Shelf) -> None:
    gone = shelf.put(PRINT + b"; gone\n", file=False)
    there = shelf.put(PRINT)
    run(shelf.renewal.run())
    assert shelf.facts(gone).lines == 1
    assert shelf.facts(there).lines == PRINT.count(b"\n")


def test_the_gate_judges_by_new_facts_and_forgets_what_it_said_of_old_ones(shelf: Shelf) -> None:
    hot = PRINT.replace(b"M109 S200", b"M109 S400")
    machine = shelf.book.machine()
    sha256 = shelf.put(hot)
    blind = msgspec.structs.replace(shelf.facts(sha256), temperatures={})
    program = msgspec.structs.replace(shelf.book.look(lambda conn: programs.get(conn, sha256)), analysis=blind)
    shelf.book.change(lambda conn, stamp: programs.set_analysis(conn, program))
    shelf.book.pass_gate(machine)
    run(shelf.renewal.run())
    said = run(Gate(shelf.record, shelf.renewal.renewed).ask(sha256, machine))
    assert not said.passed and "FQ002" in [finding.code for finding in said.findings]
    other = shelf.put(hot + b"; other\n")
    said = run(Gate(shelf.record, shelf.renewal.renewed).ask(other, machine))
    assert "FQ002" in [finding.code for finding in said.findings] and shelf.facts(other).words


def test_what_a_container_said_is_kept() -> None:
    fresh = analyze(PRINT)
    container = ContainerFacts(kind="bgcode", name="a.bgcode", sha256="0" * 64, size_bytes=9)
    old = msgspec.structs.replace(fresh, container=container, metadata={"a": "b"}, slicer="PrusaSlicer 2.8")
    kept = carried_over(old, fresh)
    assert (kept.container, kept.metadata, kept.slicer) == (container, {"a": "b"}, "PrusaSlicer 2.8")
