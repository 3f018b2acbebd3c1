"""Who makes what: deterministic, in the order of the queue, on machines that are ready and fit."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model.job import JobState
from fleetctl.model.machine import Activity, Clearance, Link, Position, Service
from fleetctl.scheduling.assign import assign
from fleetctl.scheduling.eligibility import obstacle
from tests.unit.scheduling.site import facts, machine, open_job, run_on, situation


def chosen(now) -> list[tuple[str, str, tuple[int | None, ...]]]:  # type: ignore[no-untyped-def]
    return [(plan.job.code, plan.machine.name, plan.places) for plan in assign(now)]


def test_each_machine_takes_the_next_places() -> None:
    now = situation([open_job("J-1", free=3)], [machine("K1"), machine("K2")])
    assert chosen(now) == [("J-1", "K1", (1,)), ("J-1", "K2", (2,))]


def test_a_plate_takes_several_places_and_fills_up_with_surplus() -> None:
    now = situation([open_job("J-1", free=3, yield_parts=2)], [machine("K1"), machine("K2"), machine("K3")])
    assert chosen(now) == [("J-1", "K1", (1, 2)), ("J-1", "K2", (3, None))]


def test_the_queue_is_served_in_order() -> None:
    now = situation([open_job("J-2"), open_job("J-1")], [machine("K1")])
    assert chosen(now) == [("J-2", "K1", (1,))]


def test_the_machine_that_has_rested_longest_is_taken() -> None:
    now = situation([open_job("J-1")], [machine("K1", since_s=20.0), machine("K2", since_s=10.0)])
    assert chosen(now) == [("J-1", "K2", (1,))]


def test_i15_nothing_while_everything_is_stopped() -> None:
    assert assign(situation([open_job("J-1")], [machine("K1")], stopped=True)) == []


def test_held_jobs_are_passed_over() -> None:
    now = situation([open_job("J-1", state=JobState.HELD), open_job("J-2")], [machine("K1")])
    assert chosen(now) == [("J-2", "K1", (1,))]


def test_a_pinned_job_waits_for_its_machine() -> None:
    busy = {"K1": run_on("K1")}
    now = situation([open_job("J-1", machine_id="K1")], [machine("K1"), machine("K2")], active=busy)
    assert assign(now) == []


def test_material_and_group_are_matched() -> None:
    from fleetctl.model.profile import Setup

    printers = [
        machine("K1", setup=Setup(material="PLA")),
        machine("K2", setup=Setup(material="PETG"), group="room 2"),
    ]
    now = situation([open_job("J-1", material="petg"), open_job("J-2", group="room 1")], printers)
    assert chosen(now) == [("J-1", "K2", (1,))]


@given(
    seed=st.integers(0, 10_000),
    frees=st.lists(st.integers(0, 7), max_size=5),
    count=st.integers(0, 6),
)
def test_i1_no_machine_and_no_place_is_given_twice(seed: int, frees: list[int], count: int) -> None:
    chance = random.Random(seed)
    jobs = [open_job(f"J-{n}", free=free, yield_parts=chance.randint(1, 4)) for n, free in enumerate(frees)]
    machines = [
        machine(
            f"K{n}",
            facts=facts(
                link=chance.choice([Link.ONLINE, Link.ONLINE, Link.OFFLINE]),
                activity=chance.choice([Activity.IDLE, Activity.IDLE, Activity.FAULT]),
                clearance=chance.choice(list(Clearance)),
                service=chance.choice([Service.IN_SERVICE, Service.IN_SERVICE, Service.LOCKED_OUT]),
                position=chance.choice([Position.KNOWN, Position.KNOWN, Position.SUSPECT]),
            ),
            since_s=chance.random(),
        )
        for n in range(count)
    ]
    now = situation(jobs, machines)
    plans = assign(now)
    assert len({plan.machine.id for plan in plans}) == len(plans)
    places = [(plan.job.id, place) for plan in plans for place in plan.places if place is not None]
    assert len(set(places)) == len(places)
    assert all(obstacle(plan.job, plan.machine, now) is None for plan in plans)
    assert assign(now) == plans
