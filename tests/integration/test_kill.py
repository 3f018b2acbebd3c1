"""kill -9 of the controller, of the agent, and a power cut, in the middle of six runs on real processes.

Nothing is started twice, nothing is lost, nothing is made twice (issue: "A person can", point 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.real_site import RealSite, executed_lines, mill_program, print_program, wait_for

PRINT = print_program()
MILLING = mill_program()
PROGRAMS = {"marlin": PRINT, "grbl": MILLING}
FLEET = {"K1": "marlin", "K2": "marlin", "K3": "marlin", "K4": "marlin", "M1": "grbl", "M2": "grbl"}

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as made:
        for name, driver in FLEET.items():
            made.add_machine(name, driver)
        yield made


def begin_six_runs(site: RealSite) -> tuple[str, str]:
    """Two jobs, eight prints and four millings; returns their codes once six runs have executed some lines."""
    prints, millings = site.submit(PRINT, 8), site.submit(MILLING, 4)
    wait_for("six machines at work", lambda: all(m.state().get("executed", 0) > 25 for m in site.machines.values()))
    assert [run["state"] for run in site.runs(active="true")] == ["running"] * 6
    return prints, millings


def assert_log_is_whole(site: RealSite) -> None:
    """The log has every number once, and no run began, ended or was claimed twice."""
    log = site.events()
    assert [event["sequence"] for event in log] == list(range(1, len(log) + 1))
    endings = ("finished", "failed", "cancelled", "interrupted", "refused")
    for group in (("claimed",), ("running",), endings):
        kinds = {f"run.{kind}" for kind in group}
        count = Counter(event["subject"] for event in log if event["kind"] in kinds)
        assert not [run for run, times in count.items() if times > 1], group


def executed_of_each(site: RealSite) -> dict[str, int]:
    return {name: len(machine.executed()) for name, machine in site.machines.items()}


def test_the_runs_go_on_when_the_controller_is_killed(site: RealSite) -> None:
    begin_six_runs(site)
    agent = site.agent_pid
    site.kill_controller()
    before = executed_of_each(site)
    wait_for(
        "every machine to go on without a controller",
        lambda: all(count > before[name] + 10 for name, count in executed_of_each(site).items()),
    )
    site.start_controller()
    assert site.agent_pid == agent, "the agent was adopted, not replaced"
    wait_for("the six runs to finish", lambda: not site.runs(active="true"))
    runs = site.runs()
    assert [run["state"] for run in runs] == ["finished"] * 6, "and none was started beside them"
    assert all(run["progress"]["acknowledged_line"] >= run["progress"]["lines"] - 1 for run in runs)
    for machine in site.machines.values():
        program = PROGRAMS[machine.driver]
        wait_for(f"{machine.name}'s trace", lambda m=machine: m.state().get("runs_made") == 1)  # type: ignore[misc]
        executed = [line for line in machine.executed() if line in set(executed_lines(machine.driver, program))]
        assert executed == executed_lines(machine.driver, program)
    assert len(site.get("parts")) == 6
    assert_log_is_whole(site)


def test_the_runs_are_interrupted_when_the_agent_is_killed(site: RealSite) -> None:
    prints, millings = begin_six_runs(site)
    site.kill_agent()
    wait_for(
        "six interrupted runs", lambda: [run["state"] for run in site.runs()] == ["interrupted"] * 6, within_s=60
    )
    wait_for("heaters and spindles off", lambda: all(m.is_safe() for m in site.machines.values()), within_s=60)
    for name in FLEET:
        assert site.machine(name)["clearance"] == "uncleared"
        assert not site.machine(name)["ready"]
    jobs = {job["code"]: job for job in site.get("jobs")}
    assert (jobs[prints]["hold"], jobs[prints]["to_make"]) == (4, 4)
    assert (jobs[millings]["hold"], jobs[millings]["to_make"]) == (2, 2)
    assert len(site.runs()) == 6, "nothing starts on a machine that nobody has cleared"
    for run in site.runs():
        executed = len(site.machines[run["machine"]].executed())
        assert run["progress"]["acknowledged_line"] > 0
        assert executed > 0
    assert_log_is_whole(site)
    settle_and_make_again(site, "K1", prints)


def settle_and_make_again(site: RealSite, name: str, job: str) -> None:
    """A person looks, homes, clears: then, and only then, the shortfall is made again."""
    if site.machine(name)["activity"] == "fault":
        site.post(f"machines/{name}/reset", {})
    if site.machine(name)["position"] == "suspect":
        site.post(f"machines/{name}/home", {})
    wait_for(f"{name} with a known position", lambda: site.machine(name)["position"] == "known")
    assert site.machine(name)["run"] is None
    site.post(f"machines/{name}/clear", {})
    run = wait_for(f"a new run on {name}", lambda: site.machine(name)["run"])
    assert run["job"] == job
    after = next(each for each in site.get("jobs") if each["code"] == job)
    assert (after["scrap"], after["hold"]) == (1, 3)


def test_a_power_cut_loses_nothing_and_starts_nothing(site: RealSite, tmp_path: Path) -> None:
    begin_six_runs(site)
    known = site.events()
    copy = tmp_path / "after the power cut"
    site.copy_data(copy)
    site.kill_controller()
    site.kill_agent()
    for machine in site.machines.values():
        machine.power_cycle()
    executed = executed_of_each(site)
    site.data = copy
    site.start_controller()
    wait_for("six interrupted runs", lambda: [run["state"] for run in site.runs()] == ["interrupted"] * 6)
    assert site.events()[: len(known)] == known, "what a person had seen is still there"
    wait_for("every machine online", lambda: all(site.machine(name)["link"] == "online" for name in FLEET))
    assert all(site.machine(name)["clearance"] == "uncleared" for name in FLEET)
    assert executed_of_each(site) == executed or all(
        line.startswith(("M104", "M140", "M107", "M5", "M9", "M105", "M114", "M400"))
        for name, machine in site.machines.items()
        for line in machine.executed()[executed[name] :]
    ), "nothing moves after the power came back"
    assert len(site.runs()) == 6
    assert_log_is_whole(site)


def test_told_to_end_the_controller_ends_and_its_idle_agent_with_it(tmp_path: Path) -> None:
    with RealSite(tmp_path) as site:
        site.add_machine("K1", "marlin")
        wait_for("the machine online", lambda: site.machine("K1")["link"] == "online")
        assert site.controller is not None
        site.controller.terminate()
        assert site.controller.wait(20) == 0
        wait_for("the agent to give its lock back", lambda: not (site.data / "agent.lock").read_text().strip())
