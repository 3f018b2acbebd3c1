"""What the streamer does with an engine that keeps a lane, and what it does at once for a stop."""

from __future__ import annotations

import asyncio

from fleetctl.driver.streamer import Streamer
from fleetctl.errors import LinkError
from fleetctl.protocol.engine import EngineEvent, Progress, Ready
from fleetctl.protocol.feeder import Feeder
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.suite import Source
from tests.unit.driver.test_streamer import Script, Wire


class ScriptedLane:
    """Takes `ok` as the test says, and nothing else."""

    def __init__(self) -> None:
        self.answer = b"next\n"
        self.steps = False
        self.wants_step = self.wants_data = self.is_watched = False

    def receive(self, data: bytes, now_s: float) -> bytes | None:
        if data != b"ok\n":
            return None
        self.wants_step = self.steps
        return self.answer


class LanedScript(Script):
    """An engine with a lane and progress to tell."""

    def __init__(self) -> None:
        super().__init__()
        self.lane = ScriptedLane()
        self.received: list[bytes] = []
        self.line = 0
        self.news = True
        self.breaks = False

    def receive(self, data: bytes, now: float) -> None:
        self.received.append(data)
        super().receive(data, now)

    def progress(self) -> Progress | None:
        if self.breaks:
            raise ValueError("broken")
        if not self.news:
            return None
        self.line += 1
        return Progress(self.line, self.line, 0)


async def opened() -> tuple[Streamer, LanedScript, Wire, list[EngineEvent]]:
    engine, wire, told = LanedScript(), Wire(), list[EngineEvent]()
    streamer = Streamer(
        engine,  # type: ignore[arg-type]
        wire,
        VirtualClock(),
        on_event=told.append,
        on_lost=lambda reason: None,
        on_unreadable=lambda reason: None,
    )
    await streamer.open(asyncio.get_running_loop().time() + 1.0)
    wire.did.clear()
    return streamer, engine, wire, told


@under_virtual_clock()
async def test_what_the_lane_takes_never_reaches_the_engine() -> None:
    streamer, engine, wire, _ = await opened()
    streamer.data_received(b"ok\n", 1.0)
    assert engine.received == []
    assert wire.did == [("write", b"next\n")]
    streamer.data_received(b"T:20\n", 1.0)
    assert engine.received == [b"T:20\n"]
    streamer.close()


@under_virtual_clock()
async def test_a_lane_that_wants_a_step_gets_one_and_its_bytes_go_first() -> None:
    streamer, engine, wire, _ = await opened()
    engine.lane.steps = True
    streamer.data_received(b"ok\n", 1.0)
    assert engine.received == [b""]
    assert not engine.lane.wants_step
    assert wire.did[0] == ("write", b"next\n")
    streamer.close()


@under_virtual_clock()
async def test_progress_of_the_lane_is_told_ten_times_a_second_while_a_program_is_in_hand() -> None:
    streamer, engine, _, told = await opened()
    await asyncio.sleep(1.0)
    assert told == []
    await streamer.begin(Feeder(line_limit_bytes=90), Source(b"G1 X1\n"))
    assert engine.lane.is_watched
    await asyncio.sleep(1.05)
    assert len(told) == 10
    engine.news = False
    await asyncio.sleep(1.0)
    assert len(told) == 10
    engine.news = True
    streamer.forget_program()
    assert not engine.lane.is_watched
    await asyncio.sleep(5.0)
    assert len(told) == 10
    streamer.close()


@under_virtual_clock()
async def test_nothing_is_told_of_a_lane_whose_link_is_closed() -> None:
    streamer, _, _, told = await opened()
    await streamer.begin(Feeder(line_limit_bytes=90), Source(b"G1 X1\n"))
    streamer.close()
    told.clear()
    streamer.close()
    await asyncio.sleep(1.0)
    assert told == []


@under_virtual_clock()
async def test_how_far_the_lane_came_is_told_before_the_loss_of_its_link() -> None:
    """What was acknowledged since the last look is not to be carried out again by a run that resumes this one."""
    streamer, engine, _, told = await opened()
    lost: list[list[EngineEvent]] = []
    streamer._on_lost = lambda reason: lost.append(list(told))
    await streamer.begin(Feeder(line_limit_bytes=90), Source(b"G1 X1\n"))
    await asyncio.sleep(0.15)
    engine.line = 500
    streamer.lost(LinkError("gone"))
    assert lost == [[Progress(1, 1, 0), Progress(501, 501, 0)]]


@under_virtual_clock()
async def test_a_lane_that_is_broken_when_its_link_is_lost_changes_nothing() -> None:
    streamer, engine, wire, _ = await opened()
    lost: list[str] = []
    streamer._on_lost = lambda reason: lost.append(str(reason))
    await streamer.begin(Feeder(line_limit_bytes=90), Source(b"G1 X1\n"))
    engine.breaks = True
    streamer.lost(LinkError("gone"))
    assert lost == ["gone"]
    assert wire.did[-1] == ("close",)
    assert not engine.lane.is_watched


@under_virtual_clock()
async def test_a_look_that_raises_ends_this_link_and_no_other() -> None:
    broken, engine, wire, _ = await opened()
    other, _, _, told = await opened()
    for streamer in (broken, other):
        await streamer.begin(Feeder(line_limit_bytes=90), Source(b"G1 X1\n"))
    engine.breaks = True
    await asyncio.sleep(1.1)
    assert wire.did[-1] == ("close",)
    assert 10 <= len(told) <= 11
    other.close()


@under_virtual_clock()
async def test_at_once_only_the_urgent_bytes_go_and_the_rest_follows() -> None:
    streamer, engine, wire, told = await opened()

    def stop() -> None:
        engine.discard = True
        engine.urgent, engine.output, engine.told = b"!", b"later", [Ready()]

    streamer.at_once(stop)
    assert wire.did == [("discard",), ("urgent", b"!", True)]
    assert told == []
    await asyncio.sleep(0)
    assert wire.did[2:] == [("write", b"later")]
    assert told == [Ready()]
    streamer.close()
