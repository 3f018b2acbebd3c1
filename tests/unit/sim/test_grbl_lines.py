"""What the pretend Grbl reads, refuses and remembers, line by line."""

from __future__ import annotations

import math

import pytest
from fleetctl_plugins.grbl.simulator import simulator

from fleetctl.errors import UsageError

from .rig import Rig


@pytest.fixture
def host() -> Rig:
    return Rig(simulator(7, eeprom_write_s=0.0))


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", "ok"),
        ("G0 X1 Y2", "ok"),
        ("g0x1y2", "ok"),
        ("/G0 X1", "ok"),  # block delete is swallowed: the line runs
        ("X1 Y2", "ok"),
        ("%", "error:1"),
        ("G0 X", "error:2"),
        ("5 X1", "error:1"),
        ("$nonsense", "error:3"),
        ("$999=1", "error:3"),
        ("$110=", "error:3"),
        ("$110=abc", "error:2"),
        ("$110=-5", "error:4"),
        ("$0=1", "error:6"),
        ("G0 X1 F-5", "error:4"),
        ("G0 " + "X1" * 40, "error:11"),
        ("G5 X1", "error:20"),
        ("M6", "error:20"),
        ("M7", "error:20"),
        ("M98", "error:20"),
        ("Q1", "error:20"),
        ("G17.5", "error:20"),
        ("G0 G1 X1 F5", "error:21"),
        ("G90 G91", "error:21"),
        ("M3 M5", "error:21"),
        ("G1 X1", "error:22"),
        ("M3.5", "error:23"),
        ("T1.5", "error:23"),
        ("G10 G0 X1", "error:24"),
        ("G0 X1 X2", "error:25"),
        ("G92", "error:26"),
        ("G2 F100 I5", "error:26"),
        ("N10000000 G0 X1", "error:27"),
        ("G4", "error:28"),
        ("G10 L2 X1", "error:28"),
        ("G10 L2 P7 X1", "error:29"),
        ("G53 G2 X1 Y1 I1 F100", "error:30"),
        ("G80 X1", "error:31"),
        ("G2 Z5 I5 F100", "error:32"),
        ("G2 X10 Y0 I3 F100", "error:33"),
        ("G2 X10 R2 F100", "error:34"),
        ("G2 X10 Y0 F100", "error:35"),
        ("G0 X1 P5", "error:36"),
        ("G43.1 X5", "error:37"),
    ],
)
def test_every_line_has_its_answer(host: Rig, line: str, answer: str) -> None:
    assert host.send(line)[-1] == answer


def test_a_refused_line_changes_nothing(host: Rig) -> None:
    before = host.send("$G") + host.send("$#")
    assert host.send("G20 G91 M3 S500 F100 G1 X1 P5") == ["error:36"]
    assert host.send("$G") + host.send("$#") == before


def test_the_modes_are_told(host: Rig) -> None:
    host.send("G20 G91 G18 G55 M3 S500 F10 T2")
    assert host.send("$G")[0] == "[GC:G0 G55 G18 G20 G91 G94 M3 M9 T2 F10 S500]"
    host.send("M2")
    assert host.send("$G")[0] == "[GC:G1 G54 G17 G20 G90 G94 M5 M9 T2 F10 S500]"


def test_coordinates_in_all_their_ways(host: Rig) -> None:
    machine = host.machine
    host.send("G10 L2 P1 X10 Y20")
    host.send("G0 X1 Y1")
    host.wait(10)
    assert machine.position_mm == (11, 21, 0)
    host.send("G53 G0 X5")
    host.send("G91 G0 X2")
    host.send("G90 G92 Y0")
    host.send("G0 Y3")
    host.wait(10)
    assert machine.position_mm == (7, 24, 0)
    host.send("G10 L20 P1 X0")
    host.send("G92.1")
    host.send("G20 G0 X1")
    host.wait(10)
    assert machine.position_mm == pytest.approx((32.4, 24, 0))
    host.send("G43.1 Z1")
    assert "[TLO:25.400]" in host.send("$#")


def test_g28_goes_by_way_of_the_point(host: Rig) -> None:
    host.send("G0 X5")
    host.wait(5)
    host.send("G28.1")
    host.send("G0 X50 Z10")
    host.wait(10)
    host.send("G28 Z20")
    host.wait(20)
    assert host.machine.position_mm == (50, 0, 0), "only the named axis goes on to the stored position"
    host.send("G28")
    host.wait(20)
    assert host.machine.position_mm == (5, 0, 0)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["G1 X10 F600"], 1 + 10 / 300),  # 10 mm at 10 mm/s and 300 mm/s2
        (["G0 X100"], 100 / (5000 / 60) + (5000 / 60) / 300),
        (["G1 Z-10 F6000"], 10 / 25 + 25 / 150),  # Z: 1500 mm/min, 150 mm/s2
        (["G2 X0 Y0 I10 F600"], 2 * math.pi + 10 / 300),
        (["G93", "G1 X10 F6"], 10 + 1 / 300),  # 6 per minute: 10 s
        (["G4 P2.5"], 2.5),
    ],
)
def test_motion_takes_the_time_computed_by_hand(host: Rig, lines: list[str], seconds: float) -> None:
    for line in lines[:-1]:
        assert host.send(line) == ["ok"]
    host.send(lines[-1])
    if host.send("G4 P0") == []:
        host.until("ok")
    while host.machine.next_deadline() is not None:
        host.until("ok")
    assert host.now_s == pytest.approx(seconds)


def test_arcs_pass_their_extreme_and_end_where_told(host: Rig) -> None:
    host.send("G2 X20 Y0 I10 J0 F600")
    host.wait(math.pi / 2 + 10 / 300 / 2)
    assert host.machine.position_mm == pytest.approx((10, 10, 0), abs=0.2)
    host.wait(10)
    assert host.machine.position_mm == pytest.approx((20, 0, 0))


def test_a_probe_finds_the_surface_or_alarms() -> None:
    host = Rig(simulator(7, probe_z_mm=-12.5))
    host.send("G38.2 Z-20 F600")
    assert host.until("ok") == ["[PRB:0.000,0.000,-12.500:1]", "ok"]
    host.send("G0 Z0")
    host.send("G38.2 Z-5 F600")
    assert host.until("ALARM") == ["ok", "ALARM:5"] or host.machine.activity == "alarm"


def test_settings_are_told_and_written(host: Rig) -> None:
    settings = host.send("$$")
    assert "$110=5000.000" in settings and "$22=0" in settings and settings[-1] == "ok"
    assert host.send("$22=1") == ["ok"] and host.send("$20=1") == ["ok"]
    assert host.send("$22=0") == ["ok"] and "$20=0" in host.send("$$")
    assert host.send("$RST=$") == ["[MSG:Restoring defaults]", "ok"]


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="no setting"):
        simulator(7, settings="999=1")


def test_the_spindle_turns_only_after_what_was_queued_before(host: Rig) -> None:
    host.send("G1 X10 F600")
    assert host.send("M3 S1000") == [] and host.machine.outputs["spindle"] == 0
    assert host.until("ok") == ["ok"] and host.machine.outputs["spindle"] == 1000
    host.send("M8")
    assert host.machine.outputs["flood"] == 1
    host.send("M5 M9")
    assert host.machine.is_safe
