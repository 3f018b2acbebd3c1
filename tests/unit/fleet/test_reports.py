"""What agents report counts once, and what the end of a run means for parts and job (I3)."""

from __future__ import annotations

import pytest

from fleetctl.fleet.changes import part_to, settle_places
from fleetctl.model.job import Job, JobState, Tally
from fleetctl.model.machine import Clearance, Link, Position
from fleetctl.model.messages import RunReport
from fleetctl.model.part import PartState
from fleetctl.model.run import RunState
from fleetctl.store import machines, parts, runs
from tests.unit.fleet.conftest import AGENT, Book


def test_a_finished_run_makes_its_parts_and_leaves_the_machine_uncleared(book: Book) -> None:
    job = book.job()
    machine = book.machine()
    [run] = book.dispatch()
    assert book.finish(run).state is RunState.FINISHED
    assert [part.state for part in book.parts(job)] == [PartState.MADE]
    assert book.again(machine).facts.clearance is Clearance.UNCLEARED
    assert book.look(runs.pending_commands, AGENT) == []
    assert book.tally(job) == Tally(running=1)


def test_the_machine_is_uncleared_from_the_first_byte_on(book: Book) -> None:
    book.job()
    machine = book.machine()
    [run] = book.dispatch()
    run = book.report(run, RunState.PREPARING, started=False)
    assert book.again(machine).facts.clearance is Clearance.CLEAR
    book.report(run, RunState.RUNNING)
    assert book.again(machine).facts.clearance is Clearance.UNCLEARED


def test_a_report_counts_once(book: Book) -> None:
    book.job()
    machine = book.machine()
    [run] = book.dispatch()
    report = RunReport(sequence=1, run_id=run.id, machine_id=machine.id, state="running", started=True, at_s=0.0)
    book.agent_says(report)
    before = book.kinds()
    book.agent_says(report)
    assert book.kinds() == before
    assert book.look(machines.last_sequence, AGENT) == 1


@pytest.mark.parametrize(
    ("ending", "started", "state"),
    [
        (RunState.FINISHED, True, PartState.MADE),
        (RunState.FAILED, True, PartState.SCRAP),
        (RunState.CANCELLED, True, PartState.SCRAP),
        (RunState.INTERRUPTED, True, PartState.HOLD),
        (RunState.FAILED, False, PartState.UNMADE),
        (RunState.CANCELLED, False, PartState.UNMADE),
        (RunState.INTERRUPTED, False, PartState.UNMADE),
        (RunState.REFUSED, False, PartState.UNMADE),
    ],
)
def test_what_an_ending_means_for_the_parts(book: Book, ending: RunState, started: bool, state: PartState) -> None:
    job = book.job()
    book.machine()
    [run] = book.dispatch()
    run = book.report(run, RunState.PREPARING, started=False)
    if started:
        run = book.report(run, RunState.RUNNING)
    book.report(run, ending, started=started)
    [part] = book.parts(job)
    assert part.state is state
    assert part.live == (state in (PartState.MADE, PartState.HOLD))
    assert book.tally(job).scrap == (state is PartState.SCRAP)


def test_i3_an_interrupted_run_keeps_its_place_so_nothing_is_made_twice(book: Book) -> None:
    job = book.job(quantity=1)
    book.machine("K1")
    book.machine("K2")
    [run] = book.dispatch()
    run = book.report(run, RunState.RUNNING)
    book.report(run, RunState.INTERRUPTED)
    assert book.tally(job) == Tally(hold=1)
    assert book.plan() == [], "the other machine must not make the part again"


def test_remake_at_once_frees_the_place_at_once(book: Book) -> None:
    job = book.job(quantity=1, remake_interrupted="at_once")
    book.machine("K1")
    book.machine("K2")
    [run] = book.dispatch()
    run = book.report(run, RunState.RUNNING)
    run = book.report(run, RunState.INTERRUPTED)
    assert run.settled
    assert [plan.machine.name for plan in book.plan()] == ["K2"]
    assert book.tally(job) == Tally(scrap=1)


def test_three_failures_in_a_row_hold_the_job(book: Book) -> None:
    job = book.job(quantity=5)
    for number in range(3):
        book.machine(f"K{number}")
        run = book.dispatch()[0]
        book.report(book.report(run, RunState.RUNNING), RunState.FAILED, reason="thermal runaway")
    held = book.again(job)
    assert held.state is JobState.HELD
    assert "3 runs in a row" in held.held_reason
    assert "thermal runaway" in held.held_reason


def test_a_success_in_between_starts_the_count_again(book: Book) -> None:
    job = book.job(quantity=9)
    for number, ending in enumerate([RunState.FAILED, RunState.FAILED, RunState.FINISHED, RunState.FAILED]):
        book.machine(f"K{number}")
        run = book.report(book.dispatch()[0], RunState.RUNNING)
        book.report(run, ending)
    assert book.again(job).state is JobState.ACTIVE


def test_two_failures_keep_the_machine_from_the_program(book: Book) -> None:
    job = book.job(quantity=9)
    machine = book.machine()
    for _ in range(2):
        run = book.report(book.dispatch()[0], RunState.RUNNING)
        book.report(run, RunState.FAILED)
        clear(book, machine.id)
    assert book.situation().blocked == {(machine.id, job.program_sha256)}
    assert book.plan() == []


def clear(book: Book, machine_id: str) -> None:
    from fleetctl.fleet.clearing import clear_machine

    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, machine_id), None, frozenset(), stamp))


def make_good(book: Book, job: Job) -> None:
    def unit(conn, stamp):  # type: ignore[no-untyped-def]
        for part in parts.of_job(conn, job.id):
            if part.state is PartState.MADE:
                part_to(conn, part, PartState.GOOD, stamp)
        settle_places(conn, job.id, stamp)

    book.change(unit)


def test_i3_a_job_is_done_when_all_its_places_hold_good_parts(book: Book) -> None:
    job = book.job(quantity=2, yield_parts=2)
    book.machine()
    book.finish(book.dispatch()[0])
    assert book.again(job).state is JobState.ACTIVE
    make_good(book, job)
    assert book.again(job).state is JobState.DONE
    assert book.plan() == []


def test_i3_scrap_frees_the_place_and_good_surplus_takes_it(book: Book) -> None:
    job = book.job(quantity=3, yield_parts=4)
    book.machine()
    book.finish(book.dispatch()[0])
    make_good(book, job)
    done = book.again(job)
    assert (done.state, book.tally(job)) == (JobState.DONE, Tally(good=3, surplus=1))

    def scrap_the_second(conn, stamp):  # type: ignore[no-untyped-def]
        part_to(conn, parts.of_job(conn, job.id)[1], PartState.SCRAP, stamp)
        settle_places(conn, job.id, stamp)

    book.change(scrap_the_second)
    assert book.again(job).state is JobState.DONE
    assert book.tally(job) == Tally(good=3, scrap=1)
    assert sorted(part.place for part in book.parts(job) if part.live) == [1, 2, 3]


def test_a_late_scrap_opens_the_job_again(book: Book) -> None:
    job = book.job(quantity=1)
    machine = book.machine()
    book.finish(book.dispatch()[0])
    make_good(book, job)
    assert book.again(job).state is JobState.DONE

    def scrap(conn, stamp):  # type: ignore[no-untyped-def]
        part_to(conn, parts.of_job(conn, job.id)[0], PartState.SCRAP, stamp)
        settle_places(conn, job.id, stamp)

    book.change(scrap)
    assert book.again(job).state is JobState.ACTIVE
    clear(book, machine.id)
    assert [plan.places for plan in book.plan()] == [(1,)]


def test_a_run_that_is_not_on_record_makes_the_machine_uncleared(book: Book) -> None:
    """The record is older than the agent's journal (a restored copy): something may lie on the bed."""
    machine = book.machine()
    report = RunReport(
        sequence=1, run_id="forgotten", machine_id=machine.id, state="finished", started=True, at_s=0.0
    )
    book.agent_says(report)
    assert book.again(machine).facts.clearance is Clearance.UNCLEARED


def test_another_firmware_voids_the_pass_and_withdraws_what_has_not_begun(book: Book) -> None:
    book.job()
    machine = book.machine()
    [run] = book.dispatch()
    book.machine_says(machine, firmware="Marlin 2.1.2")
    kinds = [command.kind for command in book.look(runs.pending_commands, AGENT)]
    assert kinds == [runs.CommandKind.START, runs.CommandKind.WITHDRAW]
    ended = book.report(run, RunState.REFUSED, started=False, reason="withdrawn")
    assert ended.state is RunState.REFUSED
    assert book.look(runs.pending_commands, AGENT) == []


def test_the_link_and_the_position_come_from_the_agent_the_rest_stays(book: Book) -> None:
    machine = book.machine()
    told = book.machine_says(machine, link=Link.OFFLINE, position=Position.SUSPECT, reason="unplugged")
    assert (told.facts.link, told.facts.position, told.facts.reason) == (Link.OFFLINE, Position.SUSPECT, "unplugged")
    assert told.facts.clearance is Clearance.CLEAR


@pytest.mark.parametrize("ending", [RunState.FINISHED, RunState.FAILED, RunState.INTERRUPTED])
def test_a_part_that_a_person_scrapped_during_its_run_stays_scrap(book: Book, ending: RunState) -> None:
    """The report of the end must be applicable, or it would come again for ever."""
    job = book.job(quantity=1)
    book.machine()
    [run] = book.dispatch()
    run = book.report(run, RunState.RUNNING)
    [part] = book.parts(job)
    book.change(lambda conn, stamp: part_to(conn, part, PartState.SCRAP, stamp, "it came off the bed"))
    assert book.report(run, ending).state is ending
    assert [part.state for part in book.parts(job)] == [PartState.SCRAP]
