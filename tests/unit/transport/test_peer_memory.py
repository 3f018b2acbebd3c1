"""The in-memory twin of the controller-agent link."""

import asyncio
import random

import pytest

from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.frames import MAX_MESSAGE_BYTES, FrameTooLong
from fleetctl.transport.peer_memory import QUEUE_MESSAGES, MemoryPeerLink, PeerFaults, memory_peer_pair


async def collect(link: MemoryPeerLink) -> list[bytes]:
    return [message async for message in link]


MESSAGES = [b"%d" % number for number in range(100)]


@under_virtual_clock()
async def test_messages_arrive_in_order_however_late() -> None:
    one, two = memory_peer_pair(PeerFaults(random.Random(1), delay_s=(0.0, 9.0)))
    async with asyncio.TaskGroup() as group:
        received = group.create_task(collect(two))
        for message in MESSAGES:
            assert one.send(message)
        await asyncio.sleep(1000)
        one.close()
    assert received.result() == MESSAGES
    assert "closed" in str(two.lost)
    assert one.lost is None
    assert not one.send(b"x")
    assert not two.send(b"x")


@under_virtual_clock()
async def test_a_broken_link_ends_both_sides_and_loses_only_the_tail() -> None:
    one, two = memory_peer_pair(PeerFaults(random.Random(5), break_link=0.05))
    async with asyncio.TaskGroup() as group:
        received = group.create_task(collect(two))
        nothing = group.create_task(collect(one))
        for message in MESSAGES:
            one.send(message)
            await asyncio.sleep(1)
    got = received.result()
    assert got == MESSAGES[: len(got)]
    assert 0 < len(got) < 100
    assert nothing.result() == []
    assert one.lost is not None
    assert two.lost is not None


@under_virtual_clock()
async def test_single_messages_can_be_lost_or_doubled() -> None:
    one, two = memory_peer_pair(PeerFaults(random.Random(5), lose=0.2, duplicate=0.2))
    for message in MESSAGES:
        one.send(message)
    await asyncio.sleep(1)
    one.close()
    got = await collect(two)
    assert any(got.count(message) == 0 for message in MESSAGES)
    assert any(got.count(message) == 2 for message in MESSAGES)
    assert sorted(got, key=int) == got


@under_virtual_clock()
async def test_a_full_queue_refuses_and_loses_nothing_it_took() -> None:
    one, two = memory_peer_pair()
    taken = 0
    while one.send(b"x"):
        taken += 1
    assert taken == QUEUE_MESSAGES
    await asyncio.sleep(1)
    assert await anext(aiter(two)) == b"x"
    assert one.send(b"y")
    one.close()


@under_virtual_clock()
async def test_closing_ends_our_own_iteration() -> None:
    one, _ = memory_peer_pair()
    async with asyncio.TaskGroup() as group:
        received = group.create_task(collect(one))
        await asyncio.sleep(1)
        one.close()
    assert received.result() == []
    assert one.lost is None


@under_virtual_clock()
async def test_what_the_real_link_refuses_is_refused() -> None:
    one, _ = memory_peer_pair()
    with pytest.raises(FrameTooLong):
        one.send(bytes(MAX_MESSAGE_BYTES + 1))
