"""When readings count as old: by when the firmware told them, not by when progress was."""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.fleet.moment import STALE_AFTER_S, Moment
from fleetctl.fleet.shapes import MachineShape
from fleetctl.model.messages import TelemetryReport
from fleetctl.store import machines
from tests.unit.fleet.conftest import Book


def shown(book: Book, read_at_s: float) -> MachineShape:
    situation = book.situation()
    machine_id = book.look(machines.named, "K1").id
    told = TelemetryReport(
        machine_id=machine_id, at_s=situation.now_s, read_at_s=read_at_s, temperatures_degc={"T0": (200.0, 210.0)}
    )

    def read(conn: sa.Connection) -> MachineShape:
        return Moment(conn, situation, {"K1": told}).machine(machines.named(conn, "K1"))

    return book.look(read)


def test_by_the_time_at_which_the_firmware_told_them(book: Book) -> None:
    book.machine("K1")
    now_s = book.situation().now_s
    fresh, old = shown(book, now_s - STALE_AFTER_S), shown(book, now_s - STALE_AFTER_S - 1.0)
    assert (fresh.readings_stale, fresh.readings_at_s) == (False, now_s - STALE_AFTER_S)
    assert old.readings_stale and old.telemetry_at_s == now_s, "progress is no reading"
    assert shown(book, 0.0).readings_at_s is None
