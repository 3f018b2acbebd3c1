"""A controller whose store cannot be written at the start waits for it instead of dying (I5)."""

from __future__ import annotations

import asyncio
import random

from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.record import Record
from fleetctl.store import events, migrate
from fleetctl.store.database import Database
from fleetctl.store.reader import InlineReader, read_once
from fleetctl.store.writer import CommitFaults, InlineWriter
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock


class FullDisk(CommitFaults):
    """The first three COMMITs fail."""

    def __init__(self) -> None:
        self.left = 3

    def before_commit(self) -> None:
        if self.left:
            self.left -= 1
            raise StoreUnavailable("the disk is full")


@under_virtual_clock()
async def test_the_start_waits_for_the_store() -> None:
    database = Database.open("sqlite://")
    migrate.upgrade(database)
    chance = random.Random(1)
    writer = InlineWriter(database, chance=chance, faults=FullDisk())
    record = Record(writer, InlineReader(database, chance=chance), VirtualClock(), lambda: "id")
    controller = object.__new__(Controller)
    object.__setattr__(controller, "record", record)
    await asyncio.wait_for(controller._begin(), 60.0)
    assert [event.kind for event in read_once(database, lambda conn: events.page(conn, 0, 10))] == ["site.started"]
    database.close()
