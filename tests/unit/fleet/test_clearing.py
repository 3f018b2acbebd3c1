"""Clearing: a person says that the bed is clear, and what became of the parts (I3)."""

from __future__ import annotations

import pytest

from fleetctl.errors import Conflict, UsageError
from fleetctl.fleet.clearing import clear_machine
from fleetctl.model.job import JobState, Tally
from fleetctl.model.machine import Clearance, Machine
from fleetctl.model.run import RunState
from fleetctl.store import machines
from tests.unit.fleet.conftest import Book


def clear(book: Book, machine: Machine, good: int | None = None, bad: tuple[str, ...] = ()) -> None:
    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, machine.id), good, frozenset(bad), stamp))


def test_without_a_count_the_parts_are_left_to_the_checks(book: Book) -> None:
    job = book.job()
    machine = book.machine()
    book.finish(book.dispatch()[0])
    clear(book, machine)
    assert book.again(machine).facts.clearance is Clearance.CLEAR
    assert book.tally(job) == Tally(running=1)


def test_the_person_counts(book: Book) -> None:
    job = book.job(quantity=4, yield_parts=4)
    machine = book.machine()
    book.finish(book.dispatch()[0])
    clear(book, machine, good=3)
    assert book.tally(job) == Tally(good=3, scrap=1)
    assert book.again(job).state is JobState.ACTIVE
    assert [plan.places for plan in book.plan()] == [(4, None, None, None)]


def test_named_parts_are_scrap(book: Book) -> None:
    job = book.job(quantity=3, yield_parts=3)
    machine = book.machine()
    book.finish(book.dispatch()[0])
    bad = book.parts(job)[1].code
    clear(book, machine, good=2, bad=(bad,))
    assert [part.state.value for part in book.parts(job)] == ["good", "scrap", "good"]


def test_more_good_parts_than_there_are_is_an_error_and_changes_nothing(book: Book) -> None:
    job = book.job()
    machine = book.machine()
    book.finish(book.dispatch()[0])
    before = book.kinds()
    with pytest.raises(UsageError, match="There is 1 part; 2"):
        clear(book, machine, good=2)
    assert book.kinds() == before
    assert book.tally(job) == Tally(running=1)


def test_a_bad_part_that_does_not_lie_there_is_an_error_and_changes_nothing(book: Book) -> None:
    job = book.job()
    machine = book.machine()
    book.finish(book.dispatch()[0])
    before = book.kinds()
    with pytest.raises(Conflict, match=r"P-09999 does not lie on .*; on it: P-"):
        clear(book, machine, bad=("P-09999",))
    assert book.kinds() == before
    assert book.again(machine).facts.clearance is Clearance.UNCLEARED
    assert book.tally(job) == Tally(running=1)


def test_an_active_run_cannot_be_cleared_away(book: Book) -> None:
    book.job()
    machine = book.machine()
    book.report(book.dispatch()[0], RunState.RUNNING)
    with pytest.raises(Conflict, match="active run"):
        clear(book, machine)


def test_clearing_settles_an_interrupted_run_and_the_shortfall_is_queued_again(book: Book) -> None:
    job = book.job(quantity=2, yield_parts=2)
    machine = book.machine()
    run = book.report(book.dispatch()[0], RunState.RUNNING)
    run = book.report(run, RunState.INTERRUPTED)
    assert book.plan() == []
    clear(book, machine)
    assert book.again(run).settled
    assert book.tally(job) == Tally(scrap=2)
    assert [plan.places for plan in book.plan()] == [(1, 2)]


def test_good_parts_of_an_interrupted_run_count(book: Book) -> None:
    job = book.job(quantity=2, yield_parts=2)
    machine = book.machine()
    run = book.report(book.dispatch()[0], RunState.RUNNING)
    book.report(run, RunState.INTERRUPTED)
    clear(book, machine, good=1)
    assert book.tally(job) == Tally(good=1, scrap=1)


def test_clearing_twice_changes_nothing_the_second_time(book: Book) -> None:
    book.job()
    machine = book.machine()
    book.finish(book.dispatch()[0])
    clear(book, machine, good=1)
    before = book.kinds()
    clear(book, machine)
    assert book.kinds() == before
