"""The stream driver over any engine: what is refused, what is bounded, and that a run ends exactly once."""

from __future__ import annotations

import asyncio
import dataclasses

import msgspec
import pytest
from fleetctl_plugins.grbl.test_conformance import SUBJECT as MILL
from fleetctl_plugins.marlin.driver import DRIVER
from fleetctl_plugins.marlin.simulator import simulator
from fleetctl_plugins.marlin.test_conformance import SUBJECT

from fleetctl.driver.api import EndKind
from fleetctl.driver.stream import StreamDriver
from fleetctl.errors import LinkError, MachineBusy, MachineError
from fleetctl.model.machine import Activity
from fleetctl.protocol.engine import PositionSuspect, RunEnded, RunEndKind, RunFinished
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.suite import Bench, Source


def stream_driver(bench: Bench) -> StreamDriver:
    assert isinstance(bench.driver, StreamDriver)
    return bench.driver


@under_virtual_clock()
async def test_verbs_that_are_not_claimed_are_refused_without_a_byte() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    driver = stream_driver(bench)
    driver.capabilities = msgspec.structs.replace(driver.capabilities, pause=False, home=False)
    heard = bench.machine.heard.count
    with pytest.raises(MachineError, match="cannot home"):
        await driver.home()
    await bench.start()
    with pytest.raises(MachineError, match="cannot pause"):
        await driver.pause()
    assert "G28" not in list(bench.machine.heard.tail)[heard:]
    await driver.close()
    bench.finish()


@under_virtual_clock()
async def test_homing_returns_when_all_axes_rest() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    await bench.driver.command("G92 X0")
    await bench.driver.home()
    bench.link.wake()
    assert bench.machine.position_mm == (0.0, 0.0, 0.0)
    assert bench.recorder.now is Activity.IDLE
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_verb_that_is_never_answered_ends_in_an_error() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    bench.link.latency_s = 1e6
    with pytest.raises(MachineError, match="No answer"):
        await bench.driver.make_safe()
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_run_that_ends_twice_is_told_once() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    await bench.start()
    await bench.until_lines(3)
    driver = stream_driver(bench)
    driver._event(RunEnded(RunEndKind.INTERRUPTED, "first", 3, 16))
    driver._event(RunFinished(3))
    assert [(kind, reason) for kind, reason, _ in bench.recorder.ends] == [(EndKind.INTERRUPTED, "first")]
    assert bench.recorder.ends[0][2].planner_depth == 16
    await driver.close()
    assert len(bench.recorder.ends) == 1
    bench.finish()


@under_virtual_clock()
async def test_the_last_progress_of_a_finished_run_says_where_its_last_line_ends() -> None:
    """Also of lines that were acknowledged since it was looked at last."""
    bench = Bench(SUBJECT)
    await bench.connect()
    await bench.start()
    await bench.until_lines(3)
    stream_driver(bench)._event(RunFinished(30, 300))
    told = [progress for _, progress in bench.recorder.progresses][-1]
    assert (told.acknowledged_line, told.acknowledged_bytes) == (30, 300)
    assert (bench.recorder.ends[0][2].acknowledged_line, bench.recorder.ends[0][2].acknowledged_bytes) == (30, 300)
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_suspect_position_keeps_the_activity() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    stream_driver(bench)._event(PositionSuspect("somebody pushed it"))
    assert bench.recorder.activities[-1] == (Activity.IDLE, "somebody pushed it", True)
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_failed_start_leaves_the_driver_free() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    with pytest.raises(OSError, match="disk"):
        await bench.driver.start(Source(b"G1\n", fails_at=0))
    await bench.start()
    assert (await bench.end())[0] is EndKind.FINISHED
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_start_is_refused_while_a_command_runs() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    driver = stream_driver(bench)
    driver._engine.command("G4 S5", bench.clock.monotonic())
    driver._streamer.pump()
    with pytest.raises(MachineBusy):
        await bench.start()
    await driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_refused_command_carries_the_firmware_s_words() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    with pytest.raises(MachineError, match="bad parameters"):
        await bench.driver.command("G2 X10")
    await bench.driver.close()
    with pytest.raises(LinkError):
        await bench.driver.command("M119")
    bench.finish()


@under_virtual_clock()
async def test_an_engine_that_breaks_in_stop_does_not_raise() -> None:
    bench = Bench(SUBJECT)
    await bench.connect()
    driver = stream_driver(bench)

    def broken(now: float) -> None:
        raise ValueError("broken")

    driver._engine.stop = broken  # type: ignore[method-assign]
    driver.stop()
    assert not await driver.stopped()
    assert len(bench.recorder.losses) == 1
    bench.finish()


@under_virtual_clock()
async def test_a_board_that_boots_slowly_is_waited_for() -> None:
    slow = dataclasses.replace(SUBJECT, make_machine=lambda seed: simulator(seed, boot_s=6.0))
    bench = Bench(slow)
    identity = await bench.connect()
    assert identity.firmware == "Marlin"
    assert identity.board_uuid
    assert DRIVER.name == "marlin"
    await bench.driver.close()
    bench.finish()


# An engine that looks at the machine first


async def looking() -> tuple[Bench, asyncio.Task[None]]:
    """A start whose questions are on their way."""
    bench = Bench(MILL)
    await bench.connect()
    start = asyncio.create_task(bench.start())
    while stream_driver(bench)._begun is None:
        await asyncio.sleep(0)
        assert not start.done()
    return bench, start


async def nothing_went_out(bench: Bench) -> None:
    """Whatever answers come now, the program does not begin, and no run was ever told of."""
    await bench.clock.sleep(60.0)
    assert bench.program_lines() == []
    assert not bench.recorder.ends
    assert Activity.RUNNING not in [activity for activity, _, _ in bench.recorder.activities]


@under_virtual_clock()
async def test_a_machine_that_stands_otherwise_refuses_the_start_until_it_is_put_right() -> None:
    bench = Bench(MILL)
    await bench.connect()
    await bench.driver.command("G92 X10")
    bench.executed.clear()
    with pytest.raises(MachineError, match=r"G92 is set \(X .*G92\.1"):
        await bench.start()
    await nothing_went_out(bench)
    await bench.driver.command("G92.1")
    bench.executed.clear()
    await bench.start()
    assert (await bench.end())[0] is EndKind.FINISHED
    assert bench.program_lines() == MILL.cleaned(MILL.program)
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_work_offset_that_is_not_the_one_on_record_refuses_the_start() -> None:
    bench = Bench(MILL)
    await bench.connect()
    stream_driver(bench).set_work_offsets({"G54": (-240.0, 0.0, 0.0)})
    with pytest.raises(MachineError, match=r"G54 on the machine is X 0\.000 .* the set-up says X -240\.000"):
        await bench.start()
    await nothing_went_out(bench)
    stream_driver(bench).set_work_offsets({"G54": (0.0, 0.0, 0.0)})
    await bench.start()
    assert (await bench.end())[0] is EndKind.FINISHED
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_stop_while_it_looks_lets_nothing_begin() -> None:
    bench, start = await looking()
    bench.driver.stop()
    with pytest.raises(MachineError, match="software stop"):
        await start
    await nothing_went_out(bench)
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_start_that_nobody_waits_for_any_more_does_not_begin() -> None:
    bench, start = await looking()
    start.cancel()
    await asyncio.wait([start])
    await nothing_went_out(bench)
    await bench.start()
    assert (await bench.end())[0] is EndKind.FINISHED
    await bench.driver.close()
    bench.finish()


@under_virtual_clock()
async def test_a_link_that_is_lost_while_it_looks_is_told_once() -> None:
    bench, start = await looking()
    bench.link.unplug()
    with pytest.raises(LinkError):
        await start
    assert len(bench.recorder.losses) == 1
    await nothing_went_out(bench)
    bench.finish()
