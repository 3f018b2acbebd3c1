"""Coordinate systems: every extreme is kept in the frame it was commanded in, with its line."""

from __future__ import annotations

import math

from fleetctl.gcode import Analysis, MotionLimits, analyze


def cnc(text: str) -> Analysis:
    return analyze(text.encode(), dialect="grbl")


def test_each_work_system_has_its_own_bounds() -> None:
    facts = cnc("G90 F100\nG0 X1 Y1\nG55\nG0 X200\nG54\nG0 X3\n")
    assert {frame.frame for frame in facts.frames} == {"G54", "G55"}
    g54, g55 = facts.frame("G54").motion, facts.frame("G55").motion
    assert (g54.x.low_mm, g54.x.low_line, g54.x.high_mm, g54.x.high_line) == (1.0, 2, 3.0, 6)
    assert (g55.x.high_mm, g55.x.high_line) == (200.0, 4)
    assert g55.y is None


def test_g53_is_machine_and_not_in_the_merged_bounds() -> None:
    facts = cnc("G90\nG53 G0 Z-5\nG0 X10 Z2\nG53 G0 Z-1\n")
    z = facts.frame("machine").motion.z
    assert (z.low_mm, z.low_line, z.high_mm, z.high_line) == (-5.0, 2, -1.0, 4)
    assert facts.bounds_mm[0][2] == 2.0


def test_g92_is_undone() -> None:
    facts = cnc("G90\nG0 X10\nG92 X0\nG0 X5\nG92.1\nG0 X1\n")
    x = facts.frame("G54").motion.x
    assert (x.low_mm, x.high_mm, x.high_line) == (1.0, 15.0, 4)


def test_g92_at_an_unknown_place_counts_from_there() -> None:
    facts = cnc("G92 X0 Y0\nG90\nG1 X10 F100\n")
    assert [frame.frame for frame in facts.frames] == ["start"]
    assert facts.bounds_mm[0][:2] == (0.0, 0.0)
    assert facts.bounds_mm[1][:2] == (10.0, 0.0)


def test_relative_motion_from_nowhere_counts_from_the_start() -> None:
    facts = cnc("G91\nG1 X10 F100\nG1 X-30\n")
    assert facts.hazards["relative_from_unknown"].line == 2
    x = facts.frame("start").motion.x
    assert (x.low_mm, x.low_line, x.high_mm, x.high_line) == (-20.0, 3, 10.0, 2)


def test_axis_never_commanded_is_nan() -> None:
    facts = cnc("G90\nG0 X1\n")
    assert math.isnan(facts.bounds_mm[0][1]) and math.isnan(facts.bounds_mm[1][2])
    assert all(math.isnan(v) for point in facts.work_bounds_mm for v in point)


def test_a_printer_is_at_zero_once_homed() -> None:
    facts = analyze(b"G28 X Y\nG1 X10 Y5 F600\n", dialect="marlin")
    assert facts.bounds_mm[0][:2] == (0.0, 0.0)
    assert math.isnan(facts.bounds_mm[0][2])
    assert facts.first_home_line == 1
    assert "motion_before_home" not in facts.hazards


def test_home_and_start_may_be_given() -> None:
    limits = MotionLimits(
        max_feed_mm_s=(100.0,) * 4, max_accel_mm_s2=(100.0,) * 4, home_mm=(110.0, 120.0, 5.0), start_mm=None
    )
    facts = analyze(b"G28\nG1 X10 Y5 F600\n", dialect="marlin", machine=limits)
    assert facts.bounds_mm == ((10.0, 5.0, 5.0), (110.0, 120.0, 5.0))
    facts = analyze(
        b"G91\nG1 X10 F600\n",
        dialect="grbl",
        machine=MotionLimits(max_feed_mm_s=(100.0,) * 4, max_accel_mm_s2=(100.0,) * 4, start_mm=(-50.0, -60.0, -5.0)),
    )
    assert facts.bounds_mm == ((-50.0, -60.0, -5.0), (-40.0, -60.0, -5.0))
    assert "relative_from_unknown" not in facts.hazards


def test_g28_of_a_mill_goes_to_a_place_we_do_not_know() -> None:
    facts = cnc("G90\nG0 X10 Z5\nG28 G91 Z0\nG90 G0 X20\nG91 G1 Z-1 F50\n")
    assert facts.hazards["relative_from_unknown"].line == 5
    assert facts.frame("G54").motion.z.low_mm == 5.0
    assert facts.frame("start").motion.z.low_mm == -1.0


def test_work_is_both_ends_of_each_working_move() -> None:
    facts = cnc("G90 G21\nM3 S1000\nG0 X0 Y0 Z5\nG1 Z-1 F100\nG1 X10\nG0 Z50\nG0 X100\n")
    assert facts.work_bounds_mm == ((0.0, 0.0, -1.0), (10.0, 0.0, 5.0))
    assert facts.first_work_line == 4
    printer = analyze(b"G28\nG90\nM83\nG1 X50 Y50 Z1 F3000\nG1 X60 E1\nG1 X200\n", dialect="marlin")
    assert printer.work_bounds_mm == ((50.0, 50.0, 1.0), (60.0, 50.0, 1.0))


def test_canned_cycle_depth_is_in_the_bounds() -> None:
    facts = analyze(b"G90 G21\nG0 X0 Y0 Z10\nG81 X5 Y5 Z-3 R1 F100\nX9\nG80\nG0 X1\n", dialect="linuxcnc")
    assert facts.work_bounds_mm[0][2] == -3.0
    assert facts.work_bounds_mm[1] == (9.0, 5.0, 1.0)
    assert "canned_cycle" not in facts.hazards
    assert analyze(b"G0 X0 Z9\nG81 X5 Z-3 R1 F100\n", dialect="grbl").hazards["canned_cycle"].line == 2
