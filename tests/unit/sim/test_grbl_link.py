"""The pretend Grbl's link and states: buffer, real-time bytes, holds, alarms, resets, reports."""

from __future__ import annotations

import pytest
from fleetctl_plugins.grbl.simulator import GrblSimulator, as_executed, simulator

from fleetctl.sim.record import digest

from .rig import Rig


def rig(**options: object) -> tuple[Rig, GrblSimulator]:
    machine = simulator(7, **options)
    return Rig(machine), machine


def state(host: Rig) -> str:
    """State of a report asked for now."""
    report = host.send(b"?")[0]
    assert report.startswith("<") and report.endswith(">")
    return report[1:-1].split("|")[0]


HOMING = "20=1,22=1"


def test_it_greets_and_tells_its_buffers() -> None:
    host, _ = rig()
    assert host.banner == ["", "Grbl 1.1h ['$' for help]"]
    assert host.send("$I") == ["[VER:1.1h.20190830:]", "[OPT:V,15,128]", "ok"]


def test_each_terminator_is_a_line() -> None:
    host, _ = rig()
    assert host.send(b"G21\r\n") == ["ok", "ok"]
    assert host.send(b"G21\n") == ["ok"]
    assert host.send(b"(nothing)\n") == ["ok"]


def test_fifteen_blocks_then_128_bytes_then_silence() -> None:
    host, machine = rig()
    for index in range(15):
        assert host.send(f"G1 X{index + 1} F60") == ["ok"]
    assert host.send("G1 X20") == []  # being carried out: not in the buffer
    line = b"G1 X21 F60\n"
    assert host.send(line * 11) == []  # 121 of 128 bytes
    assert machine.lost_bytes == 0 and machine.free_rx_bytes() == 7
    assert host.send(line) == [] and machine.lost_bytes == 4
    said = host.until("ok")
    assert said == ["ok"] and machine.planner.finished == 1
    assert machine.free_rx_bytes() == 11  # the next line has left the full buffer and waits for room


def test_real_time_bytes_are_taken_out_anywhere() -> None:
    host, machine = rig()
    said = host.send(b"G1 X5 (is it? ) F\x90600\n")
    assert said[0].startswith("<Idle|") and said[1:] == ["ok"]
    assert machine.executed.tail[-1] == "G1X5F600"
    assert host.send("G1 X9 (Ä is a door)".encode() + b"\n") == []
    assert machine.state == "Door"


def test_a_full_buffer_still_hears_real_time_bytes() -> None:
    host, machine = rig()
    for index in range(16):
        host.send(f"G1 X{index + 1} F60")
    host.send(b"G1 X30 F60\n" * 12)
    assert state(host) == "Run" and machine.lost_bytes > 0
    host.send(b"!")
    assert state(host).startswith("Hold")


def test_hold_then_resume_keeps_every_line() -> None:
    host, machine = rig()
    host.send("M3 S1000")
    host.send("G1 X10 F600")
    host.wait(0.5)
    assert host.send(b"!") == [] and state(host) == "Hold:1"
    host.wait(0.1)
    assert state(host) == "Hold:0"
    at = machine.position_mm[0]
    assert 4 < at < 6 and host.send("G1 X0") == []  # not read while holding
    host.wait(50)
    assert machine.position_mm[0] == at and machine.outputs["spindle"] == 1000
    assert host.send(b"~") == ["ok"] and state(host) == "Run"
    host.wait(5)
    assert state(host) == "Idle" and machine.position_mm[0] == 0


def test_a_reset_in_motion_alarms_and_at_rest_keeps_the_position() -> None:
    host, machine = rig()
    host.send("M3 S1000")
    host.send("G1 X10 F600")
    host.wait(0.5)
    assert host.send(b"\x18") == ["ALARM:3", "", "Grbl 1.1h ['$' for help]", "[MSG:'$H'|'$X' to unlock]"]
    assert machine.is_safe and host.send("G1 X0 F100") == ["error:9"]
    assert host.send("$X") == ["[MSG:Caution: Unlocked]", "ok"] and state(host) == "Idle"
    host.send("G1 X8 F600")
    host.wait(5)
    assert host.send(b"\x18") == ["", "Grbl 1.1h ['$' for help]"]
    assert machine.position_mm[0] == 8


def test_a_hold_that_has_come_to_rest_may_be_reset_without_alarm() -> None:
    host, _ = rig()
    host.send("G1 X10 F600")
    host.wait(0.5)
    host.send(b"!")
    host.wait(1)
    assert "ALARM:3" not in host.send(b"\x18") and state(host) == "Idle"


def test_homing_lock_homing_and_silence_meanwhile() -> None:
    host, machine = rig(settings=HOMING, start_mm=(-100.0, -50.0, -30.0))
    assert host.banner[-1] == "[MSG:'$H'|'$X' to unlock]" and state(host) == "Alarm"
    assert host.send("G0 X1") == ["error:9"]
    assert host.send("$H") == [] and host.send(b"?") == [] and host.send("$G") == []
    said = host.until("ok")
    assert said[0].startswith("<Idle|MPos:-1.000,-1.000,-1.000") and said[1] == "ok"
    # Z then XY at 25 mm/s, each with 4 pull-offs of 1 mm at 100 mm/min and 4 debounces of 0.25 s
    assert host.now_s == pytest.approx(29 / 25 + 99 / 25 + 2 * (4 * 0.6 + 1.0))
    assert machine.position_mm == (-1, -1, -1)
    assert host.send("$H") == [] and machine.state == "Home"
    assert host.send(b"\x18")[0] == "ALARM:6"


def test_homing_without_switches_is_refused() -> None:
    host, _ = rig()
    assert host.send("$H") == ["error:5"] and host.send("$20=1") == ["error:10"]


def test_reports_while_homing_as_an_option() -> None:
    host, _ = rig(settings=HOMING, report_while_homing=True)
    host.send("$H")
    assert state(host) == "Home"


def test_a_soft_limit_comes_to_rest_then_wants_a_reset() -> None:
    host, machine = rig(settings=HOMING)
    host.send("$H")
    host.until("ok")
    host.send("M3 S500")
    host.send("G1 X-50 F600")
    host.wait(1)
    assert host.send("G1 X-400") == [] and state(host) == "Hold:1"
    assert host.until("ALARM") == ["ALARM:2", "[MSG:Reset to continue]"]
    assert machine.is_safe and -50 < machine.position_mm[0] < -1
    assert host.send(b"?") == [] and host.send("$X") == []
    assert host.send(b"\x18")[-1] == "[MSG:'$H'|'$X' to unlock]"
    assert host.send("$X")[-1] == "ok" and machine.executed.count == 3


def test_a_hard_limit_stops_dead() -> None:
    host, machine = rig()
    host.send("G1 X10 F600")
    host.wait(0.5)
    machine.inject("hard-limit", host.now_s)
    assert host.lines() == ["ALARM:1", "[MSG:Reset to continue]"]
    assert host.send(b"~") == [] and host.wait(10) == [] and machine.critical


def test_m0_blocks_until_cycle_start() -> None:
    host, machine = rig()
    host.send("G1 X10 F600")
    assert host.send("M0") == []
    host.wait(5)
    assert state(host) == "Hold:0" and host.send("G1 X0") == [] and host.wait(100) == []
    assert host.send(b"~") == ["ok", "ok"] and machine.position_mm[0] == 10


def test_the_door_parks_the_spindle_and_brings_it_back() -> None:
    host, machine = rig()
    host.send("M3 S1000")
    host.send("M8")
    host.send("G1 X100 F600")
    host.wait(1)
    host.send(b"\x84")
    assert state(host) == "Door:2" and machine.is_safe
    host.wait(1)
    assert state(host) == "Door:0"
    host.send(b"~")
    assert state(host) == "Door:3"
    host.wait(4)
    assert state(host) == "Run" and machine.outputs == {"spindle": 1000, "flood": 1, "mist": 0}


def test_jogging_its_cancel_and_its_own_errors() -> None:
    host, machine = rig(settings=HOMING)
    host.send("$X")
    machine.reset(host.now_s)
    host.lines()
    host.send("$H")
    host.until("ok")
    assert host.send("$J=G91 X-50 F1000") == ["ok"] and state(host) == "Jog"
    assert host.send("G0 X-5") == ["error:9"]
    host.wait(0.5)
    host.send(b"\x85")
    host.wait(0.2)
    assert state(host) == "Idle" and -20 < machine.position_mm[0] < -5
    assert host.send("$G")[0] == "[GC:G0 G54 G17 G21 G90 G94 M5 M9 T0 F0 S0]"
    assert host.send("$J=X9999 F100") == ["error:15"] and host.send("$J=X1") == ["error:22"]
    assert host.send("$J=G2 X-5 F100") == ["error:16"]
    assert host.send(b"\x85") == [] and state(host) == "Idle"


def test_a_jog_that_waits_for_room_runs_after_the_cancel() -> None:
    host, _ = rig()
    for _ in range(15):
        host.send("$J=G91 X1 F60")
    assert host.send("$J=G91 X1 F60") == []
    host.wait(0.5)
    host.send(b"\x85")
    assert host.until("ok") == ["ok"]
    assert state(host) == "Jog"


def test_check_mode_reads_without_moving_and_leaves_by_a_reset() -> None:
    host, machine = rig()
    assert host.send("$C") == ["[MSG:Enabled]", "ok"] and state(host) == "Check"
    assert host.send("G1 X10 F600") == ["ok"] and host.send("G1 Q5") == ["error:20"]
    assert host.send("M30") == ["ok"]
    assert host.send("$C")[:2] == ["[MSG:Disabled]", "ok"]
    assert state(host) == "Idle" and machine.position_mm == (0, 0, 0) and machine.executed.count == 0
    assert machine.maker.parts_made == 0


def test_sleep_wakes_only_by_reset() -> None:
    host, machine = rig()
    host.send("M3 S1000")
    host.send("$SLP")
    assert state(host) == "Sleep" and machine.is_safe
    assert host.send("G0 X1") == [] and host.send(b"~") == []
    assert host.send(b"\x18")[-1].startswith("Grbl") and state(host) == "Idle"


def test_overrides() -> None:
    host, machine = rig()
    host.send("M3 S1000")
    host.send("G1 X100 F600")
    host.send(b"\x91\x91")  # in one moment: one step
    host.wait(0.01)
    host.send(b"\x91\x94\x96\x9a")
    assert machine.override_percent == {"feed": 119, "rapid": 50, "spindle": 110}
    assert "|Ov:119,50,110|A:S>" in "".join(host.send(b"?") + host.send(b"?"))
    assert machine.outputs["spindle"] == pytest.approx(1100)
    host.wait(5)
    assert machine.position_mm[0] == pytest.approx(59.5, abs=0.2)
    host.send("G4 P0\nM30")
    host.until("[MSG:Pgm End]")
    assert machine.override_percent == {"feed": 100, "rapid": 100, "spindle": 100}


def test_the_report_tells_offsets_and_overrides_in_turn() -> None:
    host, _ = rig(work_mm=(-10.0, -20.0, -5.0))
    reports = [host.send(b"?")[0] for _ in range(12)]
    assert reports[0] == "<Idle|MPos:0.000,0.000,0.000|FS:0,0|WCO:-10.000,-20.000,-5.000>"
    assert reports[1] == "<Idle|MPos:0.000,0.000,0.000|FS:0,0|Ov:100,100,100>"
    assert all("WCO" not in report for report in reports[1:10]) and "WCO" in reports[10]
    host.send("$10=2")
    host.wait(1)
    assert host.send(b"?")[0].startswith("<Idle|WPos:10.000,20.000,5.000|Bf:15,128|FS:0,0")


@pytest.mark.parametrize(
    ("on", "letter", "off"),
    [("M3 S1000", "S", "M5"), ("M4 S1000", "C", "M5"), ("M8", "F", "M9"), ("M3 S1", "S", "M30")],
)
def test_what_is_switched_on_is_told_by_the_next_report(on: str, letter: str, off: str) -> None:
    """Not only when the overrides are due again, seconds later."""
    host, _ = rig()
    for _ in range(3):
        host.send(b"?")
    host.send(on)
    host.wait(0.1)
    assert f"|A:{letter}" in host.send(b"?")[0]
    assert "|Ov:" not in host.send(b"?")[0]
    host.send(off)
    host.wait(0.1)
    told = host.send(b"?")[0]
    assert "|Ov:" in told and "|A:" not in told


def test_a_board_that_writes_its_memory_is_deaf() -> None:
    host, machine = rig()
    assert host.send("G10 L2 P1 X-5") == []
    host.send("G0 X1")
    assert machine.lost_bytes == 6
    assert host.until("ok") == ["ok"] and host.now_s == pytest.approx(0.02)
    assert machine.offsets.work[0] == (-5, 0, 0)


def test_parts_are_made_at_the_end_of_a_program_that_cut() -> None:
    host, machine = rig(parts_per_program=3)
    host.send("M30")
    assert machine.maker.parts_made == 0
    host.send("G1 X10 F600")
    host.send("M30")
    assert host.until("ok")[-2:] == ["[MSG:Pgm End]", "ok"]
    assert [part.index for part in machine.made] == [0, 1, 2] and machine.is_safe


def test_a_power_cycle_forgets_position_and_keeps_the_memory() -> None:
    host, machine = rig()
    host.send("G10 L2 P2 X-7")
    host.until("ok")
    host.send("$110=4000")
    host.until("ok")
    host.send("G1 X10 F600")
    host.wait(5)
    machine.reset(host.now_s)
    assert host.lines()[1].startswith("Grbl")
    assert "MPos:0.000" in host.send(b"?")[0] and machine.position_mm == (10, 0, 0)
    assert machine.offsets.work[1] == (-7, 0, 0) and machine.settings[110] == 4000


def test_the_record_compares_with_a_program() -> None:
    program = b"(made by hand)\ng21 g90\nG1 X5 F600 (slow)\n\nM30\n"
    host, machine = rig()
    for line in program.split(b"\n")[:-1]:
        host.send(line + b"\n")
    host.until("[MSG:Pgm End]")
    assert as_executed(program) == ["G21G90", "G1X5F600", "M30"]
    assert machine.executed.sha256 == digest(as_executed(program))
