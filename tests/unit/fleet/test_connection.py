"""What a connecting agent means for the record: adoption, lost journals, stops that nobody may forget (I15)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from fleetctl.fleet.connection import disconnected, hello, lost, stop_due, welcomed
from fleetctl.model.machine import Clearance, Link
from fleetctl.model.messages import PROTOCOL_VERSION, Welcome
from fleetctl.model.messages import Release as ReleaseMessage
from fleetctl.model.messages import Stop as StopMessage
from fleetctl.model.part import PartState
from fleetctl.model.run import Run, RunState
from fleetctl.store import machines, parts, runs, settings
from fleetctl.store.settings import Stop
from tests.unit.fleet.conftest import AGENT, Book


def greet(book: Book, **values: Any) -> list[str]:
    welcome = Welcome(
        **{
            "protocol_version": PROTOCOL_VERSION,
            "agent": AGENT,
            "journal_id": "journal-1",
            "boot_id": "boot",
            "version": "0",
            "pid": 1,
            "active_runs": (),
            "last_sequence": book.look(machines.last_sequence, AGENT),
            **values,
        }
    )
    return book.change(welcomed, welcome, actor="agent")


def press(book: Book, stop: Stop) -> None:
    book.change(lambda conn, stamp: settings.set_stop(conn, stop))


def running(book: Book) -> Run:
    book.job()
    book.machine()
    [run] = book.dispatch()
    return book.report(book.report(run, RunState.PREPARING, started=False), RunState.RUNNING)


def test_a_run_that_the_agent_still_holds_is_adopted(book: Book) -> None:
    run = running(book)
    assert greet(book, active_runs=(run.id,)) == []
    assert book.again(run).state is RunState.RUNNING


def test_a_run_whose_start_is_still_on_its_way_is_not_lost(book: Book) -> None:
    book.job()
    book.machine()
    [run] = book.dispatch()
    assert greet(book) == []
    assert book.again(run).state is RunState.CLAIMED
    assert len(book.look(runs.pending_commands, AGENT)) == 1


def test_a_run_that_the_agent_no_longer_knows_is_interrupted_once_its_reports_are_in(book: Book) -> None:
    run = running(book)
    missing = greet(book, last_sequence=2)
    assert missing == [run.id]
    assert book.again(run).state is RunState.RUNNING, "a report to come may still tell how it ended"
    book.change(lost, missing)
    assert book.again(run).state is RunState.INTERRUPTED


def test_a_run_that_a_late_report_ended_is_not_interrupted_afterwards(book: Book) -> None:
    run = running(book)
    missing = greet(book, last_sequence=3)
    book.report(run, RunState.FINISHED)
    book.change(lost, missing)
    assert book.again(run).state is RunState.FINISHED


def test_a_new_journal_knows_nothing_so_every_active_run_is_interrupted_and_nothing_is_sent_again(book: Book) -> None:
    """A start that is sent to an agent that forgot it had begun would make the part twice."""
    book.job()
    machine = book.machine()
    [run] = book.dispatch()
    book.machine_says(machine)
    assert greet(book, journal_id="journal-2") == []
    assert book.again(run).state is RunState.INTERRUPTED
    assert book.look(runs.pending_commands, AGENT) == []
    assert book.again(machine).facts.clearance is Clearance.UNCLEARED
    [part] = book.look(parts.of_run, run.id)
    assert part.state is PartState.HOLD
    assert book.look(machines.last_sequence, AGENT) == 0


def test_i15_a_stop_that_only_the_agent_knows_is_taken_over(book: Book) -> None:
    greet(book, stop_id="stop-9")
    assert book.look(settings.stop).stopped
    assert book.look(settings.stop).stop_id == "stop-9"
    assert "stop.pressed" in book.kinds()


def test_i15_a_stop_that_a_person_released_meanwhile_stays_released(book: Book) -> None:
    press(book, Stop(stopped=False, stop_id="stop-9"))
    greet(book, stop_id="stop-9")
    assert not book.look(settings.stop).stopped
    assert book.look(partial(stop_due, "stop-9")) == ReleaseMessage(command_id="stop-9")


def test_i15_the_agent_is_told_of_a_stop_that_it_missed(book: Book) -> None:
    press(book, Stop(stopped=True, stop_id="stop-9"))
    assert book.look(hello, AGENT, "site").stop_id == "stop-9"
    press(book, Stop(stopped=False, stop_id="stop-9"))
    assert book.look(hello, AGENT, "site").stop_id == ""


@pytest.mark.parametrize(
    ("stopped", "held", "due"),
    [
        (True, "", StopMessage(command_id="stop-9")),
        (True, "stop-8", StopMessage(command_id="stop-9")),
        (True, "stop-9", None),
        (False, "stop-9", ReleaseMessage(command_id="stop-9")),
        (False, "", None),
        (False, "stop-10", None),
    ],
)
def test_i15_what_an_agent_must_be_told_of_the_stop(book: Book, stopped: bool, held: str, due: object) -> None:
    press(book, Stop(stopped=stopped, stop_id="stop-9"))
    assert book.look(partial(stop_due, held)) == due


def test_a_journal_older_than_the_record_is_taken_for_a_new_one(book: Book) -> None:
    """Its numbers were used before: taken for repetitions, all that it reports would be lost."""
    run = running(book)
    book.change(lambda conn, stamp: machines.set_last_sequence(conn, AGENT, 5000))
    assert greet(book, last_sequence=4000) == []
    assert book.again(run).state is RunState.INTERRUPTED
    assert book.look(machines.last_sequence, AGENT) == 0


def test_the_agent_is_told_which_machines_it_holds_and_what_is_on_record_of_them(book: Book) -> None:
    machine = book.machine()
    [told] = book.look(hello, AGENT, "site").machines
    assert (told.machine_id, told.name, told.port, told.unattended) == (machine.id, "K1", machine.port, False)


def test_nobody_sees_the_machines_of_an_agent_that_is_gone(book: Book) -> None:
    machine = book.machine()
    book.change(lambda conn, stamp: disconnected(conn, AGENT, stamp))
    facts = book.again(machine).facts
    assert (facts.link, facts.reason) == (Link.OFFLINE, "the agent does not answer")
    assert facts.clearance is Clearance.CLEAR, "what a person said stays said"
