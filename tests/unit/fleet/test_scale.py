"""A room of many machines with a long past: what a decision or a page reads does not grow with the past.

Counted, not timed: statements sent to the database, and whether it can answer each by an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from fleetctl.fleet import todo
from fleetctl.fleet.changes import Stamp
from fleetctl.fleet.gate import PORTION, Gate
from fleetctl.fleet.moment import Moment
from fleetctl.fleet.shapes import MachineShape
from fleetctl.fleet.situation import read_situation_of
from fleetctl.model.machine import Machine
from fleetctl.model.profile import Setup
from fleetctl.model.run import RunState
from fleetctl.scheduling.situation import Situation
from fleetctl.store import events, machines, parts, runs
from tests.unit.fleet.conftest import AGENT, Book

GROWING = ("runs", "parts", "events", "results")
"""Tables that keep the past."""

ACTIVE_ONLY = "USING INDEX uq_runs_machine_active"
"""This index holds one run of each machine at most, so all of it may be read."""


@contextmanager
def statements(book: Book) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database meanwhile."""
    sent: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    sa.event.listen(book.database.read_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(book.database.read_engine, "before_cursor_execute", note)


def whole_floor(moment: Moment) -> None:
    moment.machines()
    moment.jobs([item.job for item in moment.situation.jobs])
    moment.runs(list(moment.situation.active.values()))
    todo.items(moment)


def read(book: Book, look: Callable[[Moment], object]) -> None:
    situation = book.situation()
    book.look(lambda conn: look(Moment(conn, situation, {})))


def test_what_is_read_with_every_decision_is_found_by_an_index(book: Book) -> None:
    book.job(quantity=9)
    for name in ("K1", "K2", "K3"):
        book.machine(name)
    done, *_ = book.dispatch()
    book.finish(done)
    with statements(book) as sent:
        book.situation()
        read(book, whole_floor)
        book.look(lambda conn: runs.find(conn, machine_id="machine-K1", limit=20))
        book.look(lambda conn: runs.find(conn, machine_id="machine-K1", active_only=True))
        book.look(lambda conn: runs.find(conn, job_id=done.job_id))
        book.look(lambda conn: runs.find(conn, active_only=True))
        book.look(lambda conn: parts.of_job(conn, done.job_id))
    assert len(sent) > 10
    for statement, parameters in sent:
        plan = book.look(lambda conn, s=statement, p=parameters: _plan(conn, s, p))
        whole = [step for step in plan if any(step.startswith(f"SCAN {table}") for table in GROWING)]
        assert not [step for step in whole if ACTIVE_ONLY not in step], (statement, plan)


@pytest.mark.parametrize(
    ("look", "by"),
    [
        (lambda conn: runs.find(conn, limit=20), "ix_runs_created_s_id"),
        (lambda conn: events.about(conn, "K1", 20), "ix_events_subject_sequence"),
        (lambda conn: events.of_kinds(conn, "K1", ("machine.probed",), 20_000), "ix_events_subject_sequence"),
    ],
    ids=["runs", "events of a subject", "measurements"],
)
def test_what_is_listed_newest_first_is_read_from_its_newest_end(
    book: Book, look: Callable[[sa.Connection], object], by: str
) -> None:
    """No sorting of the whole past, and no look at what others did."""
    with statements(book) as sent:
        book.look(look)
    statement, parameters = sent[-1]
    plan = book.look(lambda conn: _plan(conn, statement, parameters))
    assert any(f"USING INDEX {by}" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


def _plan(conn: sa.Connection, statement: str, parameters: Any) -> list[str]:
    return [str(row[3]) for row in conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)]


def statements_for(book: Book, machine_count: int, look: Callable[[Moment], object]) -> int:
    known = len(book.look(machines.every))
    for number in range(known, machine_count):
        book.machine(f"N{number}")
    with statements(book) as sent:
        read(book, look)
    return len(sent)


def test_a_decision_takes_the_same_statements_for_any_number_of_ready_machines(book: Book) -> None:
    book.job(quantity=40)
    few = statements_for(book, 3, lambda moment: None)
    assert statements_for(book, 30, lambda moment: None) == few


def worked(book: Book, names: list[str]) -> None:
    """Machines in all states that a floor shows: a third runs, a third finished and is not cleared, a third is free;
    and one run was interrupted."""
    for name in names:
        book.machine(name)
    claimed = {run.machine_id: run for run in book.dispatch()}
    for number, name in enumerate(names):
        run = claimed[f"machine-{name}"]
        if number % 3 == 0:
            book.finish(run)
            continue
        book.report(run, RunState.PREPARING, started=False)
        if number % 3 == 1:
            book.report(run, RunState.RUNNING)
        else:
            book.report(run, RunState.CANCELLED, started=False)


def test_the_floor_takes_the_same_statements_for_any_number_of_machines(book: Book) -> None:
    counts = []
    for begin, end in ((0, 9), (9, 36)):
        for number in range(begin, end):
            book.job(quantity=1, title=f"job {number}")
        worked(book, [f"N{number}" for number in range(begin, end)])
        with statements(book) as sent:
            read(book, whole_floor)
        counts.append(len(sent))
    assert counts[0] == counts[1]


def test_a_list_says_the_same_of_each_thing_as_when_it_is_asked_for_alone(book: Book) -> None:
    """What is read ahead for many, and what is read for one machine without the rest of the site."""
    for number in range(6):
        book.job(quantity=2, title=f"job {number}")
    names = [f"N{number}" for number in range(9)]
    worked(book, names)
    last = book.look(runs.active)[-1]
    book.report(last, RunState.INTERRUPTED, reason="the link was lost")
    situation = book.situation()
    assert situation.to_clear and situation.active and situation.unsettled
    whole = book.look(lambda conn: Moment(conn, situation, {}).machines())
    assert {shape.word for shape in whole} >= {"uncleared", "ready"}
    for shape in whole:
        assert shape == book.look(alone, shape.name, situation.now_s)
    jobs_ = [item.job for item in situation.jobs]
    assert book.look(lambda conn: Moment(conn, situation, {}).jobs(jobs_)) == [
        book.look(lambda conn, job=job: Moment(conn, situation, {}).job(job)) for job in jobs_
    ]
    found = book.look(runs.find)
    assert book.look(lambda conn: Moment(conn, situation, {}).runs(found)) == [
        book.look(lambda conn, run=run: Moment(conn, situation, {}).run(run)) for run in found
    ]


def alone(conn: sa.Connection, name: str, now_s: float) -> MachineShape:
    machine = machines.named(conn, name)
    return Moment(conn, read_situation_of(conn, machine, now_s, frozenset({AGENT})), {}).machine(machine)


def test_parts_of_a_job_take_the_same_statements_for_any_number(book: Book) -> None:
    job = book.job(quantity=12)
    machine = book.machine("K1")
    counts = []
    for _ in range(2):
        for _ in range(4):
            [run] = book.dispatch()
            book.finish(run)
            book.change(lambda conn, stamp: _cleared(conn, machine, stamp))
        with statements(book) as sent:
            read(book, lambda moment: moment.parts(parts.of_job(moment.conn, job.id)))
        counts.append(len(sent))
    assert counts[0] == counts[1]


def _cleared(conn: sa.Connection, machine: Machine, stamp: Stamp) -> None:
    found = machines.get(conn, machine.id)
    machines.set_facts(conn, found, machine.facts, stamp.at_s)


class CountingRecord:
    """The record of the book, with its changes counted."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.changes = 0

    def now_s(self) -> float:
        return 1_800_000_000.0

    async def look(self, unit: Callable[..., Any]) -> Any:
        return self._book.look(unit)

    async def change(self, actor: str, unit: Callable[..., Any]) -> Any:
        self.changes += 1
        return self._book.change(unit, actor=actor)


async def test_the_gate_is_asked_of_sixty_machines_in_a_few_commits(book: Book) -> None:
    for number in range(60):
        book.machine(f"N{number}", setup=Setup(material=f"spool {number}"))
    book.job()
    record = CountingRecord(book)
    gate = Gate(record)  # type: ignore[arg-type]
    situation: Situation = book.situation()
    assert await gate.fill(situation)
    assert record.changes == 60 / PORTION
    assert len(book.situation().fits) == 60
    assert not await gate.fill(book.situation())


@pytest.mark.parametrize("settled", [False, True])
def test_a_machine_where_two_runs_failed_is_found_among_many(book: Book, settled: bool) -> None:
    book.job(quantity=9)
    machine = book.machine("K1")
    for _ in range(2):
        [run] = book.dispatch()
        book.report(run, RunState.PREPARING, started=False)
        book.report(run, RunState.RUNNING)
        book.report(run, RunState.FAILED, reason="jam")
        book.change(lambda conn, stamp: _cleared(conn, machine, stamp))
    if settled:
        book.change(lambda conn, stamp: runs.settle_failed(conn, machine.id))
    assert bool(book.situation().blocked) is not settled
