"""The loop that joins engine, transport and clock: order, timers, reading ahead, and an engine that breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleetctl.driver.streamer import Streamer
from fleetctl.errors import LinkError, MachineBusy, OurProtocolError
from fleetctl.protocol.engine import EngineEvent, Ready
from fleetctl.protocol.feeder import Feeder
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.suite import Source
from fleetctl.transport.base import Receiver

LOOP_S = 1000.0


class Wire:
    """A transport that writes down what it is asked to do."""

    url = "wire://"
    unsent_bytes = 0

    def __init__(self) -> None:
        self.did: list[tuple[Any, ...]] = []

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        self.did.append(("open",))

    def write(self, data: bytes) -> None:
        self.did.append(("write", data))

    def discard_output(self) -> int:
        self.did.append(("discard",))
        return 0

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None:
        self.did.append(("urgent", data, at_line_start))

    def close(self) -> None:
        self.did.append(("close",))


class Script:
    """An engine that does as the test sets; unset verbs do nothing."""

    urgent_is_lines = True

    def __init__(self) -> None:
        self.output = b""
        self.urgent = b""
        self.discard = False
        self.told: list[EngineEvent] = []
        self.deadline_s: float | None = None
        self.elapsed_s: list[float] = []
        self.fails = False
        self.feeder: Feeder | None = None

    def connected(self, now: float) -> None:
        pass

    def receive(self, data: bytes, now: float) -> None:
        if self.fails:
            raise ValueError("broken")
        self.output = data.upper()

    def elapse(self, now: float) -> None:
        self.elapsed_s.append(now)
        if self.deadline_s is not None and self.deadline_s <= now:
            self.deadline_s = None

    def next_deadline(self) -> float | None:
        return self.deadline_s

    def take_output(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def take_urgent(self) -> bytes:
        urgent, self.urgent = self.urgent, b""
        return urgent

    def discards_output(self) -> bool:
        discard, self.discard = self.discard, False
        return discard

    def events(self) -> list[EngineEvent]:
        told, self.told = self.told, []
        return told

    def start(self, feeder: Feeder, now: float) -> None:
        if self.fails:
            raise MachineBusy
        self.feeder = feeder

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Rig:
    """A streamer on a wire."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.engine = Script()
        self.events: list[EngineEvent] = []
        self.losses: list[LinkError] = []
        self.unreadable: list[str] = []
        self.streamer = Streamer(
            self.engine,
            self.wire,
            VirtualClock(),
            on_event=self.events.append,
            on_lost=self.losses.append,
            on_unreadable=self.unreadable.append,
        )


async def opened() -> Rig:
    rig = Rig()
    await rig.streamer.open(LOOP_S + 10)
    rig.wire.did.clear()
    return rig


@under_virtual_clock()
async def test_what_the_engine_wants_is_done_in_the_order_of_the_contract() -> None:
    rig = await opened()
    rig.engine.discard, rig.engine.urgent, rig.engine.output = True, b"M112\n", b"G1\n"
    rig.engine.told = [Ready()]
    rig.streamer.pump()
    assert rig.wire.did == [("discard",), ("urgent", b"M112\n", True), ("write", b"G1\n")]
    assert rig.events == [Ready()]
    rig.streamer.close()


@under_virtual_clock()
async def test_a_verb_from_inside_an_event_is_carried_out_afterwards() -> None:
    rig = await opened()

    def act(event: EngineEvent) -> None:
        rig.engine.output = b"later"
        rig.streamer.pump()
        rig.wire.did.append(("after pump",))

    rig.streamer._on_event = act
    rig.engine.told = [Ready()]
    rig.streamer.pump()
    assert rig.wire.did == [("after pump",), ("write", b"later")]
    rig.streamer.close()


@under_virtual_clock()
async def test_elapse_comes_at_the_deadline_and_not_before_when_it_moves() -> None:
    rig = await opened()
    rig.engine.deadline_s = LOOP_S + 5
    rig.streamer.pump()
    rig.engine.deadline_s = LOOP_S + 9
    rig.streamer.pump()
    await asyncio.sleep(8)
    assert rig.engine.elapsed_s == []
    await asyncio.sleep(2)
    assert rig.engine.elapsed_s == [LOOP_S + 9]
    rig.engine.deadline_s = LOOP_S + 100
    rig.streamer.pump()
    rig.engine.deadline_s = LOOP_S + 20
    rig.streamer.pump()
    await asyncio.sleep(11)
    assert rig.engine.elapsed_s[1:] == [LOOP_S + 20]
    rig.streamer.close()


@under_virtual_clock()
async def test_an_engine_that_raises_ends_its_link_and_sends_nothing_more() -> None:
    rig = await opened()
    rig.engine.fails = True
    rig.engine.output = b"must not go out"
    rig.streamer.data_received(b"ok\n", LOOP_S)
    assert rig.wire.did == [("close",)]
    assert len(rig.losses) == 1
    assert isinstance(rig.losses[0], OurProtocolError)
    rig.streamer.data_received(b"ok\n", LOOP_S)
    assert len(rig.losses) == 1


@under_virtual_clock()
async def test_a_loss_is_told_once_and_not_after_close() -> None:
    rig = await opened()
    rig.streamer.lost(LinkError("gone"))
    rig.streamer.lost(LinkError("gone again"))
    assert [loss.message for loss in rig.losses] == ["gone"]
    other = await opened()
    other.streamer.close()
    other.streamer.lost(LinkError("gone"))
    assert other.losses == []


@under_virtual_clock()
async def test_a_program_is_read_ahead_only_as_far_as_the_feeder_wants() -> None:
    rig = await opened()
    program = b"G1 X1\n" * 60_000
    feeder = Feeder(line_limit_bytes=95)
    source = Source(program)
    await rig.streamer.begin(feeder, source)
    await asyncio.sleep(1)
    assert 16_384 <= source._offset < 21_000
    taken = 0
    while not feeder.exhausted:
        taken += len(feeder.take(1000))
        rig.streamer.pump()
        await asyncio.sleep(0.1)
    assert taken == 60_000
    rig.streamer.close()


@under_virtual_clock()
async def test_a_refused_start_leaves_nothing_behind() -> None:
    rig = await opened()
    rig.engine.fails = True
    with pytest.raises(MachineBusy):
        await rig.streamer.begin(Feeder(line_limit_bytes=95), Source(b"G1\n"))
    assert rig.streamer._reader is None
    rig.streamer.close()


@under_virtual_clock()
async def test_a_program_that_cannot_be_read_is_told() -> None:
    rig = await opened()
    await rig.streamer.begin(Feeder(line_limit_bytes=95), Source(b"G1 X1\n" * 1000, fails_at=2000))
    await asyncio.sleep(1)
    assert rig.unreadable == ["the disk cannot be read"]
    rig.streamer.close()
