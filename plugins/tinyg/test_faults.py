"""What TinyG and g2core do in a run that no other machine does, each with its one documented outcome (README)."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fleetctl_plugins.tinyg import words
from fleetctl_plugins.tinyg.driver import DRIVER
from fleetctl_plugins.tinyg.simulator import TinygSimulator, as_executed, simulator

from fleetctl.driver.api import EndKind
from fleetctl.errors import MachineError
from fleetctl.model.machine import Activity
from fleetctl.sim.faults import Fault, FaultyMachine
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench, Subject

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "3")))
CUTS = b"".join(b"G1 X-%d.%d Y-%d F900\n" % (5 + i % 9, i % 10, i % 7) for i in range(40))
PROGRAM = b"G21 G90 G94\nM3 S900\n" + CUTS


async def begun(program: bytes, *faults: Fault, seed: int = 1, **options: Any) -> tuple[Bench, TinygSimulator]:
    board = simulator(seed, **options)
    machine = FaultyMachine(board, faults, seed=seed) if faults else board
    subject = Subject(
        driver=DRIVER,
        make_machine=lambda _: machine,
        program=program,
        cleaned=as_executed,
        safe_lines=frozenset({"M5", "M9"}),
        switch_on="M3 S1000",
        question=('{"fb":null}', "440.21"),
        fault="hard-limit",
        fault_end=EndKind.INTERRUPTED,
        clears_fault=True,
        has_checksums=False,
    )
    bench = Bench(subject, seed=seed)
    await bench.connect()
    if program:
        await bench.start()
    return bench, board


async def finish(bench: Bench) -> None:
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_an_error_flushes_what_is_behind_it_and_names_the_line() -> None:
    bench, board = await begun(PROGRAM + b"G1 X1 Q5\n" + PROGRAM + b"M30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FAILED
    assert "line 43: status 100" in reason
    assert board.is_safe
    assert not bench.recorder.position_lost
    assert len(bench.executed) < 43 + 4 + 2
    await finish(bench)


@pytest.mark.parametrize("line", [b"G1 X1 %", b"G10 L20 P1 X0", b"$x", b'{"xvm":100}'])
@under_virtual_clock()
async def test_what_may_not_be_streamed_is_not_sent(line: bytes) -> None:
    bench, board = await begun(PROGRAM + line + b"\nM30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FAILED
    assert "line 43" in reason
    assert board.is_safe
    await finish(bench)


@under_virtual_clock()
async def test_a_tool_change_waits_for_a_person_and_is_never_sent() -> None:
    bench, _ = await begun(b"G21 G90\nG1 X-5 F600\nM5\nT2 M6\nG1 X-9\nM30\n")
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert "line 4" in bench.recorder.activities[-1][1]
    assert bench.executed[-1] == "M5"
    await bench.clock.sleep(3600.0)
    await bench.driver.resume()
    kind, _, progress = await bench.end()
    assert kind is EndKind.FINISHED
    assert progress.acknowledged_line == 6
    assert not any("M6" in line for line in bench.executed)
    await finish(bench)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["drop", "lost-answer"])
@under_virtual_clock()
async def test_a_lost_line_or_answer_never_finishes(kind: str, seed: int) -> None:
    fault = Fault("drop" if kind == "drop" else "drop-out", after_lines=10 + 3 * seed)
    bench, board = await begun(PROGRAM + b"M30\n", fault, seed=seed)
    ended, reason, _ = await bench.end()
    if kind == "drop":
        assert ended is EndKind.INTERRUPTED
        assert "arrived with" in reason or "acknowledgement was lost" in reason
        assert bench.recorder.position_lost
    elif ended is EndKind.FINISHED:  # it was a report that was lost
        assert bench.program_lines() == as_executed(PROGRAM + b"M30\n")
    assert board.lost_bytes == 0
    await finish(bench)


@under_virtual_clock()
async def test_no_byte_overflows() -> None:
    long = b"G1 X-1.%s Y-2.%s F900\n" % (b"0" * 28, b"0" * 28)
    bench, board = await begun(b"G21 G90 G94\n" + long * 40 + b"M30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert board.lost_bytes == 0
    await finish(bench)


@under_virtual_clock()
async def test_homing_ends_when_it_has_been_homing() -> None:
    bench, board = await begun(b"G21 G90\nM30\n")
    await bench.end()
    await bench.driver.home()
    assert board.position_mm == (0.0, 0.0, 0.0)
    assert bench.recorder.now is Activity.IDLE
    await finish(bench)


# Settings of its JSON


@pytest.mark.parametrize("options", [{"qv": 0, "jd": 1}, {"strict": False}, {"tells_machine_places": True, "sv": 2}])
@pytest.mark.parametrize("firmware", ["tinyg", "g2core"])
@under_virtual_clock()
async def test_whatever_its_reports_look_like_a_run_ends_as_it_should(firmware: str, options: dict[str, Any]) -> None:
    bench, board = await begun(PROGRAM + b"M30\n", firmware=firmware, g54="-10,-20,-5", **options)
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    told = bench.recorder.latest.position_mm
    assert told == pytest.approx(board.position_mm, abs=0.01)
    await finish(bench)


@under_virtual_clock()
async def test_without_status_reports_no_run_begins() -> None:
    bench, _ = await begun(b"", sv=0)
    with pytest.raises(MachineError, match="status reports are off"):
        await bench.start(PROGRAM)
    assert bench.executed == []
    await finish(bench)


def test_the_checksum_of_an_answer_is_that_of_the_firmware() -> None:
    """An answer that was spoiled is no answer."""
    good = b'{"r":{"qr":32},"f":[1,0,12,%d]}' % words.checksum(b'{"r":{"qr":32},"f":[1,0,12')
    assert words.read(good) is not None
    assert words.read(good.replace(b"32", b"31")) is None


# Lines


@pytest.mark.parametrize("firmware", ["tinyg", "g2core"])
@under_virtual_clock()
async def test_moves_of_no_length_and_deleted_blocks_are_no_errors(firmware: str) -> None:
    bench, _ = await begun(b"G21 G90\nG1 X-5 F600\nG1 X-5\n/G1 X-9\nG1 X-6\nM30\n", firmware=firmware)
    kind, reason, progress = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert progress.acknowledged_line == 6
    assert not any("X-9" in line for line in bench.executed)
    await finish(bench)


@pytest.mark.parametrize("seed", SEEDS)
@under_virtual_clock()
async def test_a_line_that_lost_a_byte_is_seen_by_its_size(seed: int) -> None:
    bench, board = await begun(PROGRAM + b"M30\n", Fault("garble", after_lines=10 + 3 * seed), seed=seed)
    kind, reason, _ = await bench.end()
    if kind is EndKind.INTERRUPTED:
        assert "arrived with" in reason
        assert bench.recorder.position_lost
    else:  # a bit was changed: refused by the firmware, or another line that makes sense
        assert kind in (EndKind.FAILED, EndKind.FINISHED)
    assert board.is_safe
    await finish(bench)


@under_virtual_clock()
async def test_what_stands_beside_a_stop_is_carried_out_before_it_and_beside_a_tool_change_after() -> None:
    """At both a hand is in the machine: everything is off, and comes back with the person's word."""
    bench, board = await begun(b"G21 G90\nM3 S900\nG0 X-5 M0\nT2 M6 G0 X-7\nG0 X-9\nM30\n")
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    assert board.position_mm[0] == pytest.approx(-5.0)
    assert "line 3" in bench.recorder.activities[-1][1]
    assert board.is_safe
    await bench.driver.make_safe()
    await bench.driver.resume()
    await bench.until(lambda: "T2" in bench.recorder.activities[-1][1])
    assert board.is_safe
    assert board.position_mm[0] == pytest.approx(-5.0)
    await bench.driver.resume()
    await bench.until(lambda: bench.recorder.now is Activity.RUNNING)
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    assert bench.executed.count("M3S900") == 3
    assert bench.executed.count("G0X-5") == bench.executed.count("T2G0X-7") == 1
    assert bench.executed[bench.executed.index("T2G0X-7") - 1] == "G4P4"
    await finish(bench)


@pytest.mark.parametrize("cut", ["cancel", "reset"])
@under_virtual_clock()
async def test_what_stands_beside_a_stop_is_done_when_the_run_ends_in_the_wait(cut: str) -> None:
    """Whoever continues it begins behind that line, so that no motion is doubled."""
    bench, board = await begun(b"G21 G90\nG0 X-3\nG0 X-5 M0\nG0 X-9\nM30\n")
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    if cut == "cancel":
        await bench.driver.cancel()
    else:
        board.inject("reset", board.now_s)
        bench.link.wake()
    _, _, progress = await bench.end()
    assert (progress.acknowledged_line, progress.planner_depth) == (3, 0)
    await finish(bench)


# Offsets and modes before a run


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("G18", "G18"),
        ("G93", "G93"),
        ("G55", "G55"),
        ("G92 X5", "G92"),
        ("G10 L2 P1 X-30", "G54"),
    ],
)
@pytest.mark.parametrize("firmware", ["tinyg", "g2core"])
@under_virtual_clock()
async def test_another_mode_or_offset_than_was_checked_refuses_the_run(firmware: str, before: str, said: str) -> None:
    bench, _ = await begun(b"", firmware=firmware)
    bench.driver.set_work_offsets({"G54": (0.0, 0.0, 0.0)})  # type: ignore[attr-defined]
    await bench.driver.command(before)
    lines = len(bench.executed)
    with pytest.raises(MachineError, match=said):
        await bench.start(b"G1 X-5 F300\nM30\n")
    assert len(bench.executed) == lines
    await finish(bench)


@under_virtual_clock()
async def test_offsets_told_in_inches_are_compared_in_mm() -> None:
    bench, _ = await begun(b"", g54="-25.4,0,0")
    bench.driver.set_work_offsets({"G54": (-25.4, 0.0, 0.0)})  # type: ignore[attr-defined]
    await bench.driver.command("G20")
    await bench.start(b"G21 G90\nG0 X-1\nM30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    await finish(bench)


# Alarms


@pytest.mark.parametrize("firmware", ["tinyg", "g2core"])
@under_virtual_clock()
async def test_a_soft_limit_ends_the_run_keeps_the_position_and_is_cleared_by_a_person(firmware: str) -> None:
    bench, board = await begun(PROGRAM + b"M30\n", firmware=firmware)
    await bench.until_lines(8)
    board.inject("soft-limit", board.now_s)
    bench.link.wake()
    kind, reason, _ = await bench.end()
    assert kind is EndKind.INTERRUPTED
    assert "soft limit" in reason
    assert board.is_safe
    assert not bench.recorder.position_lost
    await bench.clock.sleep(600.0)
    assert bench.recorder.activities[-1][0] is Activity.FAULT
    resets = board.resets
    await bench.driver.clear_fault()
    assert bench.recorder.now is Activity.IDLE
    assert board.resets == resets
    await finish(bench)


@under_virtual_clock()
async def test_a_tinyg_that_is_shut_down_says_one_word_and_wants_a_reset() -> None:
    bench, board = await begun(PROGRAM + b"M30\n")
    await bench.until_lines(8)
    board.inject("hard-limit", board.now_s)
    bench.link.wake()
    began_s = bench.clock.monotonic()
    await bench.until(lambda: bench.recorder.ends)
    assert bench.clock.monotonic() - began_s < 1.0  # not by its silence
    assert "hard limit" in bench.recorder.ends[0][1]
    assert bench.recorder.position_lost
    with pytest.raises(MachineError, match="hears nothing"):
        await bench.driver.command('{"fb":null}')
    resets = board.resets
    await bench.driver.clear_fault()
    assert board.resets == resets + 1
    await finish(bench)


@under_virtual_clock()
async def test_a_g2core_in_panic_is_reset() -> None:
    bench, board = await begun(PROGRAM + b"M30\n", firmware="g2core")
    await bench.until_lines(8)
    board.inject("panic", board.now_s)
    bench.link.wake()
    kind, _, _ = await bench.end()
    assert kind is EndKind.INTERRUPTED
    assert bench.recorder.position_lost
    resets = board.resets
    await bench.driver.clear_fault()
    assert board.resets == resets + 1
    assert bench.recorder.now is Activity.IDLE
    await finish(bench)


@under_virtual_clock()
async def test_a_hold_that_somebody_else_pressed_waits_and_goes_on() -> None:
    bench, board = await begun(PROGRAM + b"M30\n")
    await bench.until_lines(8)
    board.inject("hold", board.now_s)
    bench.link.wake()
    await bench.until(lambda: bench.recorder.now is Activity.WAITING)
    await bench.clock.sleep(5.0)
    await bench.driver.resume()
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    await finish(bench)


@pytest.mark.parametrize("qv", [0, 1])
@under_virtual_clock()
async def test_what_was_executed_is_as_narrow_as_its_queue_reports_allow(qv: int) -> None:
    bench, board = await begun(PROGRAM + b"M30\n", qv=qv)
    await bench.until_lines(12)
    held = board.planner.queued
    board.inject("reset", board.now_s)
    bench.link.wake()
    _, _, progress = await bench.end()
    assert progress.planner_depth >= min(held, 12)
    assert progress.planner_depth == 32 if qv == 0 else progress.planner_depth < 32
    await finish(bench)


# Homing


@under_virtual_clock()
async def test_a_homing_cycle_that_fails_says_why_and_changes_no_count() -> None:
    bench, _ = await begun(b"", homing=False)
    with pytest.raises(MachineError, match="homing"):
        await bench.driver.home()
    await bench.start(PROGRAM + b"M30\n")
    kind, reason, _ = await bench.end()
    assert kind is EndKind.FINISHED, reason
    await finish(bench)
