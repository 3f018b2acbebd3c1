"""A transformed program is stored like any other, with its parent and how it was made; asked twice, it is one."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import pytest

from fleetctl.errors import CannotTransform, NotFound, ProgramChanged, UsageError
from fleetctl.fleet.gate import Gate
from fleetctl.fleet.intake import Intake
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import ProgramShape
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.transforming import Transforming
from fleetctl.fleet.views import Views
from fleetctl.gcode import analyze
from fleetctl.store import events
from fleetctl.store.blobs import BlobStore
from fleetctl.store.reader import InlineReader
from fleetctl.store.writer import InlineWriter
from fleetctl.testing.loop import VirtualClock
from tests.unit.fleet.conftest import Book
from tests.unit.gcode.sliced import printed

T = TypeVar("T")
PRINT = printed("marlin", 4)
RESTART: dict[str, object] = {"layer": 4, "z_strategy": "trust"}


class Office:
    """Intake and transformations over a database in memory and a folder."""

    def __init__(self, book: Book, root: Path) -> None:
        clock = VirtualClock()
        self.book = book
        writer = InlineWriter(book.database, lambda _: None, chance=random.Random(1))
        record = Record(writer, InlineReader(book.database, chance=random.Random(2)), clock, lambda: "id")
        self.blobs = BlobStore(root)
        agents: Any = SimpleNamespace(connected=frozenset, leaving=frozenset, names=())
        views = Views(record, agents, Telemetry(clock), Gate(record))
        self.threads = 0
        self.intake = Intake(record, self.blobs, views, self.off_loop)
        self.transforming = Transforming(record, self.blobs, views, self.off_loop)

    async def off_loop(self, work: Callable[[], T]) -> T:
        self.threads += 1
        return work()

    async def upload(self, data: bytes = PRINT, name: str = "bracket.gcode") -> ProgramShape:
        async def blocks():  # type: ignore[no-untyped-def]
            yield data

        return await self.intake.receive(name, blocks(), "anna")

    def told(self, kind: str) -> list[Any]:
        found = self.book.look(lambda conn: events.page(conn, 0, 1000))
        return [event for event in found if event.kind == kind]


@pytest.fixture
def office(book: Book, tmp_path: Path) -> Office:
    return Office(book, tmp_path / "programs")


async def test_a_restart_is_a_program_of_its_own(office: Office) -> None:
    office.book.machine("K1")
    parent = await office.upload()
    made = await office.transforming.transform(parent.sha256[:8], "restart", RESTART, "bea")
    stored = office.blobs.path(made.sha256).read_bytes()
    assert made.sha256 == analyze(stored).sha256 != parent.sha256 and made.size_bytes == len(stored)
    assert made.parent_sha256 == parent.sha256 and made.name == "bracket restarted.gcode"
    assert made.transformation is not None
    assert (made.transformation.name, made.transformation.version) == ("restart", 1)
    assert msgspec.json.decode(made.transformation.parameters)["layer"] == 4
    assert [said.passed for said in made.machines] == [True], "the gate was asked as for any program"
    (event,) = office.told("program.transformed")
    assert event.subject == made.sha256[:12] and event.actor == "bea"
    assert (await office.upload()).parent_sha256 is None


async def test_the_same_request_is_one_program(office: Office) -> None:
    parent = await office.upload()
    first = await office.transforming.transform(parent.sha256, "restart", RESTART, "bea")
    again = await office.transforming.transform(parent.sha256, "restart", dict(reversed(RESTART.items())), "carl")
    assert again.sha256 == first.sha256 and again.created_s == first.created_s
    assert len(office.told("program.transformed")) == 1


async def test_a_transformation_of_a_transformed_program_names_its_own_parent(office: Office) -> None:
    parent = await office.upload()
    first = await office.transforming.transform(parent.sha256, "restart", RESTART, "bea")
    second = await office.transforming.transform(first.sha256, "strip", {}, "bea")
    assert second.parent_sha256 == first.sha256 and second.name == "bracket restarted without comments.gcode"
    same = await office.transforming.transform(second.sha256, "strip", {}, "bea")
    assert same.sha256 == second.sha256, "nothing is left to strip: the program is itself"
    assert len(office.told("program.transformed")) == 2


async def test_a_preview_stores_nothing(office: Office) -> None:
    parent = await office.upload()
    shown = await office.transforming.preview(parent.sha256, "restart", RESTART)
    assert any(line.text == "G28 X Y" for line in shown.lines)
    assert (
        sum(path.is_file() for path in office.blobs.root.rglob("*")) == 1 and office.told("program.transformed") == []
    )


async def test_what_is_refused_leaves_nothing(office: Office) -> None:
    parent = await office.upload()
    refused: list[tuple[str, dict[str, object], type[Exception]]] = [
        ("restart", {"layer": 3}, UsageError),
        ("restart", {"line": 1, "z_strategy": "trust"}, CannotTransform),
        ("melt", {}, UsageError),
        ("strip", {"colour": 1}, UsageError),
    ]
    for name, parameters, kind in refused:
        with pytest.raises(kind):
            await office.transforming.transform(parent.sha256, name, parameters, "bea")
    with pytest.raises(NotFound):
        await office.transforming.transform("abcdef", "strip", {}, "bea")
    assert sum(path.is_file() for path in office.blobs.root.rglob("*")) == 1


async def test_i4_a_damaged_parent_is_not_transformed(office: Office) -> None:
    parent = await office.upload()
    path = office.blobs.path(parent.sha256)
    path.chmod(0o640)
    path.write_bytes(PRINT.replace(b"S215", b"S999"))
    with pytest.raises(ProgramChanged, match="damaged"):
        await office.transforming.transform(parent.sha256, "strip", {}, "bea")
    assert sum(each.is_file() for each in office.blobs.root.rglob("*")) == 1


async def test_files_are_read_and_written_off_the_loop(office: Office) -> None:
    parent = await office.upload()
    before = office.threads
    await office.transforming.transform(parent.sha256, "strip", {}, "bea")
    assert office.threads == before + 1
