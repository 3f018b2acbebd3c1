"""Parts that were made and that no check has an opinion of: somebody must be told (I10)."""

from __future__ import annotations

from fleetctl.fleet.clearing import clear_machine
from fleetctl.fleet.situation import NOBODY_ASSESSES_AFTER_S, read_situation
from fleetctl.scheduling.reason import Need
from fleetctl.scheduling.why import why_job
from fleetctl.store import machines, parts
from tests.unit.fleet.conftest import AGENT, Book

LONG_AFTER_S = 1_800_001_000.0


def test_a_part_without_a_word_is_explained_once_every_check_had_its_time(book: Book) -> None:
    book.job(quantity=1)
    machine = book.machine()
    run = book.finish(book.dispatch()[0])
    assert run.ended_s is not None
    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, machine.id), None, frozenset(), stamp))
    soon = book.look(read_situation, run.ended_s + NOBODY_ASSESSES_AFTER_S, frozenset({AGENT}))
    later = book.look(read_situation, run.ended_s + NOBODY_ASSESSES_AFTER_S + 1, frozenset({AGENT}))
    for now, code, need in ((soon, "being-made", Need.NOBODY), (later, "parts-unassessed", Need.PERSON)):
        reason = why_job(now.jobs[0], now)
        assert reason is not None
        assert (reason.code, reason.need) == (code, need)
    assert "a person must say" in reason.sentence


def test_a_part_with_a_result_waits_for_nobody(book: Book) -> None:
    job = book.job(quantity=1)
    machine = book.machine()
    book.finish(book.dispatch()[0])
    assert [part.job_id for part in book.look(parts.unassessed, LONG_AFTER_S)] == [job.id]
    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, machine.id), 1, frozenset(), stamp))
    assert book.look(parts.unassessed, LONG_AFTER_S) == []
