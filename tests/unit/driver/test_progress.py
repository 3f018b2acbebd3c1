"""Progress is told at once at first, then at most every 100 ms, and completely at the end."""

from __future__ import annotations

import asyncio

from fleetctl.driver.progress import ProgressTeller
from fleetctl.protocol.engine import Progress
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.suite import Recorder


@under_virtual_clock()
async def test_many_acknowledgements_are_one_call() -> None:
    recorder = Recorder()
    teller = ProgressTeller(VirtualClock(), recorder, planner_depth=16)
    teller.begin()
    for line in range(1, 51):
        teller.progress(Progress(acknowledged_line=line, sent_line=line + 1, acknowledged_bytes=9 * line))
        await asyncio.sleep(0.01)
    lines = [progress.acknowledged_line for _, progress in recorder.progresses]
    assert lines == [1, 11, 21, 31, 41]
    assert {progress.planner_depth for _, progress in recorder.progresses} == {16}


@under_virtual_clock()
async def test_the_last_word_comes_before_the_end() -> None:
    recorder = Recorder()
    teller = ProgressTeller(VirtualClock(), recorder, planner_depth=16)
    teller.begin()
    teller.progress(Progress(1, 2, 9))
    teller.progress(Progress(5, 6, 45))
    last = teller.finish()
    assert (last.acknowledged_line, last.sent_line) == (5, 6)
    assert [progress.acknowledged_line for _, progress in recorder.progresses] == [1, 5]
    await asyncio.sleep(1)
    assert len(recorder.progresses) == 2


@under_virtual_clock()
async def test_a_new_run_begins_at_nothing() -> None:
    recorder = Recorder()
    teller = ProgressTeller(VirtualClock(), recorder, planner_depth=16)
    teller.begin()
    teller.progress(Progress(7, 8, 63))
    teller.finish()
    teller.begin()
    assert teller.finish().acknowledged_line == 0
    assert len(recorder.progresses) == 1
