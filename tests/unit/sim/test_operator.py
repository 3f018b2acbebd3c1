"""The demo's operator: does what the machines' reasons ask for, after a while, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from fleetctl.sim.operator import HASTE_S, Operator, read_tasks
from fleetctl.sim.site import Refused


def machine(name: str, code: str = "", verb: str = "", target: str = "", **facts: Any) -> dict[str, Any]:
    action = {"label": "", "target": target or f"machines/{name}", "verb": verb} if verb else None
    why = {"code": code, "sentence": f"{name} waits.", "need": 3, "action": action} if code else None
    return {"name": name, "version": 7, "parts_to_clear": [], "why": why, **facts}


class Site:
    """Stands in for the API: canned machines, and what was posted."""

    def __init__(self, *machines: dict[str, Any], refusal: Refused | None = None) -> None:
        self.machines = list(machines)
        self.posted: list[tuple[str, Any]] = []
        self.refusal = refusal
        self.refused_once = False

    async def get(self, path: str) -> Any:
        assert path == "machines"
        return self.machines

    async def post(self, path: str, body: Any = None) -> Any:
        self.posted.append((path, body))
        if self.refusal is not None and not (self.refused_once and len(self.posted) > 1):
            raise self.refusal


class Time:
    """A clock that stands still until it is told."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


def operator(site: Site) -> tuple[Operator, Time, list[str]]:
    time, said = Time(), []
    return Operator(site, time, said.append, seed=1), time, said  # type: ignore[arg-type]


async def test_a_person_takes_a_moment_before_acting() -> None:
    site = Site(machine("K1", "uncleared", "clear"))
    person, time, said = operator(site)
    await person.look()
    time.now_s += HASTE_S[0] - 0.01
    await person.look()
    assert site.posted == []
    time.now_s += HASTE_S[1]
    await person.look()
    assert site.posted == [("machines/K1/clear", {"version": 7})]
    assert said == ["The operator finds K1 empty and clears it."]


async def test_cycle_start_goes_to_the_run() -> None:
    site = Site(machine("M1", "cycle-start", "start", "runs/R-0004"))
    person, time, said = operator(site)
    await person.look()
    time.now_s += HASTE_S[1]
    await person.look()
    assert site.posted == [("runs/R-0004/start", {})]
    assert said == ["The operator loads stock into M1, closes the door and presses cycle start."]


async def test_what_an_interrupted_run_left_is_scrap_and_whole_parts_are_left_to_the_gauge() -> None:
    left = [{"code": "P-00003"}]
    site = Site(
        machine("K1", "interrupted", "clear", parts_to_clear=left),
        machine("K2", "uncleared", "clear", parts_to_clear=left),
    )
    person, time, said = operator(site)
    await person.look()
    time.now_s += HASTE_S[1]
    await person.look()
    assert dict(site.posted) == {
        "machines/K1/clear": {"version": 7, "bad": ("P-00003",)},
        "machines/K2/clear": {"version": 7},
    }
    assert any("half-made (P-00003)" in each for each in said) and any("takes 1 part off K2" in each for each in said)


@pytest.mark.parametrize(
    "left",
    [
        machine("K1"),
        machine("K1", "busy"),
        machine("K1", "locked-out", "service"),
        machine("K1", "stopped", "release", "estop"),
        machine("K1", "paused", "resume", "runs/R-0001"),
    ],
    ids=["nothing", "no action", "service", "stop", "paused by a person"],
)
def test_what_is_not_a_machine_minders_job_is_left_alone(left: dict[str, Any]) -> None:
    assert read_tasks([left]) == []


async def test_a_state_that_changed_meanwhile_is_looked_at_again() -> None:
    site = Site(machine("K1", "uncleared", "clear"), refusal=Refused(409, "conflict", "Changed."))
    person, time, said = operator(site)
    for _ in range(4):
        await person.look()
        time.now_s += HASTE_S[1]
    assert len(site.posted) == 2 and said == []


async def test_a_board_that_does_not_hear_its_reset_is_switched_off_and_on() -> None:
    site = Site(machine("K1", "fault", "reset"), refusal=Refused(409, "machine-error", "Press its button."))
    site.refused_once = True
    person, time, said = operator(site)
    await person.look()
    time.now_s += HASTE_S[1]
    await person.look()
    assert [path for path, _ in site.posted] == ["machines/K1/reset", "machines/K1/reconnect"]
    assert said == ["The operator switches K1 off and on, because it did not hear a reset."]


async def test_a_board_that_cannot_even_be_switched_is_left_alone() -> None:
    site = Site(machine("K1", "fault", "reset"), refusal=Refused(409, "machine-error", "No."))
    person, time, said = operator(site)
    for _ in range(4):
        await person.look()
        time.now_s += HASTE_S[1]
    assert len(site.posted) == 2 and said == ["K1: the operator could not reset: No."]


async def test_a_deed_that_is_refused_for_good_is_told_once() -> None:
    site = Site(machine("K1", "suspect", "home"), refusal=Refused(422, "usage", "No."))
    person, time, said = operator(site)
    for _ in range(6):
        await person.look()
        time.now_s += HASTE_S[1]
    assert len(site.posted) == 1 and said == ["K1: the operator could not home: No."]
