"""What the pretend Marlin's commands do, and how long they take."""

from __future__ import annotations

import math

import pytest
from fleetctl_plugins.marlin.simulator import MarlinSimulator, simulator

from .rig import Rig


@pytest.fixture
def machine() -> MarlinSimulator:
    return simulator(7)


@pytest.fixture
def host(machine: MarlinSimulator) -> Rig:
    return Rig(machine)


def test_a_move_takes_the_time_computed_by_hand(host: Rig) -> None:
    host.send("M204 T1000")
    host.send("G1 X100 F6000")  # 100 mm at 100 mm/s and 1000 mm/s2: 1.1 s
    host.send("M400")
    host.until("ok")
    assert host.now_s == pytest.approx(1.1)


def test_a_slow_axis_limits_the_move(host: Rig) -> None:
    host.send("M201 Z1000")
    host.send("G1 Z20 F6000")  # Z at most 10 mm/s: 20 mm take 2 s and one ramp of 10/1000 s
    host.send("M400")
    host.until("ok")
    assert host.now_s == pytest.approx(2.01)


def test_an_arc_takes_the_time_of_its_length(host: Rig, machine: MarlinSimulator) -> None:
    host.send("G1 X50 Y50 F6000")
    host.send("M400")
    host.until("ok")
    began_s = host.now_s
    host.send("M204 P1000")
    host.send("G2 X50 Y50 I10 J0 F600")  # a full circle of radius 10 at 10 mm/s
    host.send("M400")
    host.until("ok")
    assert host.now_s - began_s == pytest.approx(2 * math.pi + 0.01)
    host.send("G3 X60 Y60 R10 F600")
    host.send("M400")
    host.until("ok")
    assert machine.position_mm == pytest.approx((60, 60, 0))


def test_homing_takes_time_and_ends_at_zero(host: Rig, machine: MarlinSimulator) -> None:
    host.send("G1 X100 Y50 Z20 F6000")
    host.send("M400")
    host.until("ok")
    began_s = host.now_s
    assert host.send("G28") == []
    assert host.until("ok")[-2].startswith("X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0")
    assert host.now_s - began_s == pytest.approx(100 / 50 + 50 / 50 + 20 / 10 + 3 * 2)
    assert machine.homed == {"X", "Y", "Z"} and machine.position_mm == (0, 0, 0)


def test_levelling_wants_a_homed_machine(host: Rig) -> None:
    assert host.send("G29") == ["echo:Home XYZ First", "ok"]
    host.send("G28")
    host.until("ok")
    host.send("G29")
    assert "Bilinear Leveling Grid:" in host.until("ok")


def test_soft_endstops_hold_a_homed_axis(host: Rig, machine: MarlinSimulator) -> None:
    host.send("G28")
    host.until("ok")
    host.send("G1 X500 Y-20 F9000")
    host.send("M400")
    host.until("ok")
    assert machine.position_mm == (220, 0, 0)


def test_m109_waits_for_ramp_and_residency_and_reports(host: Rig, machine: MarlinSimulator) -> None:
    assert host.send("M109 S200") == []
    said = host.until("ok")
    assert host.now_s == pytest.approx(120 * math.log(375 / 201) + 10)
    reports = [line for line in said if line.startswith(" T:")]
    assert len(reports) == int(host.now_s) and reports[0].endswith("W:?") and reports[-1].endswith("W:1")
    assert said.count("echo:busy: processing") == int(host.now_s / 2)
    assert host.send("M105")[0].startswith("ok T:200.00 /200.00")
    assert not machine.is_safe


def test_m108_ends_a_heat_wait_and_keeps_the_target(host: Rig, machine: MarlinSimulator) -> None:
    host.send("M190 S60")
    host.wait(10)
    assert host.send("M108") == ["ok", "ok"]  # one for M190, one for M108 itself
    assert machine.bed.target_degc == 60


def test_m109_r_waits_for_cooling_and_s_does_not(host: Rig, machine: MarlinSimulator) -> None:
    host.send("M109 S200")
    host.until("ok")
    assert host.send("M109 S100") == ["ok"]
    host.send("M109 R100")
    host.until("ok")
    assert machine.hotends[0].temperature(host.now_s) == pytest.approx(100, abs=1.1)


def test_m155_reports_by_itself(host: Rig) -> None:
    host.send("M155 S2")
    assert host.wait(7) == [" T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0"] * 3
    host.send("M155 S0")
    assert host.wait(7) == []


def test_cold_plastic_is_not_pushed(host: Rig, machine: MarlinSimulator) -> None:
    assert host.send("G1 X10 E5 F600") == ["echo: cold extrusion prevented", "ok"]
    host.send("M400")
    host.until("ok")
    assert machine.motion.extruded_mm == 0 and machine.position_mm == (10, 0, 0)


def test_m0_waits_for_a_person(host: Rig, machine: MarlinSimulator) -> None:
    said = host.send("M0")
    assert said[:2] == ["//action:prompt_end", "//action:prompt_begin M0 Stop"] and "ok" not in said
    assert host.wait(3) == ["echo:busy: paused for user"] and machine.activity == "paused for user"
    assert host.send("M108") == ["ok", "ok"]


def test_m1_with_a_text_asks_with_it_and_with_a_time_waits_no_longer(host: Rig, machine: MarlinSimulator) -> None:
    assert host.send("M1 Change it")[:3] == [
        "echo:Change it",
        "//action:prompt_end",
        "//action:prompt_begin Change it",
    ]
    assert host.send("M876 S0") == ["ok", "ok"]
    assert host.send("M1 S1")[1] == "//action:prompt_begin M1 Stop"
    assert host.wait(1.5) == ["ok"] and machine.activity == "idle"


def test_cold_extrusion_can_be_allowed(host: Rig, machine: MarlinSimulator) -> None:
    host.send("M302 S0")
    assert host.send("G1 X10 E5 F600") == ["ok"] and machine.motion.extruded_mm == 5
    host.send("M302 S170")
    assert host.send("G1 X20 E6") == ["echo: cold extrusion prevented", "ok"]


def test_the_position_is_reported_by_itself_where_the_build_has_it() -> None:
    host = Rig(simulator(7, autoreport_position=True))
    host.send("M155 S2")
    host.send("M154 S2")
    assert [line[:2] for line in host.wait(2.5)] == [" T", "X:"]
    host = Rig(simulator(7))
    assert host.send("M154 S2")[0].startswith("echo:Unknown command")


def test_m410_drops_what_is_planned_where_it_is(host: Rig, machine: MarlinSimulator) -> None:
    host.send("M204 T1000")
    host.send("G1 X100 F6000")
    host.send("G1 X200")
    host.wait(0.55)
    assert host.send("M410") == ["ok"]
    assert machine.position_mm[0] == pytest.approx(50) and machine.planner.queued == 0
    host.send("G91")
    host.send("G1 X10")
    host.wait(10)
    assert machine.position_mm[0] == pytest.approx(60)


def test_m410_also_drops_the_move_that_waits_for_room(host: Rig, machine: MarlinSimulator) -> None:
    for index in range(16):
        host.send(f"G1 X{10 + index} F60")
    assert host.send("M410") == ["ok", "ok"] and machine.planner.queued == 0
    assert host.wait(100) == [] and machine.position_mm == (0, 0, 0)


def test_units_relative_moves_and_g92(host: Rig, machine: MarlinSimulator) -> None:
    for line in ("G20", "G1 X1 F600", "G21", "G91", "G1 X4.6", "G90", "G92 X0", "G1 X10"):
        assert host.send(line) == ["ok"]
    assert host.send("M114")[0].startswith("X:10.00 Y:0.00")
    host.wait(60)
    assert machine.position_mm[0] == pytest.approx(40)


def test_fan_tool_and_unknown_words(host: Rig, machine: MarlinSimulator) -> None:
    host.send("M106 S128")
    assert machine.fan == 128 and machine.is_safe
    host.send("M107")
    assert machine.fan == 0
    assert host.send("T1") == ["echo:T1 Invalid extruder", "ok"]
    assert host.send("G5 X1") == ['echo:Unknown command: "G5 X1"', "ok"]
    assert host.send("hello") == ['echo:Unknown command: "hello"', "ok"]
    assert host.send("M118 E1 good day") == ["echo:good day", "ok"]


def test_a_plate_is_made_at_m84_after_printing_and_only_then(host: Rig, machine: MarlinSimulator) -> None:
    plates: list[int] = []
    machine.on_parts = lambda parts: plates.append(len(parts))
    host.send("M84")
    machine.hotends[0].set_target(200, 0.0)
    host.wait(200)
    host.send("G1 E5 F300")  # priming is not printing
    host.send("M84")
    host.until("ok")
    assert plates == []
    host.send("G1 X20 E8 F600")
    host.send("M84")
    host.until("ok")
    host.send("M84")
    assert plates == [1] and machine.made[0].run == 1
    host.send("G1 X40 E20 F600")
    host.wait(0.5)
    host.send("M410")
    host.send("M84")
    host.wait(5)
    assert plates == [1]


def test_a_power_cycle_forgets_the_position_but_not_where_the_tool_is(host: Rig, machine: MarlinSimulator) -> None:
    host.send("G1 X50 F6000")
    host.wait(5)
    machine.reset(host.now_s)
    host.lines()
    assert host.send("M114")[0].startswith("X:0.00") and machine.position_mm == (50, 0, 0)
    host.send("G28")
    host.until("ok")
    assert machine.position_mm == (0, 0, 0)
