"""What is asked of hundreds of machines and jobs at a time says the same as the reasons that people read."""

from __future__ import annotations

import itertools

from fleetctl.model.job import JobState
from fleetctl.model.machine import Activity, Clearance, Link, Machine, MachineFacts, Position, Service
from fleetctl.model.profile import Setup
from fleetctl.scheduling.assign import assign
from fleetctl.scheduling.eligibility import is_free, taken
from fleetctl.scheduling.situation import Fit, Situation
from fleetctl.scheduling.why import why_job, why_job_itself
from tests.unit.scheduling.site import AGENT, machine, open_job, run_on, situation

OWN_NEEDS = frozenset({"held", "no-machine-fits", "no-machine"})
"""Codes of reasons that are said of a job alone."""


def every_machine() -> list[Machine]:
    """One for each combination of the five facts."""
    combined = itertools.product(Link, Activity, Clearance, Service, Position)
    return [
        machine(
            f"K{number}",
            facts=MachineFacts(link=link, activity=activity, clearance=clearance, service=service, position=position),
        )
        for number, (link, activity, clearance, service, position) in enumerate(combined)
    ]


def test_a_machine_is_free_exactly_when_no_reason_speaks_against_it() -> None:
    machines = every_machine()
    ready = next(each for each in machines if is_free(each, situation([], machines)))
    sites = (
        situation([], machines),
        situation([], machines, leaving=frozenset({AGENT})),
        situation([], machines, agents=frozenset()),
        situation([], machines, active={ready.id: run_on(ready.name)}),
    )
    for now in sites:
        for each in machines:
            assert is_free(each, now) == (taken(each, now) is None), each.facts
    assert [is_free(ready, now) for now in sites] == [True, False, False, False]


def test_an_agent_that_leaves_is_given_nothing() -> None:
    jobs, machines = [open_job("J-1")], [machine("K1")]
    assert len(assign(situation(jobs, machines))) == 1
    assert assign(situation(jobs, machines, leaving=frozenset({AGENT}))) == []


def own_cases() -> list[Situation]:
    """One job that waits for each kind of thing."""
    nothing_fits = {"fits": {("program", machine("K1").configuration_hash): Fit(False, "too large")}}
    cases = [
        situation([open_job("J-1")], []),
        situation([open_job("J-1")], [machine("K1")]),
        situation([open_job("J-1")], [machine("K1")], stopped=True),
        situation([open_job("J-1")], [machine("K1")], active={"K1": run_on("K1")}),
        situation([open_job("J-1")], [machine("K1")], **nothing_fits),
        situation([open_job("J-1", free=0)], [machine("K1")], **nothing_fits),
        situation([open_job("J-1", free=0)], []),
        situation([open_job("J-1", group="a")], [machine("K1", group="b")]),
        situation([open_job("J-1", material="PLA")], [machine("K1", setup=Setup(material="pla"))]),
        situation([open_job("J-1", material="PLA")], [machine("K1", setup=Setup(material="PETG"))]),
        situation([open_job("J-1", state=JobState.HELD, held_reason="first article")], [machine("K1")]),
        situation([open_job("J-1", state=JobState.HELD)], [machine("K1")], stopped=True),
    ]
    return cases


def test_what_is_said_of_a_job_alone_is_what_its_page_says() -> None:
    said = []
    for now in own_cases():
        [item] = now.jobs
        whole = why_job(item, now)
        expected = whole if whole is not None and whole.code in OWN_NEEDS else None
        assert why_job_itself(item, now) == expected
        said.append(expected.code if expected is not None else None)
    assert set(said) == OWN_NEEDS | {None}
