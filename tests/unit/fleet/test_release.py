"""Only a held job can be released; a finished one becomes active only when a part of it is not good any more (I3)."""

from __future__ import annotations

import pytest

from fleetctl.errors import Conflict
from fleetctl.fleet.clearing import clear_machine
from fleetctl.model.job import JobState
from fleetctl.store import jobs, machines
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.fleet.conftest import Book
from tests.unit.fleet.desk import desk_of


@under_virtual_clock()
async def test_i3_a_finished_job_is_not_opened_by_a_release(book: Book) -> None:
    job = book.job(quantity=1)
    machine = book.machine()
    book.finish(book.dispatch()[0])
    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, machine.id), 1, frozenset(), stamp))
    assert book.look(jobs.get, job.id).state is JobState.DONE
    async with desk_of(book) as desk:
        with pytest.raises(Conflict, match="is done, not held"):
            await desk.jobs.release(job.code, "tester")
    assert book.look(jobs.get, job.id).state is JobState.DONE


@under_virtual_clock()
async def test_a_held_job_is_released(book: Book) -> None:
    job = book.job()
    async with desk_of(book) as desk:
        await desk.jobs.hold(job.code, "not now", "tester")
        await desk.jobs.release(job.code, "tester")
        with pytest.raises(Conflict, match="is queued, not held"):
            await desk.jobs.release(job.code, "tester")
    assert book.look(jobs.get, job.id).state is JobState.QUEUED
