"""Listening in on an open link."""

import asyncio

from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.testing.loop import VirtualClock
from fleetctl.transport.memory import MemoryMachine, MemoryTransport
from fleetctl.transport.tap import TapTransport

from .receivers import Echo, Recorder


async def opened() -> tuple[TapTransport, Recorder, MemoryMachine]:
    clock, recorder = VirtualClock(), Recorder()
    machine = MemoryMachine(Echo(), clock)
    tap = TapTransport(MemoryTransport("memory://m", machine, clock))
    await tap.open(recorder, asyncio.get_running_loop().time() + 1)
    return tap, recorder, machine


@under_virtual_clock()
async def test_it_can_be_heard_from_the_middle_and_no_longer() -> None:
    tap, recorder, _ = await opened()
    heard: list[tuple[str, bytes]] = []
    tap.write(b"before\n")
    await recorder.until(b"ok before\n")
    tap.listen(lambda way, data: heard.append((way, data)))
    tap.write(b"hello\n")
    await recorder.until(b"ok hello\n")
    tap.urgent(b"!")
    tap.write(b"dropped\n")
    tap.discard_output()
    tap.listen(None)
    tap.write(b"after\n")
    await recorder.until(b"after\n")
    assert heard == [
        ("out", b"hello\n"), ("in", b"ok hello\n"), ("urgent", b"!"), ("out", b"dropped\n"), ("discard", b"9"),
    ]  # fmt: skip
    tap.close()


@under_virtual_clock()
async def test_nothing_stands_between_while_nobody_listens() -> None:
    """The methods of the two ends are called directly: no call is added to each line that is sent."""
    tap, recorder, _ = await opened()
    assert tap.write == tap._inner.write
    assert tap.data_received == recorder.data_received
    tap.listen(lambda way, data: None)
    assert tap.write != tap._inner.write
    tap.listen(None)
    assert tap.write == tap._inner.write
    tap.close()


@under_virtual_clock()
async def test_opening_and_loss_are_heard_and_passed_on() -> None:
    clock, recorder = VirtualClock(), Recorder()
    machine = MemoryMachine(Echo(), clock)
    tap = TapTransport(MemoryTransport("memory://m", machine, clock))
    heard: list[tuple[str, bytes]] = []
    tap.listen(lambda way, data: heard.append((way, data)))
    await tap.open(recorder, asyncio.get_running_loop().time() + 1)
    machine.unplug()
    assert str(await recorder.until_lost()) == "The cable was pulled."
    assert heard == [("open", b""), ("lost", b"The cable was pulled.")]


@under_virtual_clock()
async def test_after_close_the_receiver_hears_nothing() -> None:
    tap, recorder, _ = await opened()
    tap.write(b"hello\n")
    tap.close()
    await asyncio.sleep(1)
    assert recorder.data == b""
