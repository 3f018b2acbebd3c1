"""The pretend board in the manners of each firmware, byte by byte, against what that firmware's source says."""

from __future__ import annotations

import pytest
from fleetctl_plugins.marlin.simulator import MarlinSimulator, simulator
from fleetctl_plugins.marlin.simulator_kin import FIRMWARES

from fleetctl.errors import UsageError

from .rig import Rig, numbered


def rig(firmware: str, **options: object) -> tuple[Rig, MarlinSimulator]:
    machine = simulator(7, firmware=firmware, **options)
    return Rig(machine), machine


def test_an_unknown_firmware_is_refused_with_the_names() -> None:
    with pytest.raises(UsageError, match="no firmware"):
        simulator(1, firmware="nobody")


@pytest.mark.parametrize("firmware", FIRMWARES)
def test_each_executes_numbered_lines_in_order(firmware: str) -> None:
    host, machine = rig(firmware)
    host.send(numbered(0, "M110 N0"))
    for number, text in enumerate(("G21", "G90", "M83"), start=1):
        assert any(line.startswith("ok") for line in host.send(numbered(number, text)))
    assert list(machine.executed.tail) == ["G21", "G90", "M83"]


@pytest.mark.parametrize(
    ("firmware", "answer"),
    [
        ("marlin1", ["Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok"]),
        ("prusa-mk3", ["Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok"]),
        ("reprapfirmware", []),
        ("repetier", ["", "Resend:1", "ok"]),
        ("smoothieware", ["rs N1"]),
        ("sprinter", ["Error: checksum mismatch, Last Line:0", "Resend:1", "ok"]),
    ],
)
def test_a_spoiled_line(firmware: str, answer: list[str]) -> None:
    host, machine = rig(firmware)
    host.send(numbered(0, "M110 N0"))
    assert host.send(numbered(1, "G21").replace(b"21", b"20")) == answer
    assert machine.executed.count == 0


def test_buddy_s_ok_behind_a_request_comes_by_chance() -> None:
    host, _ = rig("prusa-buddy")
    ends = [host.send(numbered(9, "G21"))[-1] for _ in range(4)]
    assert ends == ["ok", "Resend: 1", "ok", "Resend: 1"]


def test_marlin_1_puts_a_number_of_its_own_into_the_ok_of_a_request() -> None:
    host, _ = rig("marlin1", advanced_ok=True)
    host.send(numbered(1, "G21"))
    assert host.send(numbered(5, "G90"))[-1].startswith("ok N1 P")


def test_mk3_drops_an_unfinished_line_and_empties_a_full_ring() -> None:
    host, machine = rig("prusa-mk3")
    assert host.send(b"G2") == []
    assert host.wait(2.5) == ["RX timeout"]
    assert host.send("G21") == ["ok"]
    host.send("G4 S20")
    said = host.send(b"M106 S100\n" * 16)
    assert "Full RX Buffer" in said
    assert machine.lost_bytes == 0 or machine.lost_bytes < 160
    assert "Resend" not in " ".join(host.wait(30))


def test_mk3_stops_by_m112_with_a_number_and_panics() -> None:
    host, machine = rig("prusa-mk3")
    host.send(numbered(1, "M112"))
    assert machine.killed
    other, second = rig("prusa-mk3")
    second.inject("power-panic", 1.0)
    assert other.lines() == ["INT4"] and second.killed and second.is_safe


def test_reprapfirmware_takes_any_number_and_repeats() -> None:
    host, machine = rig("reprapfirmware")
    for number in (7, 7, 3):
        assert host.send(numbered(number, "G91")) == ["ok"]
    assert machine.executed.count == 3
    assert host.send("X5") == ["Error: Bad command: X5", "ok"]
    assert host.send("M155 S1")[0].startswith("Warning: M155")


def test_reprapfirmware_hears_m112_behind_a_stuck_queue_and_m999_afterwards() -> None:
    host, machine = rig("reprapfirmware")
    host.send("M109 S200")
    for index in range(6):
        host.send(f"M117 wait {index}")
    assert host.send("M112") == [] and machine.killed and machine.is_safe
    assert host.send("M999")[0].endswith("up and running.")
    assert host.send("M105")[0].startswith("ok T:")


def test_repetier_says_ok_when_it_has_read_a_line_and_skips_what_it_knows() -> None:
    host, machine = rig("repetier")
    assert host.send(numbered(1, "G4 S5")) == ["ok 1"]
    assert host.send(numbered(2, "M114")) == ["ok 2"]
    assert [line for line in host.wait(6) if line.startswith("X:")]
    assert host.send(numbered(2, "M114")) == ["skip 2", "ok"]
    assert host.send(numbered(4, "G21"))[-2:] == ["Resend:3", "ok"]
    assert host.send(numbered(5, "G21")) == ["skip 5", "ok"], "what was on its way is not asked for again"
    assert host.send(numbered(3, "G21")) == ["ok 3"]
    assert machine.executed.count == 2


def test_repetier_waits_aloud_and_asks_for_what_was_begun() -> None:
    host, machine = rig("repetier")
    assert host.wait(3.5).count("wait") == 3
    assert host.send(b"N1 G2") == []
    assert host.wait(0.3)[-2:] == ["Resend:1", "ok"]
    machine.inject("thermal", host.now_s)
    assert host.lines()[0].startswith("fatal:")
    assert host.send("G21")[0].startswith("fatal:")
    assert host.send("M999")[-1] == "ok" and host.send("G21") == ["ok"]


def test_smoothieware_answers_what_is_nothing_and_ignores_small_letters() -> None:
    host, _ = rig("smoothieware")
    assert host.send("\n") == ["ok", "ok"]
    assert host.send("Q12") == ["ok - ignored"]
    assert host.send("help") == []
    assert host.send("M114")[0].startswith("ok C: X:0.00")


def test_smoothieware_halts_by_ctrl_x_and_says_so_to_every_line() -> None:
    host, machine = rig("smoothieware")
    host.send("M109 S200")
    host.send("G1 X5")
    assert host.send(b"\x18\n") == ["HALTED, M999 or $X to exit HALT state"]
    assert machine.is_safe
    assert host.send("G1 X5") == ["!!"]
    assert host.send("M999")[-1] == "ok" and host.send("G21") == ["ok"]


def test_sprinter_acknowledges_moves_when_read_and_has_no_stop() -> None:
    host, machine = rig("sprinter")
    for index in range(15):
        host.send(f"G1 X{10 + index * 10} F60")
    assert host.send("G1 X200 F60") == ["ok"], "the planner is full, and it was read"
    assert host.send("G92 E0") == []
    assert host.send("M112") == [] and not machine.killed
    assert rig("sprinter")[0].send("M117 a:b") == ["ok", "Unknown command:", "b", "ok"]


def test_only_those_with_a_keep_alive_say_busy() -> None:
    for firmware, says in (("marlin1", "echo:busy: processing"), ("repetier", "busy:processing"), ("sprinter", "")):
        host, _ = rig(firmware)
        host.send("M113 S2")
        host.send("G4 S5")
        busy = [line for line in host.wait(5) if "busy" in line]
        assert busy == ([says] * 2 if says else [])
