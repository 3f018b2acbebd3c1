"""The sample programs, run on simulated machines: every line taken, one plate made, nothing left on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fleetctl_plugins.grbl import simulator as grbl
from fleetctl_plugins.marlin import simulator as marlin

from fleetctl.model.profile import PROFILES
from fleetctl.sim import sample
from fleetctl.sim.record import digest

from .rig import Rig

PRINTED = {"bracket": sample.bracket, "clips": sample.clip_plate}
USUAL_SPEEDUP = 30


def printed(program: bytes) -> tuple[Rig, marlin.MarlinSimulator]:
    """A printer that was fed the whole program, one line per ok, as a host feeds it: without comments."""
    machine = marlin.simulator(1)
    rig = Rig(machine)
    for line in marlin.as_executed(program):
        answers = rig.send(line)
        while not any(answer.startswith("ok") for answer in answers):
            answers = rig.until("ok")
    rig.wait(60.0)
    return rig, machine


@pytest.mark.parametrize("program", PRINTED.values(), ids=PRINTED.keys())
def test_a_printer_makes_one_plate_and_ends_cold(program: Callable[[], bytes]) -> None:
    rig, machine = printed(program())
    assert machine.executed.sha256 == digest(marlin.as_executed(program()))
    assert machine.maker.runs_made == 1 and machine.is_safe
    wall_s = rig.now_s / USUAL_SPEEDUP
    assert 10 < wall_s < 60, f"a run of the demo takes {wall_s:.0f} s"
    assert 300 < program().count(b"\n") < 3000


def test_a_printed_program_stays_in_the_envelope() -> None:
    _, machine = printed(sample.clip_plate(9))
    envelope = PROFILES["generic-220"].envelope
    assert envelope is not None
    least, greatest = machine.motion.bounds_mm
    assert all(reached >= allowed for reached, allowed in zip(least, envelope.least_mm, strict=True))
    assert all(reached <= allowed for reached, allowed in zip(greatest, envelope.greatest_mm, strict=True))


def test_a_mill_makes_one_plate_within_its_soft_limits() -> None:
    work = ",".join(str(each) for each in sample.MILL_OFFSET_MM)
    machine = grbl.simulator(1, work_mm=work, settings="20=1,22=1")
    rig = Rig(machine)
    machine.receive(b"$H\n", rig.now_s)
    rig.until("ok")
    for line in sample.milled_plate().decode().splitlines():
        answers = rig.send(line)
        while not any(answer.startswith("ok") for answer in answers):
            assert not any(answer.startswith(("error", "ALARM")) for answer in answers), (line, answers)
            answers = rig.until("ok")
    rig.wait(120.0)
    assert machine.executed.sha256 == digest(grbl.as_executed(sample.milled_plate()))
    assert machine.maker.runs_made == 1 and machine.is_safe and machine.state == "Idle"
    wall_s = rig.now_s / USUAL_SPEEDUP
    assert 10 < wall_s < 60, f"a run of the demo takes {wall_s:.0f} s"


def test_the_programs_are_the_same_bytes_each_time() -> None:
    assert sample.bracket() == sample.bracket() and sample.milled_plate() == sample.milled_plate()


def test_a_plate_holds_one_to_nine_clips() -> None:
    with pytest.raises(ValueError, match="1 to 9"):
        sample.clip_plate(10)
