"""A lane that answers at a real pseudo-terminal: what it takes, what goes up, and that no byte is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import tty
from collections.abc import AsyncIterator, Iterator

import pytest

from fleetctl.clock import SystemClock
from fleetctl.protocol.feeder import Feeder
from fleetctl.protocol.lane import LanePort, NumberedLane
from fleetctl.protocol.numbering import NumberedHistory
from fleetctl.protocol.window import Window
from fleetctl.transport.output import OutputBuffer
from fleetctl.transport.serial import SerialTransport
from fleetctl.transport.tap import TapTransport
from tests.integration.far_ends import DescriptorEnd, Recorder, eventually, soon

LINE = b"G1 X%d Y123456.123456 Z123456.123456 E123456.12 F123456"
PROGRAM = b"".join(LINE % n + b"\n" for n in range(4000))


class Owner:
    """What the streamer would hear."""

    def __init__(self, lane: NumberedLane) -> None:
        self.lane = lane
        self.acted = 0
        self.broke: list[Exception] = []

    def lane_acted(self, now_s: float) -> None:
        self.acted += 1
        self.lane.wants_data = self.lane.wants_step = False

    def lane_broke(self, error: Exception) -> None:
        self.broke.append(error)


class Desk:
    """One open port with a lane that has lines to send."""

    def __init__(self, transport: SerialTransport, recorder: Recorder, far: DescriptorEnd, master: int) -> None:
        self.transport, self.recorder, self.far, self.master = transport, recorder, far, master
        self.window: Window[object] = Window(max_lines=1)
        self.history = NumberedHistory()
        self.lane = NumberedLane(self.window, self.history, 4, receive_bytes=1024)
        self.lane.takes_bare = True
        self.owner = Owner(self.lane)
        feeder = Feeder(line_limit_bytes=90)
        feeder.push(PROGRAM)
        feeder.finish()
        number, line = 1, feeder.take_numbered(1, 1)[0]
        self.history.append(line[0])
        self.window.sent(len(line[0]), line)
        self.lane.oldest_number = number
        self.lane.open(feeder)
        assert self.lane.is_open
        transport.carry(self.lane, self.owner)

    def lines(self) -> list[bytes]:
        """What the machine got, without numbers."""
        return [line.partition(b" ")[2].rpartition(b"*")[0] for line in bytes(self.far.data).split(b"\n")[:-1]]

    async def answers(self, text: bytes, lines: int) -> None:
        """The machine says this; wait until it has got so many lines."""
        self.far.say(text)
        await eventually(lambda: len(self.lines()) >= lines)


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)
    yield master, name
    with contextlib.suppress(OSError):
        os.close(master)


@pytest.fixture
async def desk(pty: tuple[int, str]) -> AsyncIterator[Desk]:
    transport, recorder = SerialTransport(pty[1], pty[1], SystemClock()), Recorder()
    await transport.open(recorder, soon())
    far = DescriptorEnd(os.dup(pty[0]))
    yield Desk(transport, recorder, far, pty[0])
    transport.close()
    far.close()


async def test_an_ok_brings_the_next_line_and_nobody_above_hears_of_it(desk: Desk) -> None:
    desk.far.listen()
    for number in range(1, 50):
        await desk.answers(b"ok\n", number)
    assert desk.lines() == [LINE % n for n in range(1, 50)]
    assert desk.recorder.data == b""
    assert desk.owner.acted == 0
    assert desk.lane.acknowledged_line == 49


async def test_an_ok_in_pieces_is_one_ok(desk: Desk) -> None:
    desk.far.listen()
    for piece in (b"o", b"k", b"\r"):
        desk.far.say(piece)
        await asyncio.sleep(0.01)
    await eventually(lambda: len(desk.lines()) == 1)
    await desk.answers(b"\nok\n", 2)
    assert desk.lines() == [LINE % 1, LINE % 2]
    assert desk.recorder.data == b""


async def test_everything_else_goes_up_as_it_is(desk: Desk) -> None:
    desk.far.listen()
    desk.far.say(b"T:20.1 /0.0\nok\n")
    await eventually(lambda: desk.recorder.data == b"T:20.1 /0.0\nok\n")
    assert desk.lines() == [] and desk.owner.acted == 0
    await desk.answers(b"ok\n", 1)


async def test_while_output_waits_the_lane_is_not_asked(desk: Desk) -> None:
    """What it sent would stand behind, or in the middle of, what has not left yet."""
    filler = b"M117 " + b"x" * 80 + b"\n"
    written = 0
    while not desk.transport.unsent_bytes:
        desk.transport.write(filler)
        written += 1
        assert written < 10_000
    desk.far.say(b"ok\n")
    await eventually(lambda: desk.recorder.data == b"ok\n")
    desk.far.listen()
    await eventually(lambda: desk.transport.unsent_bytes == 0 and len(desk.far.data) == written * len(filler))
    await desk.answers(b"ok\n", written + 1)
    assert bytes(desk.far.data).startswith(filler * written)
    assert desk.lines()[written] == LINE % 1


async def test_inside_an_unfinished_line_the_lane_is_not_asked(desk: Desk) -> None:
    desk.far.listen()
    desk.transport.write(b"M117 half")
    desk.far.say(b"ok\n")
    await eventually(lambda: desk.recorder.data == b"ok\n")
    desk.transport.write(b" whole\n")
    await desk.answers(b"ok\n", 2)
    assert bytes(desk.far.data).startswith(b"M117 half whole\nN2 G1 X1 Y")


async def test_what_the_port_does_not_take_of_an_answer_goes_when_it_can(desk: Desk) -> None:
    """The lane writes into a port that is full but for some bytes: the machine gets each line once and whole."""
    desk.lane.max_lines = 1
    answered = 0
    while not desk.transport.unsent_bytes:  # the kernel keeps what nobody reads
        answered += 1
        desk.far.say(b"ok\n")
        await eventually(lambda answered=answered: desk.lane.acknowledged_line == answered)  # type: ignore[misc]
        assert answered < 3900, "the port never was full"
    desk.far.listen()
    await eventually(lambda: desk.transport.unsent_bytes == 0 and len(desk.lines()) == answered)
    assert desk.recorder.data == b""
    assert desk.lines() == [LINE % n for n in range(1, desk.lane.acknowledged_line + 1)]


class Above:
    """What the transport would hear."""

    def __init__(self) -> None:
        self.rests: list[tuple[bytes, int]] = []
        self.failed: list[int] = []

    def bytes_came(self, data: bytes) -> None:
        raise AssertionError(f"{data!r} was for the lane")

    def rest_waits(self, data: bytes, taken: int) -> None:
        self.rests.append((data, taken))

    def port_failed(self, number: int) -> None:
        self.failed.append(number)


@pytest.mark.parametrize("gone", [False, True])
async def test_a_port_that_takes_nothing_or_is_gone_when_the_lane_writes(desk: Desk, gone: bool) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    above = Above()
    port = LanePort(near.fileno(), above, OutputBuffer())
    port.carry(desk.lane, desk.owner)
    far.send(b"ok\n")
    if gone:
        near.shutdown(socket.SHUT_WR)
    else:
        with contextlib.suppress(BlockingIOError):
            while True:
                near.send(b"x" * 4096)
    port.readable()
    if gone:
        assert (above.failed, above.rests) == ([errno.EPIPE], [])
    else:
        ((line, taken),) = above.rests
        assert (taken, above.failed) == (0, []) and line.startswith(b"N2 ")
    port.shut()
    port.readable()  # a turn that was due already
    near.close()
    far.close()


async def test_a_cut_cable_is_told_once_and_the_port_is_never_touched_again(desk: Desk) -> None:
    desk.far.close()
    os.close(desk.master)
    await eventually(lambda: len(desk.recorder.losses) == 1)
    await asyncio.sleep(0.02)
    assert len(desk.recorder.losses) == 1
    assert desk.transport.unsent_bytes == 0


async def test_while_somebody_listens_everything_passes_above(pty: tuple[int, str]) -> None:
    """A capture must hear what the lane would take at the port, and hears nothing twice."""
    inner, recorder = SerialTransport(pty[1], pty[1], SystemClock()), Recorder()
    tap = TapTransport(inner)
    await tap.open(recorder, soon())
    desk = Desk(inner, recorder, DescriptorEnd(os.dup(pty[0])), pty[0])
    tap.carry(desk.lane, desk.owner)
    desk.far.listen()
    await desk.answers(b"ok\n", 1)
    heard: list[tuple[str, bytes]] = []
    tap.listen(lambda way, data: heard.append((way, data)))
    desk.far.say(b"ok\n")
    await eventually(lambda: recorder.data == b"ok\n")
    assert heard == [("in", b"ok\n")]
    tap.listen(None)
    await desk.answers(b"ok\n", 2)
    assert recorder.data == b"ok\n"
    tap.carry(None, None)
    desk.far.say(b"ok\n")
    await eventually(lambda: recorder.data == b"ok\nok\n")
    tap.close()
    desk.far.close()
