"""Runs that wait for somebody or something: a person, a tool, a spindle, a slow link. None of it is a lost answer."""

from __future__ import annotations

import pytest
from fleetctl_plugins.grbl.dialects import GRBL, GRBLHAL
from fleetctl_plugins.grbl.switching import switching_s
from fleetctl_plugins.grbl.test_faults import (
    FIRMWARES,
    begun,
    board_of,
    expected,
    finish,
    subject,
)

from fleetctl.driver.api import EndKind
from fleetctl.model.machine import Activity
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench

# A tool change


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_m6_waits_for_a_person_with_everything_off_and_is_never_sent(firmware: str) -> None:
    program = b"G21 G90\nM3 S5000\nM8\nG1 X-5 F600\nT2 M6\nG1 X-9\nM06\nM5 M9\nG0 X-1\nM30\n"
    bench = await begun(subject(firmware, program=program))
    board = board_of(bench)
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert "T2" in bench.recorder.activities[-1][1]
    assert "line 5" in bench.recorder.activities[-1][1]
    assert board.is_safe
    assert board.position_mm[0] == -5
    await bench.driver.make_safe()
    await bench.clock.sleep(4 * 3600.0)
    assert bench.recorder.now is Activity.WAITING
    assert bench.recorder.ends == []
    await bench.driver.resume()
    await bench.until(lambda: "G1X-9" in bench.executed)
    assert board.outputs == {"spindle": 5000, "flood": 1, "mist": 0}
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert "T2" in bench.recorder.activities[-1][1]
    await bench.driver.resume()
    ended, reason, progress = await bench.end()
    assert ended is EndKind.FINISHED, reason
    assert progress.acknowledged_line == progress.sent_line == 10
    assert not any("M6" in line or "M06" in line for line in bench.executed)
    assert [line for line in bench.executed if line in ("T2", "G1X-5F600", "G1X-9", "G0X-1", "M30")] == [
        "G1X-5F600",
        "T2",
        "G1X-9",
        "G0X-1",
        "M30",
    ]
    assert board.is_safe
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_m0_is_held_by_the_host_with_its_text_and_nothing_behind_it_reaches_the_board(firmware: str) -> None:
    program = b"G21 G90\nM3 S5000\nG1 X-5 F600\nM0 (MSG, turn it over)\nG1 X-9\nG0 Z-2 M1\nM5\nG0 X-1\nM30\n"
    bench = await begun(subject(firmware, program=program))
    board = board_of(bench)
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert bench.recorder.activities[-1][1] == "program stop (M0) in line 4: turn it over"
    assert board.is_safe
    assert (board.state, board.position_mm[0]) == ("Idle", -5)
    received = list(bench.executed)
    await bench.clock.sleep(4 * 3600.0)
    assert bench.executed == received
    assert bench.recorder.ends == []
    await bench.driver.resume()
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert bench.recorder.activities[-1][1] == "program stop (M1) in line 6"
    assert (board.position_mm[0], board.position_mm[2]) == (-9, -2), "what else is on its line comes before the stop"
    await bench.driver.resume()
    ended, reason, progress = await bench.end()
    assert ended is EndKind.FINISHED, reason
    assert progress.acknowledged_line == progress.sent_line == 9
    assert not any("M0" in line or "M1" in line for line in bench.executed)
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@pytest.mark.parametrize("cut", ["cancel", "reset", "stop"])
@under_virtual_clock()
async def test_what_stands_beside_a_stop_is_done_when_the_run_ends_in_the_wait(cut: str, firmware: str) -> None:
    """Whoever continues it begins behind that line, so that no motion is doubled."""
    bench = await begun(subject(firmware, program=b"G21 G90\nG1 X-3 F600\nG1 X-5 M0\nG1 X-9\nM30\n"))
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert board_of(bench).position_mm[0] == -5
    if cut == "cancel":
        await bench.driver.cancel()
    elif cut == "stop":
        bench.driver.stop()
    else:
        bench.machine.inject("reset", bench.link.now_s())
        bench.link.wake()
    _, _, progress = await bench.end()
    assert (progress.acknowledged_line, progress.planner_depth) == (3, 0)
    await finish(bench)


@under_virtual_clock()
async def test_a_stop_that_stands_alone_is_asked_for_again() -> None:
    """Nothing on its line moves, and what the person was to do may not be done."""
    bench = await begun(subject("grbl", program=b"G21 G90\nG1 X-3 F600\nM0\nG1 X-9\nM30\n"))
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    await bench.driver.cancel()
    _, _, progress = await bench.end()
    assert (progress.acknowledged_line, progress.planner_depth) == (2, 0)
    await finish(bench)


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_relative_motion_beside_a_stop_is_carried_out_once(firmware: str) -> None:
    """Held by a person while it moves, and resumed, and once more at the stop."""
    bench = await begun(subject(firmware, program=b"G21 G91\nG1 X-3 F600\nG1 X-5 M0\nG1 X-1\nG90\nM30\n"))
    board = board_of(bench)
    await bench.until(lambda: board.position_mm[0] < -3.5)
    await bench.driver.pause()
    await bench.until(lambda: bench.recorder.now is Activity.PAUSED)
    await bench.driver.resume()
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert board.position_mm[0] == -8
    await bench.driver.resume()
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert board.position_mm[0] == pytest.approx(-9)
    assert bench.executed.count("G1X-5") == 1
    await finish(bench)


@under_virtual_clock()
async def test_a_run_that_waits_for_a_tool_can_be_cancelled() -> None:
    bench = await begun(subject("grbl", program=b"G21 G90\nM3 S5000\nG1 X-5 F600\nM6 T3\nG1 X-9\nM30\n"))
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    await bench.driver.cancel()
    ended, _, progress = await bench.end()
    assert ended is EndKind.CANCELLED
    assert progress.acknowledged_line == 3
    assert board_of(bench).is_safe
    assert not bench.recorder.position_lost
    await finish(bench)


# A spindle that takes its time


@pytest.mark.parametrize("firmware", ["grblhal", "fluidnc"])
@under_virtual_clock()
async def test_a_spindle_that_is_waited_for_is_no_lost_answer(firmware: str) -> None:
    program = b"G21 G90 G94\nG0 X-1\nM3 S500\nG1 X-2 F600\nM5\nG0 X-3\nM3 S300\nG1 X-4\nM30\n"
    bench = await begun(subject(firmware, program=program, spindle_s=5.0))
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert bench.program_lines() == expected(bench)
    await finish(bench)


@pytest.mark.parametrize("line", [b"M3S500", b"M5", b"G1X5", b"M8", b"M30"])
def test_how_long_a_line_may_wait_is_what_the_settings_say(line: bytes) -> None:
    facts = {"$394": "3.0", "$539": "2.0", "$673": "1.5"}
    wanted = {b"M3S500": 5.0, b"M5": 2.0, b"G1X5": 0.0, b"M8": 1.5, b"M30": 2.0}[line]
    assert switching_s(line, GRBLHAL, facts) == wanted
    assert switching_s(line, GRBLHAL, {"$394": "x", "$539": "", "$673": "-1"}) == 0.0
    assert switching_s(line, GRBL, facts) == 0.0


@pytest.mark.parametrize("firmware", FIRMWARES)
@under_virtual_clock()
async def test_rest_on_a_slow_link_is_no_lost_answer(firmware: str) -> None:
    """It rests because the line is still on its way, and reports that come meanwhile answer older queries."""
    bench = Bench(subject(firmware, program=b"G21 G90 G94\nG1 X-1 F600\nG1 X-2\nM30\n"))
    await bench.connect()
    bench.link.latency_s = 0.6
    await bench.start()
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert bench.program_lines() == expected(bench)
    await finish(bench)
