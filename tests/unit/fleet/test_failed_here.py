"""A program that failed twice in a row on a machine stays away from it until a person has looked."""

from __future__ import annotations

from fleetctl.fleet.clearing import clear_machine
from fleetctl.model.run import Run, RunState
from fleetctl.scheduling.why import why_job
from fleetctl.store import machines, runs
from tests.unit.fleet.conftest import Book


def clear(book: Book, run: Run) -> None:
    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, run.machine_id), None, frozenset(), stamp))


def fail(book: Book) -> Run:
    """One more run on the one machine that faults in the middle; the machine is cleared afterwards."""
    (run,) = book.dispatch()
    for state in (RunState.PREPARING, RunState.RUNNING, RunState.FAILED):
        run = book.report(run, state, started=state is not RunState.PREPARING)
    clear(book, run)
    return run


def test_two_failures_block_until_a_person_has_looked_and_the_sentence_says_so(book: Book) -> None:
    book.job()
    machine = book.machine()
    fail(book)
    assert not book.situation().blocked
    fail(book)
    now = book.situation()
    assert now.blocked == {(machine.id, now.jobs[0].job.program_sha256)}
    assert book.plan() == []
    reason = why_job(now.jobs[0], now)
    assert reason is not None
    assert "look at it" in reason.sentence
    assert reason.action is not None
    assert (reason.action.target, reason.action.verb) == ("machines/K1", "service")
    settled = book.change(lambda conn, stamp: runs.settle_failed(conn, machine.id))
    assert len(settled) == 2
    assert not book.situation().blocked
    assert len(book.plan()) == 1


def test_after_the_look_it_takes_two_more_failures(book: Book) -> None:
    book.job()
    machine = book.machine()
    fail(book)
    fail(book)
    book.change(lambda conn, stamp: runs.settle_failed(conn, machine.id))
    fail(book)
    assert not book.situation().blocked


def test_a_run_that_did_not_fail_breaks_the_row(book: Book) -> None:
    book.job()
    book.machine()
    fail(book)
    (run,) = book.dispatch()
    clear(book, book.finish(run))
    fail(book)
    assert not book.situation().blocked


def test_the_last_run_that_began_is_found_behind_many_that_did_not(book: Book) -> None:
    book.job()
    machine = book.machine()
    begun = fail(book)
    for _ in range(12):
        (run,) = book.dispatch()
        book.report(run, RunState.CANCELLED, started=False)
    found = book.look(runs.last_started, machine.id)
    assert found is not None
    assert found.id == begun.id
