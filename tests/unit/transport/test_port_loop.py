"""Ports in a loop that serves them while it waits, and in any other loop, on real pipes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lane import PORTS_AT_ONCE, LanePort, NumberedLane
from fleetctl.protocol.numbering import NumberedHistory
from fleetctl.protocol.window import Window
from fleetctl.transport.output import OutputBuffer
from fleetctl.transport.port_loop import port_loop, read, read_no_more


class End:
    """One end of a pipe, read as a port; `then` is called with what came."""

    def __init__(self, then: Callable[[End, bytes], None] = lambda end, data: None) -> None:
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self.then = then
        self.heard: list[bytes] = []
        self.failed: list[int] = []
        self.port = LanePort(self.reading, self, OutputBuffer())
        read(self.port)

    def say(self, data: bytes) -> None:
        os.write(self.writing, data)

    def hang_up(self) -> None:
        os.close(self.writing)
        self.writing = -1

    def close(self) -> None:
        read_no_more(self.port)
        self.port.shut()
        for descriptor in (self.reading, self.writing):
            if descriptor >= 0:
                os.close(descriptor)

    # What the port calls

    def bytes_came(self, data: bytes) -> None:
        self.heard.append(data)
        self.then(self, data)

    def rest_waits(self, data: bytes, taken: int) -> None:
        raise AssertionError("nothing is written here")

    def port_failed(self, number: int) -> None:
        self.failed.append(number)
        read_no_more(self.port)


Scene = Callable[[], Coroutine[Any, Any, None]]

LOOPS = {"serves ports": port_loop, "any other": asyncio.new_event_loop}


def in_loop(which: str, scene: Scene) -> None:
    with asyncio.Runner(loop_factory=LOOPS[which]) as runner:
        runner.run(asyncio.wait_for(scene(), 20.0))


async def soon(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not true():  # noqa: ASYNC110 - what is waited for comes from the ports themselves
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_port_that_can_be_read_is_read(loop: str) -> None:
    async def scene() -> None:
        ends = [End() for _ in range(3)]
        ends[1].say(b"ab")
        await soon(lambda: ends[1].heard == [b"ab"])
        ends[2].say(b"c")
        await soon(lambda: ends[2].heard == [b"c"])
        assert ends[0].heard == []
        for end in ends:
            end.close()

    in_loop(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_hang_up_is_told_once_it_was_read_to_the_end(loop: str) -> None:
    async def scene() -> None:
        end = End()
        end.say(b"last")
        end.hang_up()
        await soon(lambda: len(end.failed) == 1)
        assert end.heard == [b"last"]
        await asyncio.sleep(0.01)
        assert len(end.failed) == 1
        end.close()

    in_loop(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_port_that_another_one_closed_in_the_same_turn_is_not_read(loop: str) -> None:
    async def scene() -> None:
        ends: list[End] = []

        def only_one(mine: End, data: bytes) -> None:
            for end in ends:
                end.close()

        ends += [End(only_one), End(only_one)]
        for end in ends:
            end.say(b"x")
        await soon(lambda: any(end.heard for end in ends))
        await asyncio.sleep(0.01)
        assert sorted(end.heard for end in ends) == [[], [b"x"]]

    in_loop(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_descriptor_that_is_used_again_is_another_port(loop: str) -> None:
    async def scene() -> None:
        first = End()
        first.close()
        second = End()
        assert second.reading == first.reading
        second.say(b"new")
        await soon(lambda: second.heard == [b"new"])
        assert first.heard == []
        read_no_more(first.port)  # nothing happens for one that is not read
        second.close()

    in_loop(loop, scene)


@pytest.mark.parametrize("loop", LOOPS)
def test_what_a_port_sets_going_goes_on_at_once(loop: str) -> None:
    """Futures, callbacks and timers that were made while a port was read do not wait for the next input."""

    async def scene() -> None:
        running = asyncio.get_running_loop()
        done, timer = running.create_future(), running.create_future()

        def go_on(end: End, data: bytes) -> None:
            done.set_result(data)
            running.call_later(0.02, timer.set_result, None)

        end = End(go_on)
        running.call_later(0.01, end.say, b"go")
        begun_s = time.monotonic()
        assert await done == b"go"
        await timer
        assert time.monotonic() - begun_s < 1.0
        end.close()

    in_loop(loop, scene)


def test_timers_sockets_threads_and_signals_are_served_while_ports_never_rest() -> None:
    """A line that only a lane has to do with keeps the loop inside its wait: everything else must still come."""

    async def scene() -> None:
        running = asyncio.get_running_loop()
        ends = [End() for _ in range(4)]
        lanes = [lane_of(end) for end in ends]
        enough = threading.Event()
        feeding = threading.Thread(target=say_without_end, args=(ends, enough))
        feeding.start()
        try:
            begun_s = time.monotonic()
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert time.monotonic() - begun_s < 2.0
            assert await running.run_in_executor(None, lambda: 7) == 7
            hit = asyncio.Event()
            running.add_signal_handler(signal.SIGUSR1, hit.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(hit.wait(), 2.0)
            running.remove_signal_handler(signal.SIGUSR1)
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
            writer.write(b"hello\n")
            assert await asyncio.wait_for(reader.readline(), 2.0) == b"hello\n"
            writer.close()
            server.close()
        finally:
            enough.set()
            await asyncio.to_thread(feeding.join)
        assert all(lane.read_at_s > begun_s for lane in lanes)
        assert all(end.heard == [] for end in ends)
        for end in ends:
            end.close()

    in_loop("serves ports", scene)


def test_a_signal_that_another_thread_got_is_handled_while_ports_never_rest() -> None:
    """Its handler, set by `signal.signal`, wakes no loop; it runs when this thread looks for signals."""

    async def scene() -> None:
        ends = [End() for _ in range(4)]
        lanes = [lane_of(end) for end in ends]
        enough = threading.Event()
        sent_s: list[float] = []
        handled_s: list[float] = []

        def send() -> None:
            enough.wait(0.1)
            sent_s.append(time.monotonic())
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)

        before = signal.signal(signal.SIGUSR2, lambda number, frame: handled_s.append(time.monotonic()))
        threads = [threading.Thread(target=say_without_end, args=(ends, enough)), threading.Thread(target=send)]
        for thread in threads:
            thread.start()
        try:
            await asyncio.sleep(2.0)
        finally:
            enough.set()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            signal.signal(signal.SIGUSR2, before)
        assert handled_s[0] - sent_s[0] < 1.0
        assert all(lane.read_at_s > sent_s[0] for lane in lanes)
        for end in ends:
            end.close()

    in_loop("serves ports", scene)


def test_a_loop_that_was_closed_is_not_kept() -> None:
    loop = port_loop()
    kept = weakref.ref(loop)
    loop.close()
    del loop
    gc.collect()
    assert kept() is None


def test_hundreds_of_ports_leave_the_loop_its_turns() -> None:
    async def scene() -> None:
        ends = [End() for _ in range(2 * PORTS_AT_ONCE + 1)]
        for end in ends:
            end.say(b"x")
        counted = [0]
        while counted[-1] < len(ends):
            await asyncio.sleep(0)
            counted.append(sum(len(end.heard) for end in ends))
        assert max(after - before for before, after in itertools.pairwise(counted)) == PORTS_AT_ONCE
        assert all(end.heard == [b"x"] for end in ends)
        for end in ends:
            end.close()

    in_loop("serves ports", scene)


def test_a_port_that_raises_is_told_of_and_ends_nothing() -> None:
    async def scene() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def break_down(end: End, data: bytes) -> None:
            raise ValueError("a bug")

        bad, good = End(break_down), End()
        bad.say(b"x")
        good.say(b"y")
        await soon(lambda: bool(told and good.heard))
        assert isinstance(told[0]["exception"], ValueError)
        good.close()
        bad.close()

    in_loop("serves ports", scene)


class Unconcerned:
    """The owner of a lane that never needs anybody."""

    def lane_acted(self, now_s: float) -> None:
        raise AssertionError("an empty line is nothing to act on")

    def lane_broke(self, error: Exception) -> None:
        raise error


def lane_of(end: End) -> NumberedLane:
    """A lane that takes the empty lines of this end."""
    lane = NumberedLane(Window(max_lines=1), NumberedHistory(), 4, receive_bytes=127)
    lane.open(Feeder(line_limit_bytes=90))
    end.port.carry(lane, Unconcerned())
    return lane


def say_without_end(ends: list[End], enough: threading.Event) -> None:
    while not enough.is_set():
        for end in ends:
            end.say(b"\n" * 64)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    with contextlib.suppress(OSError):
        await writer.drain()
    writer.close()
