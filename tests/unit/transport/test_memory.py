"""The link to a machine in memory, under the virtual clock."""

import asyncio
import random

import pytest

from fleetctl.errors import LinkUnavailable, UsageError
from fleetctl.testing.faults import ChunkFaults, FaultyTransport, LinkFaults
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock, run
from fleetctl.transport.memory import MemoryMachine, MemoryTransport
from fleetctl.transport.opener import TransportOpener, open_transport

from .receivers import Echo, Recorder


def now() -> float:
    return asyncio.get_running_loop().time()


async def linked(
    echo: Echo, *, speedup: float = 1.0, latency_s: float = 0.0
) -> tuple[MemoryMachine, MemoryTransport, Recorder]:
    clock = VirtualClock()
    machine = MemoryMachine(echo, clock, speedup=speedup, latency_s=latency_s)
    transport, recorder = MemoryTransport("memory://m", machine, clock), Recorder()
    await transport.open(recorder, now() + 1)
    return machine, transport, recorder


@under_virtual_clock()
async def test_lines_are_answered_in_order_after_latency_and_work() -> None:
    _, transport, recorder = await linked(Echo(work_s=2.0), latency_s=0.5)
    begin = now()
    transport.write(b"a\n")
    transport.write(b"b\n")
    assert await recorder.until(b"ok b\n") == b"ok a\nok b\n"
    assert [round(at - begin, 6) for at, _ in recorder.chunks] == [3.0, 5.0]
    transport.close()


@under_virtual_clock()
async def test_machine_time_runs_faster_by_the_speedup() -> None:
    _, transport, recorder = await linked(Echo(work_s=100.0), speedup=50.0)
    begin = now()
    transport.write(b"a\n")
    await recorder.until(b"ok a\n")
    assert now() - begin == pytest.approx(2.0)
    transport.close()


@under_virtual_clock()
async def test_odd_speedups_never_hang_on_rounding() -> None:
    for speedup in (3.0, 7.0, 0.1, 1e3 / 7):
        machine, transport, recorder = await linked(Echo(work_s=1 / 3), speedup=speedup)
        for _ in range(50):
            transport.write(b"x\n")
        await recorder.until(b"ok x\n" * 50, within_s=1000.0)
        transport.close()
        machine.power_off()


@under_virtual_clock()
async def test_a_stop_drops_unsent_output_and_goes_first() -> None:
    echo = Echo()
    _, transport, recorder = await linked(echo)
    transport.write(b"G1 X1\n")
    assert transport.unsent_bytes == 6
    assert transport.discard_output() == 6
    transport.write(b"later\n")
    transport.urgent(b"!")
    transport.urgent(b"now\n", at_line_start=True)
    await recorder.until(b"ok later\n")
    assert bytes(echo.heard) == b"!now\nlater\n"
    transport.close()


@under_virtual_clock()
async def test_pulling_the_cable_is_told_once_and_a_new_link_needs_the_cable() -> None:
    machine, transport, recorder = await linked(Echo())
    machine.unplug()
    assert recorder.losses == []  # never from inside another call
    assert "cable" in str(await recorder.until_lost())
    transport.write(b"into the void\n")
    transport.close()
    again = MemoryTransport("memory://m", machine, VirtualClock())
    with pytest.raises(LinkUnavailable, match="no port"):
        await again.open(recorder, now() + 1)
    machine.plug_in()
    await again.open(recorder, now() + 1)
    assert len(recorder.losses) == 1
    again.close()


@under_virtual_clock()
async def test_a_second_link_to_one_machine_is_refused() -> None:
    machine, transport, recorder = await linked(Echo())
    with pytest.raises(LinkUnavailable, match="busy"):
        await MemoryTransport("memory://m", machine, VirtualClock()).open(recorder, now() + 1)
    transport.close()


@under_virtual_clock()
async def test_nothing_is_heard_after_close() -> None:
    _, transport, recorder = await linked(Echo(work_s=1.0), latency_s=1.0)
    transport.write(b"a\n")
    await asyncio.sleep(2.5)
    transport.close()
    transport.close()
    await asyncio.sleep(10)
    assert recorder.chunks == []
    assert recorder.losses == []


@under_virtual_clock()
async def test_the_opener_reaches_registered_machines_by_name() -> None:
    clock, recorder = VirtualClock(), Recorder()
    opener = TransportOpener(clock)
    opener.register_memory("m1", MemoryMachine(Echo(), clock))
    link = await open_transport("memory://m1", clock, recorder, deadline_s=now() + 1, opener=opener)
    link.write(b"hi\n")
    assert await recorder.until(b"\n") == b"ok hi\n"
    link.close()
    with pytest.raises(LinkUnavailable, match="no port"):
        opener.make("memory://m2")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x", "scheme"),
        ("ttyUSB0", "not a serial port"),
        ("socket://host", "host and a port"),
        ("socket://host:99999", "host and a port"),
        ("serial:///dev/ttyUSB0?boud=1", "unknown option 'boud'"),
        ("serial:///dev/ttyUSB0?baud=fast", "makes no sense"),
        ("socket://[x:1", "not a port"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_by_name(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TransportOpener(VirtualClock()).make(url)


async def faulty_conversation(seed: int, faults: LinkFaults) -> tuple[bytes, bytes, dict[str, int]]:
    echo, clock, recorder = Echo(), VirtualClock(), Recorder()
    inner = MemoryTransport("memory://m", MemoryMachine(echo, clock), clock)
    link = FaultyTransport(inner, faults, random.Random(seed))
    await link.open(recorder, now() + 1)
    for number in range(100):
        link.write(b"line %d\n" % number)
        await asyncio.sleep(1)
    link.close()
    return bytes(echo.heard), bytes(recorder.data), dict(link.counts)


def test_without_faults_the_wrapper_changes_nothing() -> None:
    heard, said, counts = run(faulty_conversation(1, LinkFaults()))
    assert heard == b"".join(b"line %d\n" % number for number in range(100))
    assert said == b"".join(b"ok line %d\n" % number for number in range(100))
    assert counts == {}


def test_faults_happen_are_counted_and_repeat_with_the_seed() -> None:
    bad = ChunkFaults(drop=0.1, garble=0.1, duplicate=0.1, delay_s=3.0)
    faults = LinkFaults(out=bad, into=bad)
    first = run(faulty_conversation(7, faults))
    assert run(faulty_conversation(7, faults)) == first
    assert run(faulty_conversation(8, faults)) != first
    assert set(first[2]) == {f"{way} {kind}" for way in ("in", "out") for kind in ("drop", "garble", "duplicate")}


def test_late_chunks_keep_their_order() -> None:
    slow = LinkFaults(out=ChunkFaults(delay_s=50.0), into=ChunkFaults(delay_s=50.0))

    async def conversation() -> bytes:
        echo, clock, recorder = Echo(), VirtualClock(), Recorder()
        link = FaultyTransport(
            MemoryTransport("memory://m", MemoryMachine(echo, clock), clock), slow, random.Random(3)
        )
        await link.open(recorder, now() + 1)
        for number in range(100):
            link.write(b"%d\n" % number)
        await asyncio.sleep(10_000)
        link.close()
        return bytes(recorder.data)

    assert run(conversation()) == b"".join(b"ok %d\n" % number for number in range(100))


@under_virtual_clock()
async def test_a_planned_reset_loses_the_link_once() -> None:
    clock, recorder = VirtualClock(), Recorder()
    machine = MemoryMachine(Echo(), clock)
    link = FaultyTransport(
        MemoryTransport("memory://m", machine, clock), LinkFaults(out=ChunkFaults(reset=1.0)), random.Random(0)
    )
    await link.open(recorder, now() + 1)
    link.write(b"x\n")
    link.write(b"y\n")
    assert "planned fault" in str(await recorder.until_lost())
    await asyncio.sleep(1)
    assert len(recorder.losses) == 1
    await MemoryTransport("memory://m", machine, clock).open(recorder, now() + 1)
