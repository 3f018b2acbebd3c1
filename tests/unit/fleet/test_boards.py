"""Which board a machine has on record: learned by itself, changed by a person only."""

from __future__ import annotations

import pytest

from fleetctl.errors import Conflict
from fleetctl.fleet.boards import confirm_board
from fleetctl.fleet.connection import assignment
from fleetctl.model.board import Board
from fleetctl.model.machine import Clearance, Link
from fleetctl.model.messages import Assign
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.fleet.conftest import Book
from tests.unit.fleet.desk import desk_of, until

OLD, NEW = Board(uuid="old", model="Ender"), Board(uuid="new", model="Ender")


def test_the_first_board_that_answers_is_on_record_and_goes_to_the_agent(book: Book) -> None:
    machine = book.machine_says(book.machine(), board=Board(model="Ender"))
    machine = book.machine_says(machine, board=OLD)
    assert machine.board == OLD
    assert assignment(machine).board == OLD
    assert book.machine_says(machine).board == OLD  # a report that knows no board says nothing against it


def test_another_board_stands_beside_the_record_and_is_an_event_once(book: Book) -> None:
    machine = book.machine_says(book.machine(), board=OLD)
    for _ in range(2):
        machine = book.machine_says(machine, board=NEW, link=Link.OFFLINE, reason="Another board answers.")
    assert (machine.board, machine.board_answered) == (OLD, NEW)
    assert book.kinds().count("machine.board_refused") == 1
    machine = book.machine_says(machine, board=OLD)
    assert machine.board_answered == OLD


def test_a_person_confirms_what_answered_and_the_machine_is_uncleared(book: Book) -> None:
    machine = book.machine_says(book.machine(), board=OLD)
    with pytest.raises(Conflict, match="nothing to confirm"):
        book.change(lambda conn, stamp: confirm_board(conn, machine, stamp))
    machine = book.machine_says(machine, board=NEW, link=Link.OFFLINE)
    assert machine.facts.clearance is Clearance.CLEAR
    book.change(lambda conn, stamp: confirm_board(conn, machine, stamp))
    machine = book.again(machine)
    assert (machine.board, machine.facts.clearance) == (NEW, Clearance.UNCLEARED)
    assert "machine.board_confirmed" in book.kinds()


@under_virtual_clock()
async def test_a_confirmation_reaches_the_agent_at_once(book: Book) -> None:
    machine = book.machine_says(book.machine(), board=OLD)
    book.machine_says(machine, board=NEW, link=Link.OFFLINE)
    async with desk_of(book) as desk:
        await desk.connected()
        assert book.again(machine).board == OLD
        await desk.machines.confirm_board("K1", "tester")
        await until(lambda: desk.agent.of(Assign))
        assert desk.agent.of(Assign)[-1].machines[0].board == NEW


@under_virtual_clock()
async def test_a_machine_that_ran_can_be_plugged_in_elsewhere_and_keeps_its_board(book: Book) -> None:
    machine = book.machine_says(book.machine(), board=OLD)
    book.machine("K2")
    async with desk_of(book) as desk:
        await desk.connected()
        await desk.machines.set_port("K1", "tcp://h:1", {"dtr": "off", "baud": "9600"}, "tester")
        await desk.machines.set_port("K1", "", {"baud": ""}, "tester")
        await until(lambda: desk.agent.of(Assign) and desk.agent.of(Assign)[-1].machines[0].options == {"dtr": "off"})
        told = desk.agent.of(Assign)[-1].machines[0]
        assert (told.port, told.board) == ("tcp://h:1", OLD)
        with pytest.raises(Conflict, match="belongs to K1"):
            await desk.machines.set_port("K2", "socket://H:1", {}, "tester")
        await desk.machines.set_port("K1", "telnet://h:1", {}, "tester")  # its own device under another name
        assert book.again(machine).port == "telnet://h:1"
    assert book.kinds().count("machine.port") == 3


@under_virtual_clock()
async def test_a_machine_at_work_stays_where_it_is(book: Book) -> None:
    book.job()
    machine = book.machine()
    book.dispatch()
    async with desk_of(book) as desk:
        with pytest.raises(Conflict, match="has an active run"):
            await desk.machines.set_port("K1", "tcp://h:1", {}, "tester")
    assert book.again(machine).port == machine.port
