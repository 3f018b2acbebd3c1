"""Programs that arrive in containers: the plain program is what is stored, hashed and listed (I4)."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from fleetctl.errors import NotGcode, UsageError
from fleetctl.fleet.intake import Intake, _Unpacking
from fleetctl.fleet.record import Record
from fleetctl.gcode import Analysis
from fleetctl.store import programs
from fleetctl.store.blobs import BlobStore, BlobWriter
from fleetctl.store.programs import Program
from fleetctl.store.reader import InlineReader
from fleetctl.store.writer import InlineWriter
from fleetctl.testing.loop import VirtualClock
from tests.unit.fleet.conftest import PRINT, Book
from tests.unit.gcode import packers


def gzipped(data: bytes) -> bytes:
    """The same bytes each time: parameters of tests may not differ from one process to the next."""
    return gzip.compress(data, mtime=0)


T = TypeVar("T")
SHA256 = hashlib.sha256(PRINT).hexdigest()
SECRET = "sesame-4711"
BINARY = packers.bgcode(
    PRINT,
    before=packers.settings(packers.FILE, {"Producer": "PrusaSlicer 2.8.1"})
    + packers.settings(packers.SLICER, {"printhost_apikey": SECRET, "layer_height": "0.2"}),
)


class StoredPrograms:
    """The one thing of the views that is asked for here."""

    def __init__(self, book: Book) -> None:
        self._book = book

    async def program(self, sha256: str) -> Program:
        return self._book.look(programs.get, sha256)


class Dock:
    """Where programs arrive."""

    def __init__(self, book: Book, root: Path) -> None:
        self.book = book
        self.blobs = BlobStore(root / "blobs")
        self.lose: Callable[[object], bool] = lambda result: False
        chance = random.Random(1)
        record = Record(
            InlineWriter(book.database, chance=chance),
            InlineReader(book.database, chance=chance),
            VirtualClock(),
            lambda: "id-of-event",
        )
        self.intake = Intake(record, self.blobs, StoredPrograms(book), self.off_loop)  # type: ignore[arg-type]

    async def off_loop(self, work: Callable[[], T]) -> T:
        result = work()
        if self.lose(result):
            raise asyncio.CancelledError
        return result

    async def receive(self, name: str, data: bytes, plate: int | None = None, at_once: int = 1000) -> Any:
        return await self.intake.receive(name, in_blocks(data, at_once), "tester", plate)

    def stored(self) -> list[str]:
        """Names of all files, those not finished too."""
        return sorted(path.name for path in self.blobs.root.rglob("*") if path.is_file())

    def record(self) -> list[Program]:
        return self.book.look(programs.newest, 10)


async def in_blocks(data: bytes, at_once: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), at_once):
        yield data[start : start + at_once]


@pytest.fixture
def dock(book: Book, tmp_path: Path) -> Dock:
    return Dock(book, tmp_path)


@pytest.mark.parametrize("at_once", [1, 3, 1000])
@pytest.mark.parametrize(
    ("name", "data", "kind", "called"),
    [
        ("part.bgcode", BINARY, "bgcode", "part.gcode"),
        ("part.gcode.gz", gzipped(PRINT), "gzip", "part.gcode"),
        ("Plate 1.gcode.3mf", packers.gcode_3mf({1: PRINT}), "3mf", "Plate 1.gcode"),
        ("C:\\parts\\part.3mf", packers.gcode_3mf({1: PRINT}), "3mf", "part.gcode"),
        ("no extension", BINARY, "bgcode", "no extension.gcode"),
    ],
)
async def test_the_plain_program_is_stored_and_the_container_remembered(
    dock: Dock, name: str, data: bytes, kind: str, called: str, at_once: int
) -> None:
    await dock.receive(name, data, at_once=at_once)
    assert dock.stored() == [SHA256]
    assert dock.blobs.path(SHA256).read_bytes() == PRINT
    (program,) = dock.record()
    assert (program.sha256, program.size_bytes, program.name) == (SHA256, len(PRINT), called)
    analysis: Analysis = program.analysis
    assert analysis.sha256 == SHA256
    assert analysis.container is not None
    assert (analysis.container.kind, analysis.container.name) == (kind, name.rsplit("\\", 1)[-1])
    assert analysis.container.sha256 == hashlib.sha256(data).hexdigest()


async def test_what_binary_gcode_says_is_on_record_without_its_secrets(dock: Dock) -> None:
    await dock.receive("part.bgcode", BINARY)
    (program,) = dock.record()
    assert (program.analysis.slicer, program.analysis.claims.layer_height_mm) == ("PrusaSlicer 2.8.1", 0.2)
    assert "secret" in program.analysis.hazards
    assert SECRET not in repr(program)


async def test_a_plain_program_stays_as_it_came(dock: Dock) -> None:
    await dock.receive("part.gcode", PRINT)
    (program,) = dock.record()
    assert (program.name, program.analysis.container, dock.stored()) == ("part.gcode", None, [SHA256])


async def test_the_plate_asked_for(dock: Dock) -> None:
    data = packers.gcode_3mf({1: b"G28\n", 2: PRINT})
    with pytest.raises(UsageError, match="2 plates: 1, 2"):
        await dock.receive("two.gcode.3mf", data)
    assert (dock.stored(), dock.record()) == ([], [])
    await dock.receive("two.gcode.3mf", data, plate=2)
    assert dock.stored() == [SHA256]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BINARY[:-3], "cut off"),
        (gzipped(PRINT)[:-9], "too early"),
        (gzipped(PRINT + b"G1 X"), "middle of a word"),
        (gzipped(gzipped(PRINT)), "inside a container"),
        (gzipped(b"Dear operator,\nfour of these please.\n"), "not G-code"),
        (packers.gcode_3mf({}), "sliced"),
    ],
)
async def test_a_container_that_is_refused_leaves_nothing(dock: Dock, data: bytes, words: str) -> None:
    with pytest.raises(NotGcode, match=words):
        await dock.receive("part", data)
    assert (dock.stored(), dock.record()) == ([], [])


async def test_an_upload_given_up_when_its_container_was_just_unpacked_leaves_nothing(dock: Dock) -> None:
    dock.lose = lambda result: isinstance(result, tuple)
    with pytest.raises(asyncio.CancelledError):
        await dock.receive("part.bgcode", BINARY)
    assert (dock.stored(), dock.record()) == ([], [])


def test_work_that_nobody_waits_for_any_more_ends_and_cleans_up(
    dock: Dock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(BlobWriter, "write", lambda self, data: written.append(data))
    container = tmp_path / "part.bgcode"
    container.write_bytes(BINARY)
    work = _Unpacking(dock.blobs, container, "part.bgcode", None)
    work.abandon()
    with pytest.raises(UsageError, match="given up"):
        work.run()
    assert (dock.stored(), written) == ([], [])
