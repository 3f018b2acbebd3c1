"""The claim: everything is taken in one transaction, and the database itself refuses a double (I1, I2, I3)."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa

from fleetctl.errors import Conflict, LatchClosed, PlaceTaken
from fleetctl.model.job import JobState
from fleetctl.model.machine import Clearance
from fleetctl.model.messages import Start, decode_to_agent
from fleetctl.model.part import PartState
from fleetctl.model.profile import Setup
from fleetctl.model.run import RunState
from fleetctl.store import machines, parts, runs, settings
from fleetctl.store.settings import Stop
from fleetctl.store.tables import runs as runs_table
from tests.unit.fleet.conftest import AGENT, Book


def test_a_claim_takes_machine_and_places_and_keeps_the_start_command(book: Book) -> None:
    job = book.job(quantity=3)
    machine = book.machine()
    [run] = book.dispatch()
    assert run.state is RunState.CLAIMED
    [part] = book.parts(job)
    assert (part.place, part.state, part.run_id) == (1, PartState.PLANNED, run.id)
    assert book.again(job).state is JobState.ACTIVE
    [command] = book.look(runs.pending_commands, AGENT)
    start = decode_to_agent(command.message)
    assert isinstance(start, Start)
    assert (start.run_id, start.machine_id, start.program_sha256) == (run.id, machine.id, job.program_sha256)
    assert book.kinds()[-3:] == ["run.claimed", "part.planned", "job.active"]


def test_i3_a_plate_creates_its_parts_at_the_claim_and_marks_what_is_too_many_as_surplus(book: Book) -> None:
    job = book.job(quantity=3, yield_parts=4)
    book.machine()
    book.dispatch()
    assert [part.place for part in book.parts(job)] == [1, 2, 3, None]


def test_two_machines_share_a_job_without_sharing_a_place(book: Book) -> None:
    job = book.job(quantity=5, yield_parts=2)
    book.machine("K1")
    book.machine("K2")
    assert len(book.dispatch()) == 2
    assert [part.place for part in book.parts(job)] == [1, 2, 3, 4]


def test_i1_the_database_refuses_a_second_active_run_of_a_machine(book: Book) -> None:
    book.job()
    book.machine()
    [plan] = book.plan()
    book.claim(plan)
    with pytest.raises(PlaceTaken):
        book.claim(plan)
    assert len(book.look(runs.active)) == 1


def test_i1_the_database_refuses_a_second_live_part_in_a_place(book: Book) -> None:
    job = book.job()
    book.machine("K1")
    book.machine("K2")
    first, second = book.plan()
    book.claim(first)
    with pytest.raises(PlaceTaken):
        book.claim(msgspec.structs.replace(second, places=first.places))
    assert len(book.parts(job)) == 1
    assert len(book.look(runs.active)) == 1, "a refused claim leaves nothing behind"


def test_i1_the_index_and_not_the_code_is_what_refuses(book: Book) -> None:
    book.job()
    book.machine()
    [plan] = book.plan()
    run = book.claim(plan)
    with book.database.write() as conn, pytest.raises(sa.exc.IntegrityError):
        row = conn.execute(sa.select(runs_table).where(runs_table.c.id == run.id)).mappings().one()
        conn.execute(runs_table.insert(), {**row, "id": "another", "code": "R-9999"})


def test_i2_a_machine_that_is_not_ready_any_more_gets_no_run(book: Book) -> None:
    book.job()
    machine = book.machine()
    [plan] = book.plan()
    uncleared = msgspec.structs.replace(machine.facts, clearance=Clearance.UNCLEARED)
    book.change(lambda conn, stamp: machines.set_facts(conn, machine, uncleared, stamp.at_s))
    with pytest.raises(Conflict, match="nobody has confirmed"):
        book.claim(plan)


def test_i2_another_set_up_voids_the_pass(book: Book) -> None:
    book.job()
    machine = book.machine()
    [plan] = book.plan()
    book.change(lambda conn, stamp: machines.set_setup(conn, machine, Setup(nozzle_mm=0.6)))
    with pytest.raises(Conflict, match="not set up any more"):
        book.claim(plan)


def test_i2_another_rule_set_voids_the_pass(book: Book) -> None:
    book.job()
    book.machine()
    [plan] = book.plan()
    from fleetctl.fleet.claims import claim

    with pytest.raises(Conflict, match="not set up any more"):
        book.change(claim, plan, "another rule set")


def test_i15_nothing_is_claimed_while_everything_is_stopped(book: Book) -> None:
    book.job()
    book.machine()
    [plan] = book.plan()
    book.change(lambda conn, stamp: settings.set_stop(conn, Stop(stopped=True, stop_id="s")))
    assert book.plan() == []
    with pytest.raises(LatchClosed):
        book.claim(plan)


def test_a_job_that_was_held_meanwhile_gets_no_run(book: Book) -> None:
    job = book.job()
    book.machine()
    [plan] = book.plan()
    from fleetctl.fleet.changes import job_to

    book.change(job_to, job, JobState.HELD)
    with pytest.raises(Conflict, match="held"):
        book.claim(plan)
    assert book.look(parts.of_job, job.id) == []
