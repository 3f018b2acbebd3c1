"""The pretend machines and the compiled core read the same program and must agree: time, way, end.

Neither uses the other's code, so that a disagreement finds the one that is wrong.
"""

from __future__ import annotations

import random

import pytest
from fleetctl_plugins.grbl.simulator import simulator as grbl
from fleetctl_plugins.marlin.simulator import MarlinSimulator
from fleetctl_plugins.marlin.simulator import simulator as marlin

from fleetctl.gcode import analyze
from fleetctl.gcode.limits import MotionLimits
from fleetctl.sim.machine import SimulatedMachine

from .rig import Rig

MILL = MotionLimits(
    max_feed_mm_s=(5000 / 60, 5000 / 60, 25.0, 25.0),
    max_accel_mm_s2=(300.0, 300.0, 150.0, 150.0),
    junction_deviation_mm=0.02,
    start_mm=(0.0, 0.0, 0.0),
)
PRINTER = MotionLimits(
    max_feed_mm_s=(300.0, 300.0, 10.0, 60.0),
    max_accel_mm_s2=(2000.0, 2000.0, 100.0, 5000.0),
    accel_mm_s2=1000.0,
    travel_accel_mm_s2=1500.0,
    retract_accel_mm_s2=2000.0,
    junction_deviation_mm=0.02,
)


def cutting(seed: int) -> list[str]:
    """Pockets of straight lines and arcs between rapids."""
    pick = random.Random(seed)
    lines = ["G21 G90 G17 G94", "S8000 M3"]
    for _ in range(20):
        x, y = pick.uniform(10, 100), pick.uniform(10, 100)
        lines += [
            f"G0 X{x:.3f} Y{y:.3f}",
            "G1 Z-2 F300",
            f"G1 X{x + pick.uniform(1, 30):.3f} F{pick.randint(300, 2000)}",
        ]
        lines += [
            f"G{pick.choice('23')} Y{y + 8:.3f} J4",
            f"G1 X{x:.3f}",
            f"G91 G1 Y{-pick.uniform(1, 9):.3f}",
            "G90 G0 Z5",
        ]
    return [*lines, "G0 X3 Y4", "M5", "M30"]


def printing(seed: int) -> list[str]:
    """Zigzags of many lengths with retractions."""
    pick = random.Random(seed)
    lines = ["G21", "G90", "M83", "G28", "M204 P1000 T1500 R2000"]
    for layer in range(10):
        lines += [f"G1 Z{0.3 * (layer + 1):.2f} F600", "G1 E2 F1800"]
        for _ in range(30):
            lines.append(
                f"G1 X{pick.uniform(5, 200):.2f} Y{pick.uniform(5, 200):.2f} E{pick.uniform(0.1, 3):.4f} F3600"
            )
        lines += ["G1 E-2 F1800", f"G1 X{pick.uniform(5, 200):.2f} Y10 F9000"]
    return [*lines, "M400"]


def run(machine: SimulatedMachine, program: list[str]) -> float:
    """Ping-pong at no delay; machine seconds until the last answer."""
    host = Rig(machine)
    for text in program:
        said = host.send(text)
        if not any(line.startswith("ok") for line in said):
            host.until("ok")
    return host.now_s


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cutting_takes_the_time_the_core_plans(seed: int) -> None:
    program = cutting(seed)
    facts = analyze("\n".join(program).encode(), dialect="grbl", machine=MILL)
    machine = grbl(seed)
    assert run(machine, program) == pytest.approx(facts.duration_s, rel=0.03)
    assert machine.position_mm == (3, 4, 5) and machine.executed.count == len(program)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_printing_takes_the_time_the_core_plans(seed: int) -> None:
    program = printing(seed)
    facts = analyze("\n".join(program).encode(), dialect="marlin", machine=PRINTER)
    machine = marlin(seed)
    machine.hotends[0].set_target(200, 0.0)
    machine.elapse(300.0)
    homing_s = 3 * 2.0
    assert run(machine, program) - 300 - homing_s == pytest.approx(facts.duration_s, rel=0.002)
    assert isinstance(machine, MarlinSimulator) and machine.motion.bounds_mm is not None
    assert machine.motion.bounds_mm[1] == pytest.approx(facts.bounds_mm[1])
