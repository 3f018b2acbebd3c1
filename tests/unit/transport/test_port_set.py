"""Many descriptors behind one of the loop's, on real pipes."""

from __future__ import annotations

import asyncio
import itertools
import os

from fleetctl.transport.port_set import AT_ONCE, port_set


async def turns_of_the_loop(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_can_be_read_is_called_until_it_was_read() -> None:
    ends = [os.pipe() for _ in range(3)]
    heard: list[bytes] = []
    for reading, _ in ends:
        port_set().add(reading, lambda reading=reading: heard.append(os.read(reading, 1)))  # type: ignore[misc]
    os.write(ends[1][1], b"ab")
    await turns_of_the_loop()
    assert heard == [b"a", b"b"]
    os.write(ends[2][1], b"c")
    await turns_of_the_loop()
    assert heard == [b"a", b"b", b"c"]
    close_all(ends)


async def test_a_hang_up_calls_too() -> None:
    reading, writing = os.pipe()
    heard: list[bytes] = []

    def read() -> None:
        heard.append(os.read(reading, 1))
        port_set().remove(reading)

    port_set().add(reading, read)
    os.close(writing)
    await turns_of_the_loop()
    assert heard == [b""]
    os.close(reading)


async def test_who_was_removed_by_another_in_the_same_turn_is_not_called() -> None:
    ends = [os.pipe() for _ in range(2)]
    called: list[int] = []

    def only_one(mine: int, other: int) -> None:
        called.append(mine)
        port_set().remove(mine)
        port_set().remove(other)

    readings = [reading for reading, _ in ends]
    for mine, other in (readings, readings[::-1]):
        port_set().add(mine, lambda mine=mine, other=other: only_one(mine, other))  # type: ignore[misc]
    for _, writing in ends:
        os.write(writing, b"x")
    await turns_of_the_loop()
    assert len(called) == 1
    close_all(ends)


async def test_the_rest_of_the_loop_has_its_turn_between_hundreds_of_ports() -> None:
    ends = [os.pipe() for _ in range(2 * AT_ONCE + 1)]
    read: list[int] = []

    def take(reading: int) -> None:
        os.read(reading, 1)
        read.append(reading)

    for reading, writing in ends:
        port_set().add(reading, lambda reading=reading: take(reading))  # type: ignore[misc]
        os.write(writing, b"x")
    counted = [0]
    while counted[-1] < len(ends):
        await asyncio.sleep(0)
        counted.append(len(read))
    assert max(after - before for before, after in itertools.pairwise(counted)) == AT_ONCE
    assert len(set(read)) == len(ends)
    close_all(ends)


async def test_it_can_begin_again_after_the_last_one_went() -> None:
    for _ in range(2):
        ends = [os.pipe()]
        heard: list[bytes] = []
        port_set().add(ends[0][0], lambda ends=ends, heard=heard: heard.append(os.read(ends[0][0], 1)))  # type: ignore[misc]
        os.write(ends[0][1], b"x")
        await turns_of_the_loop()
        assert heard == [b"x"]
        close_all(ends)
    port_set().remove(ends[0][0])  # nothing happens for one that is not there


def close_all(ends: list[tuple[int, int]]) -> None:
    for reading, writing in ends:
        port_set().remove(reading)
        os.close(reading)
        os.close(writing)
