"""Homing, heating and tool changes: closed forms, and that they are 0 where the machine's figures are not known."""

from __future__ import annotations

import math

import pytest

from fleetctl.gcode import MotionLimits, analyze
from fleetctl.gcode.facts import TIME_PARTS
from fleetctl.gcode.limits import HeatModel, HeatRate, Homing

NOZZLE = HeatRate(rate_degc_s=4.0, loss_s=100.0, settle_s=3.0)
BED = HeatRate(rate_degc_s=0.5, loss_s=300.0)
PRINTER = MotionLimits(
    max_feed_mm_s=(200.0, 200.0, 10.0, 50.0),
    max_accel_mm_s2=(2000.0, 2000.0, 100.0, 5000.0),
    accel_mm_s2=1000.0,
    jerk_mm_s=(8.0, 8.0, 0.4, 4.5),
    heat=HeatModel(nozzle=NOZZLE, bed=BED, ambient_degc=25.0),
    homing=Homing(
        fast_mm_s=(50.0, 50.0, 10.0), slow_mm_s=(10.0, 10.0, 2.0), back_mm=(5.0, 5.0, 2.0), travel_mm=(100.0,) * 3
    ),
    tool_change_s=12.0,
)
BARE = MotionLimits(max_feed_mm_s=PRINTER.max_feed_mm_s, max_accel_mm_s2=PRINTER.max_accel_mm_s2)


def rise(rate: HeatRate, start: float, target: float) -> float:
    """Seconds at full power; the end of the curve is ambient + rate * loss."""
    top = 25.0 + rate.rate_degc_s * rate.loss_s
    return rate.loss_s * math.log((top - start) / (top - target))


def test_nothing_is_counted_that_is_not_known() -> None:
    facts = analyze(b"G28\nM109 S200\nT1\nG1 X10 F3000\n", dialect="marlin", machine=BARE)
    assert (facts.heating_s, facts.homing_s, facts.tool_change_s) == (0.0, 0.0, 0.0)
    assert facts.duration_s == facts.motion_s > 0


def test_a_wait_for_the_nozzle() -> None:
    facts = analyze(b"M109 S200\nM109 S200\n", dialect="marlin", machine=PRINTER)
    assert facts.heating_s == pytest.approx(rise(NOZZLE, 25, 200) + 3.0)
    assert facts.duration_s == pytest.approx(sum(getattr(facts, part) for part in TIME_PARTS))


def test_it_heats_while_other_things_go_on() -> None:
    facts = analyze(b"M104 S200\nG4 S10\nM109 S200\n", dialect="marlin", machine=PRINTER)
    assert facts.heating_s == pytest.approx(rise(NOZZLE, 25, 200) - 10 + 3.0)
    assert facts.dwell_s == 10
    # Once it is hot, nothing is left to wait for; the bed went on meanwhile.
    both = analyze(b"M140 S60\nM104 S200\nM190 S60\nM109 S200\n", dialect="marlin", machine=PRINTER)
    assert both.heating_s == pytest.approx(rise(BED, 25, 60))


def test_a_change_counts_from_its_place_among_the_moves() -> None:
    move = b"G1 X1000 F3000\n"
    before = analyze(b"G28\nM104 S200\n" + move + b"M109 S200\n", dialect="marlin", machine=PRINTER)
    after = analyze(b"G28\n" + move + b"M104 S200\nM109 S200\n", dialect="marlin", machine=PRINTER)
    assert after.heating_s == pytest.approx(rise(NOZZLE, 25, 200) + 3.0)
    assert before.heating_s == pytest.approx(after.heating_s - before.motion_s)


def test_cooling_is_waited_for_only_with_r() -> None:
    hot = b"M109 S200\n"
    to_wait = 100.0 * math.log((200 - 25) / (150 - 25)) + 3.0
    base = analyze(hot, dialect="marlin", machine=PRINTER).heating_s
    assert analyze(hot + b"M109 S150\n", dialect="marlin", machine=PRINTER).heating_s == pytest.approx(base)
    assert analyze(hot + b"M109 R150\n", dialect="marlin", machine=PRINTER).heating_s == pytest.approx(base + to_wait)


def test_a_target_out_of_reach_takes_no_time() -> None:
    weak = MotionLimits(
        max_feed_mm_s=PRINTER.max_feed_mm_s,
        max_accel_mm_s2=PRINTER.max_accel_mm_s2,
        heat=HeatModel(nozzle=HeatRate(rate_degc_s=1.0, loss_s=100.0)),
    )
    assert analyze(b"M109 S200\n", dialect="marlin", machine=weak).heating_s == 0.0


def test_klipper_waits_for_a_sensor_and_keeps_the_target() -> None:
    text = b"SET_HEATER_TEMPERATURE HEATER=extruder TARGET=200\n"
    text += b"TEMPERATURE_WAIT SENSOR=extruder MINIMUM=150\nM109 S200\n"
    facts = analyze(text, dialect="klipper", machine=PRINTER)
    assert facts.heating_s == pytest.approx(rise(NOZZLE, 25, 200) + 3.0)
    first = analyze(text.rsplit(b"M109", 1)[0], dialect="klipper", machine=PRINTER)
    assert first.heating_s == pytest.approx(rise(NOZZLE, 25, 150))


def test_homing_from_a_known_and_an_unknown_place() -> None:
    unknown = (100 + 5) / 50 + 5 / 10
    assert analyze(b"G28 X\n", dialect="marlin", machine=PRINTER).homing_s == pytest.approx(unknown)
    every = 2 * unknown + (100 + 2) / 10 + 2 / 2
    assert analyze(b"G28\n", dialect="marlin", machine=PRINTER).homing_s == pytest.approx(every)
    again = analyze(b"G28\nG1 X30 F3000\nG28 X\n", dialect="marlin", machine=PRINTER)
    assert again.homing_s == pytest.approx(every + (30 + 5) / 50 + 5 / 10)


def test_tool_changes() -> None:
    assert analyze(b"T0\nT1\nT1\nT0\n", dialect="marlin", machine=PRINTER).tool_change_s == 24.0
    assert analyze(b"T1 M6\nT2\nT3 M6\n", dialect="grbl", machine=PRINTER).tool_change_s == 24.0
