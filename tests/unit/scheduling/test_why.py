"""Everything that waits says why, in one sentence that names what would unblock it (I10)."""

from __future__ import annotations

import itertools

import pytest

from fleetctl.model.job import JobState, Tally
from fleetctl.model.machine import Activity, Clearance, Link, Position, Service, is_ready
from fleetctl.model.profile import Setup
from fleetctl.model.run import RunState
from fleetctl.scheduling.assign import assign
from fleetctl.scheduling.reason import Need, Reason
from fleetctl.scheduling.situation import Fit, Situation
from fleetctl.scheduling.why import why_job, why_machine, why_run
from tests.unit.scheduling.site import facts, machine, open_job, run_on, situation


def reason_of(now: Situation) -> Reason:
    reason = why_job(now.jobs[0], now)
    assert reason is not None
    return reason


def test_the_stop_explains_everything_while_it_holds() -> None:
    now = situation([open_job("J-1")], [machine("K1")], stopped=True, stopped_by="Lan")
    reason = reason_of(now)
    assert "stopped by Lan" in reason.sentence
    assert reason.action is not None
    assert (reason.action.target, reason.action.verb) == ("estop", "release")


def test_a_held_job_says_so_and_can_be_released() -> None:
    now = situation([open_job("J-1", state=JobState.HELD, held_reason="first article")], [machine("K1")])
    reason = reason_of(now)
    assert "first article" in reason.sentence
    assert reason.action is not None
    assert reason.action.verb == "release"


def test_no_machine_at_all() -> None:
    assert reason_of(situation([open_job("J-1")], [])).code == "no-machine"


def test_no_machine_fits_names_the_line() -> None:
    k1 = machine("K1")
    misfit = {("program", k1.configuration_hash): Fit(False, "line 7: X reaches 300 mm")}
    reason = reason_of(situation([open_job("J-1")], [k1], fits=misfit))
    assert reason.code == "no-machine-fits"
    assert "line 7: X reaches 300 mm" in reason.sentence
    assert reason.need is Need.PERSON


def test_no_machine_fits_tells_of_the_machine_of_the_right_kind() -> None:
    mill, printer = machine("A1", configuration_hash="mill"), machine("K1", configuration_hash="printer")
    fits = {
        ("program", "mill"): Fit(False, "line 5: This is a marlin program", other_kind=True),
        ("program", "printer"): Fit(False, "line 7: X reaches 300 mm"),
    }
    assert "does not fit K1: line 7" in reason_of(situation([open_job("J-1")], [mill, printer], fits=fits)).sentence


def test_an_uncleared_machine_is_the_thing_to_do_even_when_another_is_busy() -> None:
    uncleared = machine("K1", facts=facts(clearance=Clearance.UNCLEARED))
    now = situation([open_job("J-1")], [uncleared, machine("K2")], active={"K2": run_on("K2")}, to_clear={"K1": 2})
    reason = reason_of(now)
    assert "Clear the bed of K1: 2 parts" in reason.sentence
    assert "1 other machine that fits is busy." in reason.sentence
    assert reason.action is not None
    assert (reason.action.target, reason.action.verb) == ("machines/K1", "clear")
    assert reason.need is Need.CLEAR_FOR_WORK


def test_all_busy_needs_nobody() -> None:
    now = situation([open_job("J-1")], [machine("K1")], active={"K1": run_on("K1")})
    reason = reason_of(now)
    assert (reason.code, reason.need, reason.action) == ("busy", Need.NOBODY, None)


def test_missing_material_names_what_is_loaded() -> None:
    now = situation([open_job("J-1", material="PETG")], [machine("K1", setup=Setup(material="PLA"))])
    assert "K1 has PLA loaded, the job needs PETG" in reason_of(now).sentence


def test_parts_on_hold_wait_for_a_person() -> None:
    now = situation([open_job("J-1", free=0, quantity=1, tally=Tally(hold=1))], [machine("K1")])
    assert reason_of(now).code == "parts-on-hold"


@pytest.mark.parametrize(
    ("state", "started", "code", "verb"),
    [
        (RunState.WAITING, False, "cycle-start", "start"),
        (RunState.WAITING, True, "person", "resume"),
        (RunState.PAUSED, True, "paused", "resume"),
    ],
)
def test_a_run_that_waits_for_a_person_offers_the_button(
    state: RunState, started: bool, code: str, verb: str
) -> None:
    run = run_on("M1", state, started=started)
    reason = why_run(run, machine("M1"), situation([], [machine("M1")]))
    assert reason is not None
    assert reason.action is not None
    assert (reason.code, reason.action.target, reason.action.verb) == (code, "runs/R-0001", verb)


def test_a_running_run_waits_for_nothing() -> None:
    assert why_run(run_on("K1"), machine("K1"), situation([], [machine("K1")])) is None


def test_an_interrupted_run_asks_to_be_settled() -> None:
    run = run_on("K1", RunState.INTERRUPTED, reason="unplugged")
    k1 = machine("K1", facts=facts(clearance=Clearance.UNCLEARED))
    reason = why_machine(k1, situation([], [k1], unsettled={"K1": run}))
    assert reason is not None
    assert reason.code == "interrupted"
    assert "unplugged" in reason.sentence
    assert reason.action is not None
    assert reason.action.verb == "clear"


def test_no_answer_during_a_run_is_said_before_anything_else() -> None:
    k1 = machine("K1", facts=facts(link=Link.OFFLINE))
    reason = why_machine(k1, situation([], [k1], active={"K1": run_on("K1")}))
    assert reason is not None
    assert reason.need is Need.RUN_AT_RISK


def test_i10_every_machine_that_is_not_ready_says_why_and_every_waiting_job_too() -> None:
    for link, activity, clearance, service, position in itertools.product(
        Link, Activity, Clearance, Service, Position
    ):
        k1 = machine(
            "K1",
            facts=facts(link=link, activity=activity, clearance=clearance, service=service, position=position),
        )
        now = situation([open_job("J-1")], [k1])
        machine_reason, job_reason = why_machine(k1, now), why_job(now.jobs[0], now)
        assert (machine_reason is None) == is_ready(k1.facts)
        assert job_reason is not None
        assert job_reason.sentence.endswith(".")
        assert bool(assign(now)) == is_ready(k1.facts)


def test_no_warm_need_when_nobody_is_needed() -> None:
    k1 = machine("K1")
    now = situation([open_job("J-1")], [k1], active={"K1": run_on("K1")})
    assert why_machine(k1, now) is None
    assert reason_of(now).need is Need.NOBODY


def test_under_an_agent_of_another_version_runs_go_on_and_nobody_is_sent_to_look() -> None:
    """It answers nothing, and that is no reason to fear for the run."""
    k1, k2 = machine("K1"), machine("K2")
    now = situation([], [k1, k2], active={k1.id: run_on("K1")}, agents=frozenset(), leaving=frozenset({k1.agent}))
    busy, idle = why_machine(k1, now), why_machine(k2, now)
    assert busy is not None and busy.code == "agent-leaving" and "R-0001 goes on" in busy.sentence
    assert idle is not None and idle.code == "agent-leaving" and "successor takes K2 over" in idle.sentence
    lost = why_machine(k1, situation([], [k1], active={k1.id: run_on("K1")}, agents=frozenset()))
    assert lost is not None and lost.code == "run-at-risk"
