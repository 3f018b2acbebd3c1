"""What a person does at the machines, on real processes: cycle start, pause, cancel, stop, unplugging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.real_site import RealMachine, RealSite, executed_lines, mill_program, print_program, wait_for

pytestmark = pytest.mark.slow

PRINT = print_program(120)
MILLING = mill_program(120)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RealSite]:
    with RealSite(tmp_path) as made:
        yield made


def at_work(site: RealSite, name: str, program: bytes, driver: str = "marlin") -> tuple[RealMachine, str]:
    """A machine in the middle of a run; the run's code."""
    machine = site.add_machine(name, driver)
    site.submit(program, 1, machine=name)
    run = wait_for("a run", lambda: site.machine(name)["run"])
    wait_for("some lines", lambda: machine.state().get("executed", 0) > 25)
    return machine, run["code"]


def state_of(site: RealSite, run: str) -> str:
    return str(site.get(f"runs/{run}")["state"])


def program_lines(machine: RealMachine, program: bytes) -> list[str]:
    """What the machine executed of the program, without the host's own questions and endings."""
    wanted = executed_lines(machine.driver, program)
    return [line for line in machine.executed() if line in set(wanted)]


def test_i14_a_mill_waits_for_cycle_start(site: RealSite) -> None:
    mill = site.add_machine("M1", "grbl")
    site.post("machines/M1/unattended", {"on": False})
    site.submit(MILLING, 1)
    why = wait_for("the mill to ask for cycle start", lambda: asks(site, "M1", "cycle-start"))
    assert why["action"]["verb"] == "start"
    assert program_lines(mill, MILLING) == []
    assert mill.is_safe()
    run = site.machine("M1")["run"]["code"]
    site.post(f"runs/{run}/start", {})
    wait_for("the run to finish", lambda: state_of(site, run) == "finished")
    assert program_lines(mill, MILLING) == executed_lines("grbl", MILLING)


def test_a_program_stop_of_a_mill_waits_with_its_words_and_everything_off(site: RealSite) -> None:
    lines = MILLING.splitlines()
    program = b"\n".join([*lines[:20], b"M0 (MSG, turn it over)", *lines[20:], b""])
    mill = site.add_machine("M1", "grbl")
    site.submit(program, 1)
    why = wait_for("the stop", lambda: (found := site.machine("M1"))["activity"] == "waiting" and found)
    assert why["reason"] == "program stop (M0) in line 21: turn it over"
    wait_for("everything off", mill.is_safe)
    wanted = [line for line in executed_lines("grbl", program) if line != "M5"]  # the host sends it at the stop too
    assert [line for line in program_lines(mill, program) if line != "M5"] == wanted[:20]
    assert "turn it over" in site.machine("M1")["why"]["sentence"]
    run = why["run"]["code"]
    site.post(f"runs/{run}/resume", {})
    wait_for("the run to finish", lambda: state_of(site, run) == "finished")
    assert [line for line in program_lines(mill, program) if line != "M5"] == wanted
    assert site.get(f"runs/{run}")["progress"]["acknowledged_line"] == len(lines) + 1


def asks(site: RealSite, name: str, code: str) -> Any:
    why = site.machine(name)["why"]
    return why if why and why["code"] == code else None


def test_pause_holds_the_machine_and_resume_finishes_the_program(site: RealSite) -> None:
    printer, run = at_work(site, "K1", PRINT)
    site.post(f"runs/{run}/pause", {})
    wait_for("the pause", lambda: state_of(site, run) == "paused")
    wait_for("the machine to stand still", lambda: printer.state().get("activity") == "idle")
    executed = len(printer.executed())
    assert site.machine("K1")["why"]["code"] == "paused"
    site.post(f"runs/{run}/resume", {})
    wait_for("the run to finish", lambda: state_of(site, run) == "finished")
    assert len(printer.executed()) > executed
    assert program_lines(printer, PRINT) == executed_lines("marlin", PRINT)


def test_cancel_ends_the_run_with_everything_off(site: RealSite) -> None:
    printer, run = at_work(site, "K1", PRINT)
    site.post(f"runs/{run}/cancel", {})
    wait_for("the cancelled run", lambda: state_of(site, run) == "cancelled")
    wait_for("heaters off", printer.is_safe)
    assert site.machine("K1")["clearance"] == "uncleared"
    [part] = site.get(f"parts?run={run}")
    assert part["state"] == "scrap"


def test_i15_the_stop_holds_over_restarts_until_a_person_releases_it(site: RealSite) -> None:
    printer, first = at_work(site, "K1", PRINT)
    mill, second = at_work(site, "M1", MILLING, "grbl")
    site.add_machine("K2", "marlin")
    answer = site.post("estop", {})
    assert answer["stopped"]
    assert set(answer["outcomes"]) == {"K1", "M1", "K2"}
    assert set(answer["outcomes"].values()) <= {"sent", "confirmed"}
    assert "not a safety-rated emergency stop" in answer["note"]
    wait_for("heaters and spindle off", lambda: printer.is_safe() and mill.is_safe())
    wait_for("both runs ended", lambda: not site.runs(active="true"))
    assert {state_of(site, first), state_of(site, second)} <= {"failed", "interrupted", "cancelled"}
    count = len(site.runs())
    site.submit(PRINT, 1, machine="K2")
    site.kill_controller()
    site.kill_agent()
    site.start_controller()
    wait_for("K2's silence to be said", lambda: "answer" in site.machine("K2")["reason"])
    site.machines["K2"].power_cycle()  # after M112 a Marlin board is halted until its reset
    wait_for("K2 online", lambda: site.machine("K2")["link"] == "online")
    assert site.get("estop")["stopped"]
    assert [job["why"]["code"] for job in site.get("jobs") if job["machine"] == "K2"] == ["stopped"]
    assert len(site.runs()) == count
    site.post("estop/release", {})
    wait_for("the held-back job to wait for K2 or run", lambda: not site.get("estop")["stopped"])
    if not site.machine("K2")["ready"] and site.machine("K2")["run"] is None:
        make_ready(site, "K2")
    wait_for("the job to start", lambda: len(site.runs()) == count + 1)


def make_ready(site: RealSite, name: str) -> None:
    """Do what the machine's reasons ask for."""

    def step() -> bool:
        shape = site.machine(name)
        if shape["ready"] or shape["run"] is not None:
            return True
        action = (shape["why"] or {}).get("action")
        if action:
            site.post(f"{action['target']}/{action['verb']}", {})
        return False

    wait_for(f"{name} ready", step)


def test_i12_a_machine_that_lost_its_power_is_interrupted_and_never_goes_on_by_itself(site: RealSite) -> None:
    printer, run = at_work(site, "K1", PRINT)
    executed = len(printer.executed())
    printer.power_cycle()
    wait_for("the interrupted run", lambda: state_of(site, run) == "interrupted")
    wait_for("the machine online again", lambda: site.machine("K1")["link"] == "online")
    shape = site.machine("K1")
    assert (shape["clearance"], shape["ready"], shape["run"]) == ("uncleared", False, None)
    moves = [line for line in printer.executed()[executed + 30 :] if line.startswith(("G0", "G1", "G28"))]
    assert moves == []
    assert printer.is_safe()


def test_what_does_not_fit_is_refused_at_its_line_and_never_starts(site: RealSite) -> None:
    site.add_machine("K1", "marlin")
    wide = PRINT.replace(b"X80 Y20.1", b"X280 Y20.1")
    assert wide != PRINT
    line = next(n for n, text in enumerate(wide.decode().splitlines(), 1) if "X280" in text)
    job = site.submit(wide, 1)
    why = wait_for("the verdict", lambda: refusal(site, job))
    assert f"line {line}" in why["sentence"]
    assert "X reaches 280" in why["sentence"]
    assert site.runs() == []
    explained = site.get(f"jobs/{job}/explain")
    assert [(verdict["machine"], verdict["fits"]) for verdict in explained["machines"]] == [("K1", False)]


def refusal(site: RealSite, job: str) -> Any:
    why = site.get(f"jobs/{job}")["why"]
    return why if why and why["code"] == "no-machine-fits" else None


def test_a_mill_that_stands_otherwise_than_the_gate_assumed_refuses_the_run(site: RealSite) -> None:
    """A G92 of somebody before, or a touched-off G54 that nobody entered, would drive the tool elsewhere."""
    mill = site.add_machine("M1", "grbl")
    site.post("machines/M1/command", {"text": "G92 X10"})
    site.submit(MILLING, 1)
    run = wait_for("the refusal", lambda: [run for run in site.runs() if run["state"] == "refused"])[-1]
    assert "G92 is set (X " in run["reason"]
    assert "Clear it with G92.1" in run["reason"]
    [job] = site.get("jobs")
    wait_for("the job to be held after three refusals", lambda: site.get(f"jobs/{job['code']}")["state"] == "held")
    assert {run["state"] for run in site.runs()} == {"refused"}
    assert site.machine("M1")["clearance"] == "clear"
    assert [part["state"] for part in site.get(f"parts?run={run['code']}")] == ["unmade"]
    assert program_lines(mill, MILLING) == []
    site.post("machines/M1/command", {"text": "G92.1"})
    refused_by_offset(site, job["code"])
    site.post("machines/M1/setup", {"setup": {"offsets_mm": {"G54": [-250, -150, -20]}}})
    site.post(f"jobs/{job['code']}/release", {})
    wait_for("the run to finish", lambda: any(run["state"] == "finished" for run in site.runs()))
    assert program_lines(mill, MILLING) == executed_lines("grbl", MILLING)
    assert site.machine("M1")["link"] == "online"


def refused_by_offset(site: RealSite, job: str) -> None:
    """Enter a set-up that the machine does not have; the link stays as it is."""
    before = len(site.runs())
    site.post("machines/M1/setup", {"setup": {"offsets_mm": {"G54": [-240, -150, -20]}}})
    site.post(f"jobs/{job}/release", {})
    wait_for("three more refusals", lambda: len(site.runs()) == before + 3 and not site.runs(active="true"))
    reasons = [run["reason"] for run in site.runs() if "G54 on the machine" in run["reason"]]
    assert len(reasons) == 3
    assert "X -250.000" in reasons[0]
    assert "the set-up says X -240.000" in reasons[0]
