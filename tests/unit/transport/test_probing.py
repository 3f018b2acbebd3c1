"""Finding the speed of a port that nobody gave, under the virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from fleetctl.transport.base import Receiver
from fleetctl.transport.held import HELD_MOST_BYTES, LOOKED_AT_BYTES, HeldReceiver
from fleetctl.transport.probing import HELLO_EVERY_S, ProbingTransport, SpeedProbe, is_noise

from .receivers import Recorder

SPEEDS = (115200, 250000, 57600)
NOISE = bytes(range(0x80, 0x100, 4))
PROBE = SpeedProbe(speeds_baud=SPEEDS, hello=b"hello\n", understood=lambda data: b"ok\n" in data)


class Board:
    """A port with a board at one speed behind it. `deaf_s`: how long its boot loader eats what comes."""

    url = "serial:///dev/board"

    def __init__(
        self, baud: int, *, deaf_s: float = 0.0, banner: bytes = b"", dies_at: int = 0, lacks: tuple[int, ...] = ()
    ) -> None:
        self.baud = baud
        self.set: list[int] = []
        self.closed = False
        self.opened = 0
        self._deaf_s, self._banner, self._dies_at, self._lacks = deaf_s, banner, dies_at, lacks
        self._receiver: Receiver | None = None
        self._opened_s = 0.0

    async def open(self, receiver: Receiver, deadline_s: float) -> None:
        self.opened += 1
        self._receiver, self._opened_s = receiver, asyncio.get_running_loop().time()
        if self._banner:
            asyncio.get_running_loop().call_later(1.0, self._say, self._banner)

    def set_speed(self, baud: int) -> None:
        self.set.append(baud)
        if baud in self._lacks:
            raise LinkUnavailable(f"no {baud} baud")
        if baud == self._dies_at and self._receiver is not None:
            asyncio.get_running_loop().call_soon(self._receiver.lost, LinkError("pulled out"))

    def write(self, data: bytes) -> None:
        if asyncio.get_running_loop().time() - self._opened_s >= self._deaf_s:
            asyncio.get_running_loop().call_later(0.01, self._say, b"ok\n")

    def _say(self, text: bytes) -> None:
        if self._receiver is not None and not self.closed:
            heard = text if self.set[-1] == self.baud else NOISE
            self._receiver.data_received(heard, asyncio.get_running_loop().time())

    unsent_bytes = 0

    def discard_output(self) -> int:
        return 0

    def urgent(self, data: bytes, *, at_line_start: bool = False) -> None: ...

    def close(self) -> None:
        self.closed = True


async def probed(board: Board, within_s: float = 30.0) -> tuple[list[int], Recorder, float]:
    found: list[int] = []
    recorder, begun_s = Recorder(), asyncio.get_running_loop().time()
    transport = ProbingTransport(board, SPEEDS, PROBE, VirtualClock(), found.append)
    await transport.open(recorder, begun_s + within_s)
    return found, recorder, asyncio.get_running_loop().time() - begun_s


@pytest.mark.parametrize("baud", SPEEDS)
@under_virtual_clock()
async def test_each_speed_is_found_and_noise_is_not_waited_for(baud: int) -> None:
    board = Board(baud)
    found, recorder, took_s = await probed(board)
    assert found == [baud]
    assert board.set == list(SPEEDS[: SPEEDS.index(baud) + 1])
    assert took_s < 0.1
    assert board.opened == 1
    assert await recorder.until(b"ok\n") == b"ok\n"  # and none of the noise


@under_virtual_clock()
async def test_a_board_that_boots_is_greeted_again() -> None:
    found, _, took_s = await probed(Board(115200, deaf_s=2.0))
    assert found == [115200]
    assert took_s < 2.0 + HELLO_EVERY_S


@under_virtual_clock()
async def test_the_banner_at_the_right_speed_reaches_the_driver() -> None:
    _, recorder, _ = await probed(Board(115200, deaf_s=2.0, banner=b"start\n"))
    assert (await recorder.until(b"ok\n")).startswith(b"start\n")


@under_virtual_clock()
async def test_a_silent_board_is_given_up_in_time_for_the_deadline_and_closed() -> None:
    board, begun_s = Board(115200, deaf_s=1e9), asyncio.get_running_loop().time()
    with pytest.raises(LinkUnavailable, match="at 115200, 250000, 57600 baud"):
        await probed(board)
    assert 15.0 < asyncio.get_running_loop().time() - begun_s < 25.0
    assert board.closed


@under_virtual_clock()
async def test_a_port_that_is_lost_meanwhile_is_unavailable() -> None:
    board = Board(57600, dies_at=250000)
    with pytest.raises(LinkUnavailable, match="pulled out"):
        await probed(board)
    assert board.closed


@under_virtual_clock()
async def test_a_speed_that_the_port_does_not_have_is_passed_over() -> None:
    found, _, _ = await probed(Board(57600, lacks=(115200, 250000)))
    assert found == [57600]
    with pytest.raises(LinkUnavailable, match="no 57600 baud"):
        await probed(Board(57600, lacks=SPEEDS))


@under_virtual_clock()
async def test_of_a_board_that_never_ends_only_the_newest_is_kept() -> None:
    held, recorder = HeldReceiver(), Recorder()
    for number in range(100_000):
        held.data_received(b"%09d\n" % number, 0.0)
    assert held.data == b"".join(b"%09d\n" % number for number in range(100_000))[-LOOKED_AT_BYTES:]
    held.release(recorder)
    await asyncio.sleep(0)
    assert HELD_MOST_BYTES - 10 <= len(recorder.data) <= HELD_MOST_BYTES
    assert recorder.data.endswith(b"000099999\n")


def test_noise_is_told_from_speech() -> None:
    assert is_noise(NOISE)
    assert not is_noise(NOISE[:10])  # a few bytes prove nothing
    assert not is_noise(b"\x00\xffecho:Marlin 2.1.2 starting up, with some noise before it\r\n")
    assert is_noise(b"\0" * 20)
