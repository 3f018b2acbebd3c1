"""What a person does at a TinyG or g2core by hand: offsets, probing, steps, overrides, and the modes afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from fleetctl_plugins.tinyg.simulator import TinygSimulator
from fleetctl_plugins.tinyg.test_faults import begun, finish

from fleetctl.driver.api import SetsOffsetOrigins
from fleetctl.driver.stream import StreamDriver
from fleetctl.errors import MachineError, UsageError
from fleetctl.model.machine import Activity
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench

FIRMWARES = ("tinyg", "g2core")


async def at_rest(**options: Any) -> tuple[Bench, TinygSimulator, StreamDriver]:
    bench, board = await begun(b"", **options)
    driver = bench.driver
    assert isinstance(driver, StreamDriver)
    return bench, board, driver


def modes(board: TinygSimulator) -> tuple[object, ...]:
    return (board.inches, board.relative, board.motion in (0, 1), board.feed_mm_min)


@pytest.mark.parametrize("units", ["G21", "G20"])
@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_here_becomes_a_coordinate_of_a_work_offset(firmware: str, units: str) -> None:
    bench, board, driver = await at_rest(firmware=firmware, g54="-10,-20,-5")
    await driver.command(units)
    await driver.command("G53 G0 X-1 Y-2")
    await bench.clock.sleep(10.0)
    place = board.position_mm
    stored = await driver.set_work_offset("G55", {"X": 12.5, "Z": 1.0})
    assert stored["G55"] == pytest.approx((place[0] - 12.5, 0.0, place[2] - 1.0), abs=0.02)
    assert stored["G54"] == pytest.approx((-10.0, -20.0, -5.0), abs=0.02)
    assert board.frames[1] == pytest.approx(stored["G55"], abs=0.02)
    assert await driver.work_offsets() == stored
    assert board.inches == (units == "G20")
    await finish(bench)


@pytest.mark.parametrize("units", ["G21", "G20"])
@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_zero_is_put_where_a_probe_was_and_the_tool_need_not_be_there(firmware: str, units: str) -> None:
    bench, board, driver = await at_rest(firmware=firmware, g54="-10,-20,-5", probe_z_mm=-3.5)
    await driver.command(units)
    assert isinstance(driver, SetsOffsetOrigins)
    found = await driver.probe("Z", -1, 10.0, 2.0)
    await driver.command("G53 G0 Z0")
    await bench.clock.sleep(5.0)
    stored = await driver.set_offset_origin("G54", {"Z": found["Z"] - 1.6})
    assert stored["G54"] == pytest.approx((-10.0, -20.0, -5.1), abs=0.02)
    assert board.frames[0] == pytest.approx(stored["G54"], abs=0.02)
    assert board.inches == (units == "G20")
    with pytest.raises(UsageError):
        await driver.set_offset_origin("G54", {})
    with pytest.raises(UsageError):
        await driver.set_offset_origin("G60", {"Z": 1.0})
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_a_probe_measures_and_leaves_the_modes_as_they_were(firmware: str) -> None:
    bench, board, driver = await at_rest(firmware=firmware, probe_z_mm=-3.5)
    for line in ("G20", "G90", "G1 X-0.1 F30"):
        await driver.command(line)
    await bench.clock.sleep(5.0)
    before = modes(board)
    found = await driver.probe("Z", -1, 10.0, 2.0)
    assert found["Z"] == pytest.approx(-3.5)
    await bench.clock.sleep(1.0)
    assert modes(board) == before
    assert bench.recorder.now is Activity.IDLE
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_a_probe_that_touches_nothing_failed(firmware: str) -> None:
    bench, _, driver = await at_rest(firmware=firmware)
    with pytest.raises(MachineError):
        await driver.probe("Z", -1, 5.0, 2.0)
    await bench.clock.sleep(1.0)
    # g2core is alarmed by it, and stays so until a person clears it.
    assert bench.recorder.now is (Activity.FAULT if firmware == "g2core" else Activity.IDLE)
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_a_step_moves_as_far_as_it_says_and_leaves_the_modes_as_they_were(firmware: str) -> None:
    bench, board, driver = await at_rest(firmware=firmware)
    await driver.command("G20")
    await driver.command("G1 X-0.1 F30")
    await bench.clock.sleep(5.0)
    before, place = modes(board), board.position_mm
    await driver.jog_step({"Y": -4.0}, 2.0)
    await bench.clock.sleep(6.0)
    assert board.position_mm == pytest.approx((place[0], place[1] - 4.0, place[2]))
    assert modes(board) == before
    assert bench.recorder.now is Activity.IDLE
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_a_step_that_is_stopped_rests_and_its_place_stays_known(firmware: str) -> None:
    bench, board, driver = await at_rest(firmware=firmware)
    await driver.jog_step({"X": -5.0}, 1.0)
    await bench.clock.sleep(1.5)
    driver.jog({}, 0.0)
    await bench.clock.sleep(2.0)
    bench.link.wake()
    at = board.position_mm
    assert -4.0 < at[0] < -0.5
    await bench.clock.sleep(10.0)
    bench.link.wake()
    assert board.position_mm == at
    assert not bench.recorder.position_lost
    assert not board.relative
    assert bench.recorder.latest.position_mm == pytest.approx(at, abs=0.01)
    await finish(bench)


@under_virtual_clock()
async def test_overrides_of_g2core_act_in_a_run_and_tinyg_says_that_it_has_none() -> None:
    bench, board = await begun(b"G21 G90\n" + b"G1 X-90 F900\nG1 X-1\n" * 3 + b"M30\n", firmware="g2core")
    driver = bench.driver
    assert isinstance(driver, StreamDriver)
    await bench.until_lines(1)
    await driver.override("feed", 150.0)
    assert board.planner.feed_factor == pytest.approx(1.5)
    assert bench.recorder.latest.overrides_percent["feed"] == pytest.approx(150.0)
    await bench.end()
    await finish(bench)
    bench, _, driver = await at_rest(firmware="g2core", overrides=False)
    with pytest.raises(MachineError, match="this build has no feed override"):
        await driver.override("feed", 150.0)
    await finish(bench)
    bench, _, driver = await at_rest()
    with pytest.raises(MachineError, match="no overrides"):
        await driver.override("feed", 150.0)
    await finish(bench)
