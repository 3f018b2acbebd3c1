"""The pretend Marlin's link: numbers, checksums, resend, buffers, keep-alive, emergency parser, kill."""

from __future__ import annotations

import pytest
from fleetctl_plugins.marlin.simulator import MarlinSimulator, as_executed, simulator

from fleetctl.errors import UsageError
from fleetctl.sim.record import digest

from .rig import Rig, numbered


def rig(**options: object) -> tuple[Rig, MarlinSimulator]:
    machine = simulator(7, **options)
    return Rig(machine), machine


def test_it_greets_with_start_and_tells_its_capabilities() -> None:
    host, _ = rig()
    assert host.banner[0] == "start"
    answer = host.send("M115")
    assert answer[0].startswith("FIRMWARE_NAME:Marlin 2.1") and "UUID:" in answer[0]
    assert "Cap:EMERGENCY_PARSER:1" in answer and "Cap:AUTOREPORT_TEMP:1" in answer and answer[-1] == "ok"
    assert "Cap:EMERGENCY_PARSER:0" in rig(emergency_parser=False)[0].send("M115")


def test_a_boot_that_takes_time_hears_nothing_before_its_banner() -> None:
    host, _ = rig(boot_s=3.0)
    assert host.banner == [] and host.send("M105") == []
    assert host.until("start")[0] == "start" and host.now_s == 3.0
    assert host.send("M105")[0].startswith("ok T:25.00 /0.00 B:25.00 /0.00 @:0 B@:0")


def test_good_numbers_and_sums_are_taken() -> None:
    host, machine = rig()
    assert host.send(numbered(1, "G21")) == ["ok"]
    assert host.send(numbered(2, "G90")) == ["ok"]
    assert machine.last_number == 2 and list(machine.executed.tail) == ["G21", "G90"]


def test_a_wrong_checksum_is_asked_for_again_and_not_executed() -> None:
    host, machine = rig()
    host.send(numbered(1, "G21"))
    broken = numbered(2, "G90").replace(b"G90", b"G91")
    assert host.send(broken) == ["Error:checksum mismatch, Last Line: 1", "Resend: 2", "ok"]
    assert host.send(numbered(2, "G90")) == ["ok"]
    assert list(machine.executed.tail) == ["G21", "G90"] and machine.resends == 1


def test_a_missing_line_is_asked_for() -> None:
    host, machine = rig()
    answer = host.send(numbered(2, "G90"))
    assert answer == ["Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok"]
    assert machine.executed.count == 0


def test_a_repeated_line_is_not_executed_twice() -> None:
    host, machine = rig(firmware="marlin1")
    host.send(numbered(1, "G91"))
    assert host.send(numbered(1, "G91"))[1] == "Resend: 2"
    assert machine.executed.count == 1


def test_marlin_2_1_2_drops_the_last_two_numbers_without_a_word() -> None:
    host, machine = rig()
    for number in (1, 2, 3):
        host.send(numbered(number, "G91"))
    assert host.send(numbered(3, "G91")) == host.send(numbered(2, "G91")) == []
    assert host.send(numbered(1, "G91"))[1] == "Resend: 4"
    assert machine.executed.count == 3


def test_a_backslash_is_dropped_before_the_checksum_is_looked_at() -> None:
    host, machine = rig()
    assert host.send(numbered(1, "M117 a\\b"))[0] == "Error:checksum mismatch, Last Line: 0"
    assert host.send("M117 a\\b") == ["ok"]
    assert machine.heard.tail[-1] == "M117 ab"


def test_what_arrives_in_one_burst_with_a_bad_line_is_thrown_away_with_it() -> None:
    for bursts, requests in ((True, 1), (False, 3)):
        host, _ = rig(usb_bursts=bursts)
        said = host.send("N1 G91*0\n" + "\n".join(numbered(number, "G91").decode().strip() for number in (2, 3)))
        assert said.count("Resend: 1") == requests


def test_a_number_without_a_checksum_is_refused() -> None:
    host, _ = rig()
    assert host.send("N1 G21")[0] == "Error:No Checksum with line number, Last Line: 0"


def test_the_variant_without_ok_after_resend() -> None:
    host, _ = rig(resend_ok=False)
    assert host.send(numbered(5, "G21"))[-1] == "Resend: 1"


def test_m110_takes_the_second_number_and_restarts_the_count() -> None:
    host, machine = rig()
    assert host.send(numbered(0, "M110 N41")) == ["ok"]
    assert machine.last_number == 41
    assert host.send(numbered(42, "G21")) == ["ok"]
    assert host.send("M110 N6") == ["ok"] and machine.last_number == 6


def test_comments_empty_lines_and_carriage_returns_get_no_answer() -> None:
    host, machine = rig()
    assert host.send(b"\n\r\n; only a comment\n   \n") == []
    assert host.send(b"G21 ; mm\r\n") == ["ok"]
    assert list(machine.executed.tail) == ["G21"]


def test_moves_are_acknowledged_when_queued_until_the_planner_is_full() -> None:
    host, machine = rig()
    for index in range(15):
        assert host.send(f"G1 X{10 + index * 10} F60") == ["ok"]
    assert host.send("G1 X200 F60") == []
    said = host.until("ok")
    assert host.now_s == pytest.approx(10, abs=0.1)  # the first move: 10 mm at 1 mm/s
    assert [line for line in said if line != "ok"] == ["echo:busy: processing"] * 5
    assert machine.planner.finished == 1


def test_four_commands_and_the_receive_ring_then_bytes_are_lost() -> None:
    host, machine = rig()
    for index in range(15):
        host.send(f"G1 X{10 + index * 10} F60")
    assert host.send("G1 X170 F60\nG1 X180 F60\nG1 X190 F60\nG1 X200 F60") == []
    host.send(b"M106 S100\n" * 12)  # 120 of 128 bytes
    assert machine.lost_bytes == 0
    host.send(b"M106 S100\n")
    assert machine.lost_bytes == 2
    host.send("M107")
    assert machine.lost_bytes == 2 + 5


def test_what_waits_in_the_ring_is_executed_in_order_when_there_is_room() -> None:
    host, machine = rig()
    host.send("G4 S10")
    waiting = [f"M106 S{index}" for index in range(1, 13)]
    host.send("".join(f"{text}\n" for text in waiting))
    assert machine.executed.count == 1 and machine.lost_bytes == 0
    assert host.wait(10).count("ok") == 13
    assert list(machine.executed.tail) == ["G4 S10", *waiting] and machine.fan == 12


def test_an_error_throws_away_what_waits_in_the_ring() -> None:
    host, machine = rig()
    host.send("G4 S10")
    host.send("M106 S1\nM106 S2\nM106 S3")
    host.send(numbered(5, "M106 S4") + b"M106 S5\n" * 3)
    said = host.wait(10)
    assert said.count("Resend: 1") == 1 and machine.fan == 3 and list(machine.executed.tail)[-1] == "M106 S3"


def test_an_advanced_ok_tells_number_and_room() -> None:
    host, _ = rig(advanced_ok=True)
    assert host.send(numbered(1, "G21")) == ["ok N1 P15 B4"]
    assert host.send(numbered(2, "G1 X50 F600")) == ["ok N2 P14 B4"]


def test_m113_sets_the_keep_alive() -> None:
    host, _ = rig()
    host.send("M113 S5")
    host.send("G4 S12")
    assert host.until("ok") == ["echo:busy: processing"] * 2 + ["ok"] and host.now_s == 12
    host.send("M113 S0")
    host.send("G4 S12")
    assert host.until("ok") == ["ok"]


def test_the_emergency_parser_acts_at_once_on_numbered_lines_too() -> None:
    host, machine = rig()
    host.send("M109 S200")
    for filler in range(3):
        host.send(f"M117 wait {filler}")
    host.wait(5.0)
    answer = host.send(numbered(1, "M112"))
    assert answer == ["echo:M112 Shutdown", "Error:Printer halted. kill() called!", "//action:poweroff"]
    assert machine.killed and machine.is_safe and machine.next_deadline() is None


def test_without_emergency_parser_a_stuck_queue_hides_m112() -> None:
    host, machine = rig(emergency_parser=False)
    host.send("M109 S200")
    for filler in range(3):
        host.send(f"M117 wait {filler}")
    host.send("M112")
    assert not machine.killed and not machine.is_safe
    other, second = rig(emergency_parser=False)
    other.send("M109 S200")
    other.send("M112")  # room in the queue: read early, because it begins with M
    assert second.killed


def test_a_killed_machine_is_deaf_until_it_is_reset() -> None:
    host, machine = rig()
    host.send("M140 S60")
    host.send("M112")
    assert host.send("M105") == [] and host.wait(100) == []
    machine.reset(host.now_s)
    assert host.lines()[0] == "start" and machine.resets == 1 and machine.last_number == 0
    assert host.send("M105")[0].startswith("ok T:")


def test_the_queue_and_the_ring_are_lost_in_a_reset() -> None:
    host, machine = rig()
    host.send("G4 S100")
    host.send("M106 S255\nM106 S255\nM106 S255\nM106 S255\n")
    machine.reset(host.now_s)
    host.lines()
    assert host.wait(200) == [] and machine.fan == 0


def test_faults_of_the_machine() -> None:
    host, machine = rig()
    host.send("M104 S200")
    machine.inject("thermal", 5.0)
    said = host.lines()
    assert said[0] == "Error:Thermal Runaway, system stopped! Heater_ID: 0" and machine.killed and machine.is_safe
    with pytest.raises(UsageError, match="knows thermal"):
        machine.inject("flat tyre", 6.0)


def test_after_a_stop_moves_are_refused_until_m999() -> None:
    host, machine = rig()
    machine.inject("stop", 0.0)
    host.lines()
    assert host.send("G1 X5")[0].startswith("Error:Printer stopped due to errors.")
    assert host.send("M999 S1") == ["ok"] and host.send("G1 X5") == ["ok"]


def test_the_record_compares_with_a_program() -> None:
    program = b"; made by hand\nG21\nG90 ; absolute\nM105\n\nG1 X5 F600\nM84\n"
    host, machine = rig()
    for line in program.split(b"\n"):
        host.send(line + b"\n")
    host.send("M114")
    assert as_executed(program) == ["G21", "G90", "G1 X5 F600", "M84"]
    assert machine.executed.sha256 == digest(as_executed(program)) and machine.executed.count == 4


def test_options_are_read_from_text_and_unknown_ones_refused() -> None:
    assert simulator(1, bufsize="8", bed_mm="100,100,120", resend_ok="no").options.bufsize == 8
    with pytest.raises(UsageError, match="no option"):
        simulator(1, colour="red")
    with pytest.raises(UsageError, match="must be a int"):
        simulator(1, bufsize="many")
