"""Continuing an interrupted run: a new run takes over its parts, only when a person may and asks (I2, I3, I12)."""

from __future__ import annotations

import pytest

from fleetctl.errors import Conflict, LatchClosed
from fleetctl.fleet.clearing import clear_machine
from fleetctl.fleet.continuation import continue_run, stopped_between
from fleetctl.model.job import Tally
from fleetctl.model.machine import Activity, Clearance, Link, Machine, Position
from fleetctl.model.messages import RunReport
from fleetctl.model.part import PartState
from fleetctl.model.run import Run, RunState
from fleetctl.preflight.rules import RULE_SET
from fleetctl.store import machines, runs, settings
from tests.unit.fleet.conftest import Book

REST = b"M109 S200\nG28 X Y\nG1 X60 E5 F1500\nM104 S0\nM84\n"


class Scene:
    """A job of two parts on one plate, interrupted behind line 5; the rest of its program is stored and passes."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.job = book.job(quantity=2, yield_parts=2)
        self.machine = book.machine()
        self.run = self.interrupted(book.dispatch()[0])
        self.rest = book.program(REST)
        book.pass_gate(self.machine)

    def interrupted(self, run: Run) -> Run:
        self.book.report(run, RunState.RUNNING)
        self.machine = self.book.machine_says(self.machine)
        return self.book.report(run, RunState.INTERRUPTED, reason="unplugged", line=5)

    def go_on(self, run: Run | None = None, *, seen: int | None = None) -> Run:
        code = (run or self.run).code
        return self.book.change(continue_run, code, self.rest, RULE_SET, seen)[0]

    def clearance(self) -> Clearance:
        machine: Machine = self.book.again(self.machine)
        return machine.facts.clearance


@pytest.fixture
def scene(book: Book) -> Scene:
    return Scene(book)


def test_the_new_run_names_the_old_one_and_takes_its_parts_over(scene: Scene, book: Book) -> None:
    """I3: the places stay with the same parts, which keep their codes; nothing is planned anew."""
    before = book.parts(scene.job)
    assert [part.state for part in before] == [PartState.HOLD, PartState.HOLD]
    new = scene.go_on()
    assert (new.resumes_run_id, new.program_sha256, new.state) == (scene.run.id, scene.rest, RunState.CLAIMED)
    assert book.again(scene.run).settled
    after = book.parts(scene.job)
    assert [(part.code, part.place, part.run_id, part.state) for part in after] == [
        (part.code, part.place, new.id, PartState.PLANNED) for part in before
    ]
    assert book.plan() == []
    kept = book.look(runs.pending_commands, "local")
    assert [(command.run_id, command.kind) for command in kept][-1] == (new.id, runs.CommandKind.START)


def test_when_it_finishes_the_parts_are_made_and_then_count(scene: Scene, book: Book) -> None:
    book.finish(scene.go_on())
    assert [part.state for part in book.parts(scene.job)] == [PartState.MADE, PartState.MADE]
    assert scene.clearance() is Clearance.UNCLEARED
    book.change(lambda conn, stamp: clear_machine(conn, machines.get(conn, scene.machine.id), 2, frozenset(), stamp))
    assert book.tally(scene.job) == Tally(good=2)


def test_a_continuation_that_is_refused_leaves_everything_as_it_was(scene: Scene, book: Book) -> None:
    """The parts still lie there: their places must not be given away and the bed must not count as clear."""
    new = scene.go_on()
    book.report(new, RunState.REFUSED, started=False, reason="the position of the machine is suspect")
    assert [(part.run_id, part.state) for part in book.parts(scene.job)] == [(scene.run.id, PartState.HOLD)] * 2
    assert not book.again(scene.run).settled
    assert scene.clearance() is Clearance.UNCLEARED
    assert scene.go_on().resumes_run_id == scene.run.id


def test_a_continuation_that_is_interrupted_can_be_continued_in_turn(scene: Scene, book: Book) -> None:
    second = scene.interrupted(scene.go_on())
    assert [part.run_id for part in book.parts(scene.job)] == [second.id] * 2
    third = scene.go_on(second)
    assert third.resumes_run_id == second.id
    with pytest.raises(Conflict, match=f"is continued by {second.code} already"):
        scene.go_on()


def test_it_is_not_continued_twice(scene: Scene) -> None:
    scene.go_on()
    with pytest.raises(Conflict, match="is continued by"):
        scene.go_on()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"position": Position.SUSPECT}, "position is suspect"),
        ({"link": Link.OFFLINE}, "offline"),
        ({"activity": Activity.FAULT}, "has a fault"),
        ({"activity": Activity.RUNNING}, "it is running"),
    ],
)
def test_only_on_a_ready_machine(scene: Scene, book: Book, facts: dict[str, object], said: str) -> None:
    """I2: the person's word stands for clear and for nothing else."""
    book.machine_says(scene.machine, **facts)
    before = book.kinds()
    with pytest.raises(Conflict, match=said):
        scene.go_on()
    assert book.kinds() == before and scene.clearance() is Clearance.UNCLEARED


def test_only_with_a_pass_of_the_gate_for_the_rest(scene: Scene, book: Book) -> None:
    too_hot = book.program(REST.replace(b"S200", b"S999"))
    scene.rest = too_hot
    with pytest.raises(Conflict, match="does not pass the gate"):
        scene.go_on()
    book.pass_gate(scene.machine)
    with pytest.raises(Conflict, match="does not pass the gate"):
        scene.go_on()


def test_not_while_everything_is_stopped(scene: Scene, book: Book) -> None:
    """I15."""
    book.change(
        lambda conn, stamp: settings.set_stop(conn, settings.Stop(stopped=True, stop_id="s", by="a", at_s=1.0))
    )
    with pytest.raises(LatchClosed):
        scene.go_on()


def test_not_after_a_person_has_cleared_it_away(scene: Scene, book: Book) -> None:
    book.change(
        lambda conn, stamp: clear_machine(conn, machines.get(conn, scene.machine.id), None, frozenset(), stamp)
    )
    with pytest.raises(Conflict, match="decided about"):
        scene.go_on()


def test_not_what_finished_or_never_began(book: Book) -> None:
    book.job(quantity=1)
    machine = book.machine()
    rest = book.program(REST)
    book.pass_gate(machine)
    unbegun = book.report(book.dispatch()[0], RunState.INTERRUPTED, started=False)
    with pytest.raises(Conflict, match="Nothing of R-"):
        book.change(continue_run, unbegun.code, rest, RULE_SET, None)
    done = book.finish(book.dispatch()[0])
    with pytest.raises(Conflict, match="is finished; only an interrupted run"):
        book.change(continue_run, done.code, rest, RULE_SET, None)


def test_a_late_tap_does_nothing(scene: Scene) -> None:
    with pytest.raises(Conflict, match="changed meanwhile"):
        scene.go_on(seen=scene.run.version - 1)


def test_the_interval_is_acknowledged_minus_planner_depth_to_acknowledged(scene: Scene, book: Book) -> None:
    run = scene.go_on()
    for sequence, state, line in ((1000, "running", 0), (1001, "interrupted", 40)):
        assert stopped_between(book.again(run)) is None
        told = {"run_id": run.id, "machine_id": run.machine_id, "planner_depth": 16, "at_s": 0.0}
        book.agent_says(RunReport(sequence=sequence, state=state, started=True, acknowledged_line=line, **told))
    assert stopped_between(book.again(run)) == (24, 40)
