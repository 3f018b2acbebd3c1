"""From where it stopped to the new run, over real programs: proposals, preview, the gate's word, confirmation."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from fleetctl.errors import AgentUnavailable, Conflict, LatchClosed, UsageError
from fleetctl.fleet.continuation_shapes import ContinuationOffer, ContinuationRequest
from fleetctl.fleet.continuing import Continuing
from fleetctl.fleet.gate import Gate
from fleetctl.fleet.intake import Intake
from fleetctl.fleet.record import Record
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.transforming import Transforming
from fleetctl.fleet.views import Views
from fleetctl.gcode import analyze
from fleetctl.model.machine import Link, Position
from fleetctl.model.messages import RunReport, Start, decode_to_agent
from fleetctl.model.part import PartState
from fleetctl.model.run import Run
from fleetctl.store import programs, runs
from fleetctl.store.blobs import BlobStore
from fleetctl.store.reader import InlineReader
from fleetctl.store.writer import InlineWriter
from fleetctl.testing.loop import VirtualClock
from tests.unit.fleet.conftest import AGENT, Book
from tests.unit.gcode.sliced import printed

T = TypeVar("T")
PRINT = printed("marlin", 6)
FACTS = analyze(PRINT)
THIRD = FACTS.layer_table.lines[2]
TRUST = {"layer": 3, "z_strategy": "trust"}


class Shop:
    """A print on K1 that stopped some lines behind the beginning of layer 3."""

    def __init__(self, book: Book, root: Path) -> None:
        clock = VirtualClock()
        self.book = book
        self.here = frozenset({AGENT})
        self.woken: list[str] = []
        self.stop_owed = False
        writer = InlineWriter(book.database, lambda _: None, chance=random.Random(1))
        ids = iter(f"shop-{number}" for number in range(1000))
        record = Record(writer, InlineReader(book.database, chance=random.Random(2)), clock, lambda: next(ids))
        blobs = BlobStore(root)
        agents: Any = SimpleNamespace(
            connected=lambda: self.here, leaving=frozenset, names=(AGENT,), commands_waiting=self.woken.append
        )
        gate = Gate(record)
        views = Views(record, agents, Telemetry(clock), gate)
        self.intake = Intake(record, blobs, views, self.off_loop)
        transforming = Transforming(record, blobs, views, self.off_loop)
        self.continuing = Continuing(record, agents, gate, transforming, views, lambda: self.stop_owed)

    async def off_loop(self, work: Callable[[], T]) -> T:
        return work()

    async def interrupted(self, line: int = THIRD + 9) -> Run:
        async def blocks():  # type: ignore[no-untyped-def]
            yield PRINT

        stored = await self.intake.receive("bracket.gcode", blocks(), "anna")
        self.job = self.book.job(program_sha256=stored.sha256, quantity=1)
        self.machine = self.book.machine()
        run = self.book.dispatch()[0]
        for sequence, state in ((1, "running"), (2, "interrupted")):
            told = {"run_id": run.id, "machine_id": run.machine_id, "planner_depth": 8, "at_s": 0.0}
            at = line if state == "interrupted" else 0
            self.book.agent_says(
                RunReport(sequence=sequence, state=state, started=True, acknowledged_line=at, **told)
            )
        self.says(position=Position.KNOWN)
        return self.book.again(run)

    def says(self, **facts: object) -> None:
        self.machine = self.book.machine_says(self.machine, sequence=self.sequence(), **facts)

    def sequence(self) -> int:
        self._sequence = getattr(self, "_sequence", 100) + 1
        return self._sequence

    def stored(self) -> int:
        return len(self.book.look(programs.newest, 100))


@pytest.fixture
def shop(book: Book, tmp_path: Path) -> Shop:
    return Shop(book, tmp_path / "programs")


def proposed(offer: ContinuationOffer) -> dict[str, object]:
    return {each.name: each.value for each in offer.proposals}


async def test_the_offer_names_the_interval_its_layers_and_what_is_on_record(shop: Shop) -> None:
    run = await shop.interrupted()
    offer = await shop.continuing.offer(run.code)
    stopped = offer.stopped
    assert (stopped.surely_executed_line, stopped.acknowledged_line) == (THIRD + 1, THIRD + 9)
    assert (stopped.first_layer, stopped.last_layer, stopped.layers) == (3, 3, FACTS.layers)
    assert stopped.first_z_mm == FACTS.layer_table[2].z_mm
    assert proposed(offer) == {"line": THIRD + 2, "layer": 3, "z_strategy": "trust"}
    assert (offer.refusal, offer.obstacles) == ("", ())


async def test_an_interval_over_the_end_of_a_layer_names_both(shop: Shop) -> None:
    run = await shop.interrupted(THIRD + 3)
    stopped = (await shop.continuing.offer(run.code)).stopped
    assert (stopped.first_layer, stopped.last_layer) == (2, 3)


async def test_where_the_position_is_suspect_trust_is_not_proposed(shop: Shop) -> None:
    """After a reset the firmware knows no height: the only proposal is how high the part stands."""
    run = await shop.interrupted()
    shop.says(position=Position.SUSPECT)
    offer = await shop.continuing.offer(run.code)
    below = FACTS.layer_table[1].z_mm
    assert below is not None
    assert proposed(offer) == {"line": THIRD + 2, "layer": 3, "z_mm": round(below, 3)}
    assert [each.action and each.action.verb for each in offer.obstacles] == ["trust-position"]
    assert "Home it only if the part is not in the way" in offer.obstacles[0].sentence


async def test_a_preview_stores_nothing_and_says_what_is_done_twice(shop: Shop) -> None:
    run = await shop.interrupted()
    before = shop.stored(), shop.book.kinds()
    shown = await shop.continuing.preview(run.code, TRUST)
    assert (shop.stored(), shop.book.kinds()) == before
    assert (shown.first_line, shown.layer, shown.passed) == (THIRD, 3, True)
    assert (shown.repeated_lines, shown.skipped_lines) == (10, 0)
    assert f"Lines {THIRD} to {THIRD + 9} may have been executed in part; they are done again." in shown.warnings
    assert all(line.reason for line in shown.lines) and any(line.text.startswith("G28 X") for line in shown.lines)


async def test_a_line_behind_what_is_surely_executed_is_warned_of(shop: Shop) -> None:
    run = await shop.interrupted()
    shown = await shop.continuing.preview(run.code, {"line": THIRD + 12, "z_strategy": "trust"})
    assert shown.skipped_lines == 10
    assert (
        f"Lines {THIRD + 2} to {THIRD + 11} may never have been executed, and this leaves them out." in shown.warnings
    )


async def test_what_was_previewed_is_sent(shop: Shop) -> None:
    run = await shop.interrupted()
    shown = await shop.continuing.preview(run.code, TRUST)
    asked = ContinuationRequest(parameters=TRUST, program_sha256=shown.program_sha256, version=shown.version)
    new = await shop.continuing.confirm(run.code, asked, "bea")
    assert (new.resumes, new.program_sha256, new.state) == (run.code, shown.program_sha256, "claimed")
    assert new.parts and shop.woken == [AGENT]
    start = decode_to_agent(shop.book.look(runs.pending_commands, AGENT)[-1].message)
    assert isinstance(start, Start) and start.program_sha256 == shown.program_sha256
    child = shop.book.look(programs.get, shown.program_sha256)
    assert child.parent_sha256 == run.program_sha256
    old = await shop.continuing.offer(run.code)
    assert old.refusal == f"{run.code} is continued by {new.code} already."


async def test_other_parameters_than_those_previewed_are_refused(shop: Shop) -> None:
    run = await shop.interrupted()
    shown = await shop.continuing.preview(run.code, TRUST)
    asked = ContinuationRequest(parameters={**TRUST, "layer": 2}, program_sha256=shown.program_sha256)
    before = shop.stored(), shop.book.kinds()
    with pytest.raises(Conflict, match="not what the preview showed"):
        await shop.continuing.confirm(run.code, asked, "bea")
    with pytest.raises(UsageError, match="program_sha256 of the preview"):
        await shop.continuing.confirm(run.code, ContinuationRequest(parameters=TRUST), "bea")
    assert (shop.stored(), shop.book.kinds()) == before


async def test_i15_a_stop_that_is_not_stored_yet_keeps_it_from_being_continued(shop: Shop) -> None:
    run = await shop.interrupted()
    shown = await shop.continuing.preview(run.code, TRUST)
    asked = ContinuationRequest(parameters=TRUST, program_sha256=shown.program_sha256)
    shop.stop_owed = True
    with pytest.raises(LatchClosed):
        await shop.continuing.confirm(run.code, asked, "bea")
    assert not shop.book.look(runs.pending_commands, AGENT) and not shop.woken
    shop.stop_owed = False
    assert (await shop.continuing.confirm(run.code, asked, "bea")).state == "claimed"


async def test_what_the_gate_refuses_is_neither_stored_nor_started(shop: Shop) -> None:
    """I2: the rest passes the gate like any program, as the machine is set up now."""
    run = await shop.interrupted()
    hot = {**TRUST, "nozzle_degc": 350.0}
    shown = await shop.continuing.preview(run.code, hot)
    assert not shown.passed and any("260" in each.message for each in shown.findings)
    before = shop.stored()
    asked = ContinuationRequest(parameters=hot, program_sha256=shown.program_sha256)
    with pytest.raises(Conflict, match="does not fit K1"):
        await shop.continuing.confirm(run.code, asked, "bea")
    assert shop.stored() == before
    assert shop.book.parts(shop.job)[0].state is PartState.HOLD


async def test_nobody_continues_what_an_absent_agent_holds(shop: Shop) -> None:
    run = await shop.interrupted()
    shown = await shop.continuing.preview(run.code, TRUST)
    shop.here = frozenset()
    asked = ContinuationRequest(parameters=TRUST, program_sha256=shown.program_sha256)
    with pytest.raises(AgentUnavailable):
        await shop.continuing.confirm(run.code, asked, "bea")
    offer = await shop.continuing.offer(run.code)
    assert [each.sentence for each in offer.obstacles] == ["The agent that holds K1 does not answer."]


async def test_an_offline_machine_is_the_first_obstacle(shop: Shop) -> None:
    run = await shop.interrupted()
    shop.says(link=Link.OFFLINE, position=Position.SUSPECT)
    offer = await shop.continuing.offer(run.code)
    assert [each.sentence for each in offer.obstacles] == ["K1 is offline: switch it on and check its cable."]


async def test_what_was_said_of_the_machine_the_last_time_is_proposed_again(shop: Shop) -> None:
    run = await shop.interrupted()
    chosen = {**TRUST, "lift_mm": 8.0}
    shown = await shop.continuing.preview(run.code, chosen)
    asked = ContinuationRequest(parameters=chosen, program_sha256=shown.program_sha256)
    new = await shop.continuing.confirm(run.code, asked, "bea")
    told = {"machine_id": run.machine_id, "planner_depth": 8, "at_s": 0.0, "started": True}
    second = shop.book.look(runs.coded, new.code)
    for state in ("running", "interrupted"):
        shop.book.agent_says(
            RunReport(sequence=shop.sequence(), run_id=second.id, state=state, acknowledged_line=60, **told)
        )
    shop.says(position=Position.KNOWN)
    again = proposed(await shop.continuing.offer(new.code))
    assert again["lift_mm"] == 8.0
