"""What the demo promises before it is started: which machines, which order, and that some part is scrap."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fleetctl.model.profile import PROFILES, Envelope
from fleetctl.sim import demo_plan, sample
from fleetctl.sim.demo import Demo, Settings
from fleetctl.sim.parts import PartMaker, PartSpec


def defects(machine: demo_plan.Machine, count: int) -> list[int]:
    """Which of the first parts are out of tolerance, counted from 1."""
    spec = PartSpec(parts_per_program=count, defect_rate=demo_plan.DEFECT_RATE, nominal_mm=demo_plan.NOMINAL_MM)
    made = PartMaker(spec, machine.seed).make(0.0)
    return [part.part for part in made if abs(part.true_mm - demo_plan.NOMINAL_MM) > demo_plan.TOLERANCE_MM]


def test_six_machines_are_four_printers_and_two_mills_one_of_them_on_a_socket() -> None:
    machines = demo_plan.fleet(6)
    assert [machine.name for machine in machines] == ["K1", "K2", "K3", "K4", "M1", "M2"]
    assert [machine.driver for machine in machines] == ["marlin"] * 4 + ["grbl"] * 2
    assert [machine.name for machine in machines if machine.by_socket] == ["M2"]


def test_names_stay_unique_in_a_large_fleet() -> None:
    names = [machine.name for machine in demo_plan.fleet(60)]
    assert len(set(names)) == 60 and len({machine.seed for machine in demo_plan.fleet(60)}) == 60


@pytest.mark.parametrize("count", range(1, 7))
def test_each_line_of_the_order_has_a_machine(count: int) -> None:
    machines = demo_plan.fleet(count)
    kinds = {machine.kind for machine in machines}
    lines = demo_plan.order_for(machines)
    assert lines and {line.kind for line, _ in lines} == kinds


def test_the_sample_order_always_shows_scrap_and_its_remake() -> None:
    """However the dispatcher divides the clips, K3 and K4 make 12, at least four of them on K3: one is scrap."""
    machines = {machine.name: machine for machine in demo_plan.fleet(6)}
    assert {name: defects(machine, 8) for name, machine in machines.items()} == {
        "K1": [2],
        "K2": [],
        "K3": [4],
        "K4": [],
        "M1": [],
        "M2": [],
    }


def test_the_work_offset_lets_the_mill_reach_the_whole_part() -> None:
    envelope = PROFILES["generic-mill-3018"].envelope
    assert isinstance(envelope, Envelope)
    reach = {"X": (-1.5, 61.5), "Y": (-1.5, 41.5), "Z": (-3.0, sample.SAFE_MM)}
    for axis, (low, high) in enumerate(reach.values()):
        offset = sample.MILL_OFFSET_MM[axis]
        assert envelope.least_mm[axis] <= offset + low and offset + high <= envelope.greatest_mm[axis]
    assert not any(math.isnan(each) for each in sample.MILL_OFFSET_MM)


def test_ports_have_the_same_name_after_a_restart(tmp_path: Path) -> None:
    def ports() -> list[str]:
        demo = Demo(Settings(data=tmp_path), None, print)  # type: ignore[arg-type]
        return [demo.description(machine)["port"] for machine in demo_plan.fleet(6)]

    first = ports()
    (tmp_path / "demo" / "ports").mkdir(parents=True)
    (tmp_path / "demo" / "ports" / "K1").symlink_to("/dev/null")
    assert ports() == first
    assert first[0] == str(tmp_path / "demo" / "ports" / "K1") and first[5].startswith("socket://127.0.0.1:")
