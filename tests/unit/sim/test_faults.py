"""Scripted faults strike once, when told, and where told."""

from __future__ import annotations

import pytest
from fleetctl_plugins.grbl.simulator import simulator as grbl
from fleetctl_plugins.marlin.simulator import MarlinSimulator
from fleetctl_plugins.marlin.simulator import simulator as marlin

from fleetctl.errors import UsageError
from fleetctl.sim.faults import Fault, FaultyMachine, read_fault

from .rig import Rig, numbered


def faulty(*faults: str) -> tuple[Rig, FaultyMachine, MarlinSimulator]:
    machine = marlin(7)
    wrapped = FaultyMachine(machine, [read_fault(text) for text in faults], seed=1)
    return Rig(wrapped), wrapped, machine


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop@25", Fault("drop", after_lines=25)),
        ("thermal@12.5s", Fault("thermal", at_s=12.5)),
        ("garble%0.01", Fault("garble", rate=0.01)),
        ("delay@3:2.5", Fault("delay", after_lines=3, value=2.5)),
        ("silence@10s:5", Fault("silence", at_s=10.0, value=5.0)),
    ],
)
def test_faults_are_written_so(text: str, fault: Fault) -> None:
    assert read_fault(text) == fault


@pytest.mark.parametrize("text", ["drop", "drop@", "drop@1.5", "reset%0.1", "@5", "drop@5:x"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_fault(text)


def test_a_fault_the_machine_cannot_have_is_refused() -> None:
    with pytest.raises(UsageError, match="hard-limit"):
        FaultyMachine(grbl(1), [read_fault("thermal@5")], seed=1)


def test_without_faults_nothing_is_different() -> None:
    host, wrapped, machine = faulty()
    assert host.banner[0] == "start"
    assert host.send("M109 S60") == [] and host.until("ok")[-1] == "ok"
    assert wrapped.executed is machine.executed and wrapped.outputs["hotend0"] == 60 and wrapped.happened == []


def test_the_machine_inside_is_as_old_as_the_one_outside() -> None:
    host, wrapped, machine = faulty("silence@9")
    host.send("G1 X10 F600")
    host.wait(60)
    assert machine.now_s == wrapped.now_s == 60 and wrapped.position_mm == (10, 0, 0) and wrapped.activity == "idle"


def test_a_dropped_line_is_missed_at_the_next_number() -> None:
    host, wrapped, machine = faulty("drop@2")
    for number in (1, 2):
        assert host.send(numbered(number, "G21")) == ["ok"]
    assert host.send(numbered(3, "G90")) == []
    assert host.send(numbered(4, "G91"))[1] == "Resend: 3"
    assert host.send(numbered(3, "G90")) == ["ok"] and machine.executed.count == 3
    assert [kind for _, kind in wrapped.happened] == ["drop"]


def test_a_garbled_line_fails_its_checksum() -> None:
    host, _, machine = faulty("garble@1")
    host.send(numbered(1, "G21"))
    assert host.send(numbered(2, "G90"))[1] == "Resend: 2"
    assert host.send(numbered(2, "G90")) == ["ok"] and machine.executed.count == 2


def test_a_duplicated_line_is_refused_the_second_time() -> None:
    host, _, machine = faulty("duplicate@0")
    assert host.send(numbered(1, "G21")) == ["ok"]
    assert machine.executed.count == 1


def test_a_late_line_keeps_the_order() -> None:
    host, _, machine = faulty("delay@0:5")
    assert host.send("M106 S1") == [] and host.send("M106 S2") == []
    assert host.until("ok") == ["ok", "ok"] and host.now_s == 5 and machine.fan == 2


def test_an_ok_is_lost_but_the_line_was_executed() -> None:
    host, _, machine = faulty("lost-ok@1")
    host.send("M155 S1")
    assert host.send("G21") == [] and machine.executed.count == 1
    assert host.wait(1.5)[0].startswith(" T:")  # everything else arrives
    assert host.send("G90") == ["ok"]


def test_a_reset_in_the_middle_shows_its_banner() -> None:
    host, wrapped, machine = faulty("reset@2")
    host.send("M104 S200")
    said = host.send("G21")
    assert said[0] == "ok" and "start" in said and machine.is_safe and wrapped.resets == 1


def test_a_thermal_fault_at_its_time() -> None:
    host, _, machine = faulty("thermal@30s")
    host.send("M109 S200")
    host.until("Error:Thermal Runaway")
    assert host.now_s == 30.0 and machine.killed


def test_silence_is_deaf_and_dumb_and_ends() -> None:
    host, _, machine = faulty("silence@1:10")
    host.send("M155 S1")
    host.send("G21")
    assert host.send("G90") == [] and host.wait(9.5) == []
    assert machine.executed.count == 1
    host.wait(1.0)
    assert host.send("G90") == ["ok"]


def test_random_faults_are_seeded() -> None:
    def struck(seed: int) -> list[int]:
        machine = FaultyMachine(marlin(7), [Fault("drop", rate=0.2)], seed=seed)
        hit = []
        for index in range(200):
            before = len(machine.happened)
            machine.receive(b"M117\n", float(index))
            if len(machine.happened) > before:
                hit.append(index)
        return hit

    assert struck(1) == struck(1) != struck(2)
    assert 20 < len(struck(1)) < 60
