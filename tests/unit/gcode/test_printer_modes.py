"""What printers count: filament under flow, volume and retraction; states that are saved; places that are lost."""

from __future__ import annotations

import math

import pytest

from fleetctl.gcode import Analysis, analyze


def printer(text: str, dialect: str = "marlin") -> Analysis:
    return analyze(text.encode(), dialect=dialect)


def reach(facts: Analysis, axis: str, frame: str = "machine") -> tuple[float, float]:
    box = facts.frame(frame)
    assert box is not None
    found = getattr(box.motion, axis)
    return found.low_mm, found.high_mm


def test_firmware_retraction_is_net_and_leaves_e_alone() -> None:
    text = "G28\nM82\nM207 S2 F1800\nM208 S0.25\nG1 X9 E5 F600\nG10\nG10\nG1 X20\nG11\nG11\nG1 X30 E6\n"
    assert printer(text).filament_mm == {0: pytest.approx(6.25)}
    assert "retract_unknown" not in printer(text).hazards


def test_the_nozzle_hops_while_retracted() -> None:
    facts = printer("G28\nM207 S2 Z0.4\nG1 Z1 F600\nG10\nG1 Z3\nG11\nG1 Z2\n")
    assert reach(facts, "z") == (0.0, 3.4)


def test_klipper_retracts_as_set_in_the_file() -> None:
    setting = "SET_RETRACTION RETRACT_LENGTH=1.5 UNRETRACT_EXTRA_LENGTH=0.1"
    text = f"G28\nM83\n{setting}\nG1 X1 E2\nG10\nG10\nG11\nG11\nG1 E1\n"
    assert printer(text, "klipper").filament_mm == {0: pytest.approx(3.1)}


def test_volumetric_extrusion_is_counted_in_filament() -> None:
    area = math.pi / 4 * 1.75**2
    text = f"G28\nM83\nM200 D1.75\nG1 X9 E{area * 10:.6f}\nM200 D0\nG1 X2 E1\nM200 S1\nG1 X1 E{area * 2:.6f}\n"
    assert printer(text).filament_mm == {0: pytest.approx(13.0, abs=1e-5)}


@pytest.mark.parametrize("text", ["G20\nM200 D0.07\n", "M200 D1.75\nG20\n", "T1\nM200 D1.75\nT0\nG20\nT1\n"])
def test_volumes_in_inches_are_told_to_be_unknown(text: str) -> None:
    """To Marlin they are cubic inches, to RepRapFirmware and Smoothie they are not."""
    assert "volumetric" in printer(f"G28\nM83\n{text}G1 X1 E1\n").hazards
    assert "volumetric" not in printer(f"G28\nM83\n{text.replace('G20', 'G21')}G1 X1 E1\n").hazards


def test_flow_is_kept_by_tool() -> None:
    text = "G28\nM83\nM221 S50\nG1 X1 E4\nT1\nG1 X2 E4\nT0\nG1 X3 E4\n"
    assert printer(text).filament_mm == {0: 4.0, 1: 4.0}


def test_feed_percentage_changes_the_speed() -> None:
    slow = printer("G28\nG1 X200 F600\n").motion_s
    assert printer("G28\nM220 S200\nG1 X200 F600\n").motion_s == pytest.approx(slow / 2, rel=0.01)
    assert printer("G28\nG1 F600\nM220 S50\nG1 X200\n").motion_s == pytest.approx(slow * 2, rel=0.01)


def test_klipper_states_come_back() -> None:
    inside = "G91\nM83\nG1 X5 Z1 E3"
    text = f"G28\nM82\nG1 X1 E10\nSAVE_GCODE_STATE NAME=a\n{inside}\nRESTORE_GCODE_STATE NAME=a MOVE=1\nG1 X2 E11\n"
    facts = printer(text, "klipper")
    assert facts.filament_mm == {0: 14.0}
    assert (reach(facts, "x"), reach(facts, "z")) == ((0.0, 6.0), (0.0, 1.0))
    assert printer("G28\nRESTORE_GCODE_STATE NAME=x\n", "klipper").hazards["state_unknown"].line == 2


def test_klipper_offsets_move_what_coordinates_mean() -> None:
    text = "G28\nSET_GCODE_OFFSET Z=0.3 MOVE=1\nG1 Z5\nSET_GCODE_OFFSET Z_ADJUST=-0.1\nG1 Z6\n"
    assert reach(printer(text, "klipper"), "z") == (0.0, 6.2)


def test_a_klipper_macro_may_have_moved_the_head() -> None:
    facts = printer("G28\nG1 X5\nPRINT_START\nG91\nG1 Z3\n", "klipper")
    assert reach(facts, "z", "start") == (0.0, 3.0)
    still = printer("G28\nG1 X5\nSET_FAN_SPEED FAN=a SPEED=1\nG91\nG1 Z3\n", "klipper")
    assert reach(still, "z") == (0.0, 3.0)


def test_an_activated_extruder_begins_at_zero() -> None:
    text = "G28\nM82\nG1 X1 E10\nACTIVATE_EXTRUDER EXTRUDER=extruder1\nG1 X2 E3\n"
    assert printer(text, "klipper").filament_mm == {0: 10.0, 1: 3.0}


def test_tool_offsets_of_reprapfirmware() -> None:
    facts = printer("G28\nG10 P1 X10 Y-2\nT1\nG1 X50 Y50 F600\nT0\nG1 X45 Y50\n", "rrf")
    assert (reach(facts, "x"), reach(facts, "y")) == ((0.0, 45.0), (0.0, 52.0))


def test_stored_places() -> None:
    facts = printer("G28\nG1 X50 Y50\nG60 S1\nG1 X80\nG1 R1 X0 Y0 Z2\nG91\nG1 X1\n", "rrf")
    assert (reach(facts, "x"), reach(facts, "z")) == ((0.0, 80.0), (0.0, 2.0))
    facts = printer("G28\nG1 X50\nG60 S1\nG1 X80\nG61 S1 X\nG91\nG1 X40\n")
    assert reach(facts, "x") == (0.0, 90.0)
    facts = printer("G28\nG1 X50\nG60 S1\nG1 X80\nG61 S1 X-90\n")  # a number is added to the stored place
    assert facts.frame("machine").motion.x.low_mm == -40.0
    assert printer("G28\nG1 X5\nG61 S1 X\nG91\nG1 X40\n").hazards["relative_from_unknown"].line == 5


@pytest.mark.parametrize("line", ["G29", "G12", "M410", "G34", "G27"])
def test_after_some_commands_nobody_knows_where_the_head_is(line: str) -> None:
    facts = printer(f"G28\nG1 X50\n{line}\nG91\nG1 X40\n")
    assert facts.hazards["relative_from_unknown"].line == 5
    assert reach(facts, "x") == (0.0, 50.0)


def test_homing_moves_of_reprapfirmware() -> None:
    facts = printer("G91\nG1 H1 X-300 F600\nG90\nG1 X10\n", "rrf")
    assert reach(facts, "x") == (10.0, 10.0)
    assert "motion_before_home" not in facts.hazards


def test_modes_are_pushed_and_popped() -> None:
    text = "G28\nG90\nM120\nG91\nM83\nG1 X5\nM121\nG1 X7\n"
    assert reach(printer(text, "rrf"), "x") == (0.0, 7.0)
    assert reach(printer(text, "marlin"), "x") == (0.0, 12.0)  # switches endstops there


def test_g92_alone_differs_by_firmware() -> None:
    text = "G28\nG1 X10\nG92\nG1 X5\n"
    assert reach(printer(text, "klipper"), "x")[1] == 15.0
    assert reach(printer(text, "marlin"), "x")[1] == 10.0
    assert reach(printer("G28\nG1 X10\nG92 X0\nG92\nG1 X5\n", "smoothie"), "x")[1] == 10.0


def test_klipper_waits_by_p_only() -> None:
    assert printer("G28\nG4 S5\n", "klipper").dwell_s == 0.0
    assert printer("G28\nG4 S5\n").dwell_s == 5.0


@pytest.mark.parametrize(("dialect", "system"), [("smoothie", "P1"), ("smoothie", "P0"), ("rrf", "P1")])
def test_an_origin_that_a_printer_writes_counts_at_once(dialect: str, system: str) -> None:
    """Both begin in G54: what G10 L2 writes moves the very next line."""
    facts = printer(f"G28\nG90\nG10 L2 {system} X40\nG1 X5 F600\n", dialect)
    assert reach(facts, "x") == (0.0, 45.0)
    assert facts.hazards["offset_write"].line == 3
    assert "retract_unknown" not in facts.hazards


def test_an_origin_of_another_system_waits_for_it() -> None:
    facts = printer("G28\nG90\nG10 L2 P2 X40\nG1 X5 F600\nG55\nG1 X6\n", "smoothie")
    assert reach(facts, "x") == (0.0, 46.0)
    assert printer("G28\nG10 L2 P1 X40\n").hazards.keys() >= {"retract_unknown"}, "Marlin has no such word"


def test_marlin_keeps_its_speed_and_brings_it_back() -> None:
    """M220 B and R (M220.cpp), as the wipe towers of PrusaSlicer write them."""
    text = "G28\nG1 X0 F600\nM220 S80\nM220 B\nM220 S50\n{}G1 X200\n"
    whole = printer("G28\nG1 X0 F600\nG1 X200\n").motion_s
    assert printer(text.format("M220 R\n")).motion_s == pytest.approx(whole / 0.8, rel=0.01)
    assert printer(text.format("")).motion_s == pytest.approx(whole / 0.5, rel=0.01)
    # RepRapFirmware has neither.
    assert printer(text.format("M220 R\n"), "rrf").motion_s == pytest.approx(whole / 0.5, rel=0.01)


def test_klippers_percentages_without_a_number_are_a_hundred() -> None:
    text = "G28\nM83\nM220 S50\nM221 S50\n{}G1 X200 E10 F600\n"
    halved, whole = printer(text.format(""), "klipper"), printer(text.format("M220\nM221\n"), "klipper")
    assert whole.filament_mm == {0: 10.0} and halved.filament_mm == {0: 5.0}
    assert whole.motion_s == pytest.approx(halved.motion_s / 2, rel=0.01)
    # Marlin only says what they are.
    assert printer(text.format("M220\nM221\n")).filament_mm == {0: 5.0}
