"""Transports against real pseudo-terminals and sockets; every wait has a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
import termios
import threading
import time
import tty
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkUnavailable
from fleetctl.transport import peer
from fleetctl.transport import serial as serial_transport
from fleetctl.transport.base import Transport
from fleetctl.transport.opener import TransportOpener
from fleetctl.transport.peer import QUEUE_BYTES, StreamPeerLink, connect_peer, serve_peers
from fleetctl.transport.serial import SerialTransport
from fleetctl.transport.serial_port import ModemLine, Port, SerialSettings, open_port
from tests.integration.far_ends import (
    DEADLINE_S,
    DescriptorEnd,
    Linked,
    Recorder,
    Rfc2217End,
    TelnetEnd,
    eventually,
    socket_link,
    soon,
    websocket_link,
)

# A pseudo-terminal's kernel side may make room between two of our calls.
KERNEL_SLACK_BYTES = 4096


@pytest.fixture
def pty_ends() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)
    yield master, name
    with contextlib.suppress(OSError):
        os.close(master)


async def serial_link(name: str, master: int, **settings: object) -> tuple[Transport, Recorder, DescriptorEnd]:
    transport = SerialTransport(name, name, SystemClock(), SerialSettings(**settings))  # type: ignore[arg-type]
    recorder = Recorder()
    await transport.open(recorder, soon())
    return transport, recorder, DescriptorEnd(os.dup(master))


async def tcp_link(options: str = "") -> tuple[Transport, Recorder, DescriptorEnd]:
    return await socket_link("tcp", DescriptorEnd, options)


KINDS = ("serial", "tcp", "telnet", "rfc2217", "websocket")


@pytest.fixture(params=KINDS)
async def link(request: pytest.FixtureRequest, pty_ends: tuple[int, str]) -> AsyncIterator[Linked]:
    async with contextlib.AsyncExitStack() as stack:
        linked: Linked
        match request.param:
            case "serial":
                linked = await serial_link(pty_ends[1], pty_ends[0])
            case "telnet":
                linked = await socket_link("telnet", TelnetEnd)
            case "rfc2217":
                linked = await socket_link("rfc2217", Rfc2217End)
            case "websocket":
                linked = await stack.enter_async_context(websocket_link())
            case _:
                linked = await tcp_link()
        yield linked
        linked[0].close()
        linked[2].close()


LONG = b"".join(b"N%d G1 X%d.5 Y1\n" % (n, n) for n in range(400_000))


async def overfill(transport: Transport) -> bytes:
    """Writes until the kernel takes no more, and gives all that was written."""
    at = 0
    while not transport.unsent_bytes:
        transport.write(LONG[at : at + 8192])
        at += 8192
        assert at < len(LONG)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return LONG[:at]


async def test_bytes_of_every_value_pass_both_ways_unchanged(link: Linked) -> None:
    transport, recorder, far = link
    every = bytes(range(256))
    far.listen()
    transport.write(every)
    far.say(every)
    await eventually(lambda: far.data == every and recorder.data == every)
    assert transport.unsent_bytes == 0


async def test_more_than_the_kernel_takes_arrives_whole_and_in_order(link: Linked) -> None:
    transport, _, far = link
    written = await overfill(transport)
    transport.write(b"the end\n")
    far.listen()
    await eventually(lambda: far.data.endswith(b"the end\n"))
    assert far.data == written + b"the end\n"
    assert transport.unsent_bytes == 0


async def test_an_urgent_byte_overtakes_all_that_is_unsent_and_drops_nothing(link: Linked) -> None:
    transport, _, far = link
    written = await overfill(transport)
    unsent = transport.unsent_bytes
    transport.urgent(b"!")
    transport.write(b"the end\n")
    far.listen()
    await eventually(lambda: far.data.endswith(b"the end\n"))
    place = far.data.index(b"!")
    assert place <= len(written) - unsent + KERNEL_SLACK_BYTES
    assert place < len(far.data) - len(b"!the end\n")
    assert far.data.replace(b"!", b"") == written + b"the end\n"


async def test_urgent_bytes_between_partial_writes_lose_and_double_nothing(link: Linked) -> None:
    transport, _, far = link
    written = await overfill(transport)
    for size in (700, 5000, 300, 9000, 1):
        left = size
        while left > 0:
            left -= await far.take(left)
        if not transport.unsent_bytes:
            transport.write(LONG[:20_000])
            written += LONG[:20_000]
        transport.urgent(b"!")
    transport.write(b"the end\n")
    far.listen()
    await eventually(lambda: far.data.endswith(b"the end\n"))
    assert far.data.count(b"!") == 5
    assert far.data.replace(b"!", b"") == written + b"the end\n"


async def test_an_urgent_line_never_cuts_a_line_in_two(link: Linked) -> None:
    transport, _, far = link
    written = await overfill(transport)
    transport.urgent(b"M108\n", at_line_start=True)
    transport.urgent(b"M410\n", at_line_start=True)
    transport.write(b"\nthe end\n")
    far.listen()
    await eventually(lambda: far.data.endswith(b"the end\n"))
    lines = far.data.split(b"\n")
    assert lines.index(b"M108") < lines.index(b"M410")
    assert lines.index(b"M410") < len(lines) - 3
    assert far.data.replace(b"M108\n", b"").replace(b"M410\n", b"") == written + b"\nthe end\n"


async def test_a_stop_discards_what_is_unsent_and_then_goes_out(link: Linked) -> None:
    transport, _, far = link
    written = await overfill(transport)
    unsent = transport.unsent_bytes
    assert transport.discard_output() >= unsent
    assert transport.unsent_bytes == 0
    transport.urgent(b"\nM112\n")
    transport.write(b"M104 S0\n")
    far.listen()
    await eventually(lambda: far.data.endswith(b"M104 S0\n"))
    assert far.data.endswith(b"\nM112\nM104 S0\n")
    before = far.data.removesuffix(b"\nM112\nM104 S0\n")
    assert len(before) <= len(written) - unsent
    assert written.startswith(before)


async def test_after_close_nothing_is_heard_and_closing_never_waits_for_output(link: Linked) -> None:
    transport, recorder, far = link
    await overfill(transport)
    begin = time.monotonic()
    transport.close()
    assert time.monotonic() - begin < 1
    with contextlib.suppress(OSError):
        far.say(b"too late")
    await asyncio.sleep(0.05)
    assert recorder.data == b""
    assert recorder.losses == []
    transport.close()


# Serial ports


async def test_a_pulled_cable_loses_a_serial_link_once(pty_ends: tuple[int, str]) -> None:
    transport, recorder, far = await serial_link(pty_ends[1], pty_ends[0])
    far.close()
    os.close(pty_ends[0])
    await eventually(lambda: bool(recorder.losses))
    assert "is gone" in str(recorder.losses[0])
    transport.write(b"x")
    transport.urgent(b"!")
    assert transport.discard_output() == 0
    transport.close()
    await asyncio.sleep(0.02)
    assert len(recorder.losses) == 1


async def test_a_pulled_cable_is_also_found_while_writing(pty_ends: tuple[int, str]) -> None:
    transport, recorder, far = await serial_link(pty_ends[1], pty_ends[0])
    await overfill(transport)
    far.close()
    os.close(pty_ends[0])
    transport.write(b"more\n")
    assert recorder.losses == []  # never from inside our own call
    await eventually(lambda: bool(recorder.losses))
    transport.close()
    assert len(recorder.losses) == 1


async def test_a_port_that_takes_a_few_bytes_at_a_time_gets_each_byte_once(
    pty_ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_whole = Port.write
    monkeypatch.setattr(Port, "write", lambda port, data: take_whole(port, bytes(data)[:7]))
    transport, _, far = await serial_link(pty_ends[1], pty_ends[0])
    far.listen()
    transport.write(LONG[:2000])
    for sent_at_least in (100, 500, 1500):
        async with asyncio.timeout(DEADLINE_S):
            while transport.unsent_bytes > 2000 - sent_at_least:  # noqa: ASYNC110  one turn of the loop
                await asyncio.sleep(0)
        transport.urgent(b"!")
    await eventually(lambda: transport.unsent_bytes == 0 and len(far.data) >= 2003)
    assert far.data.replace(b"!", b"") == LONG[:2000]
    assert far.data.index(b"!") < 700
    transport.close()
    far.close()


async def test_closing_a_port_drops_output_and_never_drains_it(
    pty_ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[int] = []
    monkeypatch.setattr(termios, "tcdrain", drained.append)
    transport, _, far = await serial_link(pty_ends[1], pty_ends[0])
    await overfill(transport)
    transport.close()
    await eventually(lambda: _free(pty_ends[1]))
    assert drained == []
    far.close()


def _free(path: str) -> bool:
    """Whether the port can be opened, that is, nobody holds it."""
    try:
        open_port(path, SerialSettings()).close()
    except LinkUnavailable:
        return False
    return True


async def test_a_port_that_takes_no_bytes_is_lost(pty_ends: tuple[int, str]) -> None:
    transport, recorder, far = await serial_link(pty_ends[1], pty_ends[0], stall_s=0.2)
    await overfill(transport)
    await eventually(lambda: bool(recorder.losses))
    assert "took no bytes for 0.2 s" in str(recorder.losses[0])
    assert transport.unsent_bytes == 0
    far.close()


async def test_a_slow_port_that_makes_progress_is_not_lost(pty_ends: tuple[int, str]) -> None:
    transport, recorder, far = await serial_link(pty_ends[1], pty_ends[0], stall_s=0.3)
    written = await overfill(transport) + LONG[:100_000]
    transport.write(LONG[:100_000])
    begin = time.monotonic()
    while len(far.data) < len(written):
        assert time.monotonic() - begin < DEADLINE_S
        with contextlib.suppress(BlockingIOError):
            far.data += os.read(far.descriptor, 4096)
        await asyncio.sleep(0.02)
    assert time.monotonic() - begin > 0.3
    assert far.data == written
    assert recorder.losses == []
    transport.close()
    far.close()


async def test_a_port_in_use_is_refused_and_free_again_after_close(pty_ends: tuple[int, str]) -> None:
    transport, _, far = await serial_link(pty_ends[1], pty_ends[0])
    with pytest.raises(LinkUnavailable, match="is busy: another machine of this agent has it open"):
        await serial_link(pty_ends[1], pty_ends[0])
    transport.close()
    await asyncio.sleep(0.02)
    again, _, other = await serial_link(pty_ends[1], pty_ends[0])
    again.close()
    far.close()
    other.close()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/dev/ttyNOWHERE7", "There is no port /dev/ttyNOWHERE7.*machine discover"),
        ("/dev/null", "/dev/null is not a serial port"),
        ("/dev", "/dev is not a serial port"),
    ],
)
async def test_why_a_port_does_not_open_is_said(path: str, message: str) -> None:
    with pytest.raises(LinkUnavailable, match=message):
        await TransportOpener(SystemClock()).make(path).open(Recorder(), soon())


async def test_a_speed_that_no_port_has_is_refused(pty_ends: tuple[int, str]) -> None:
    with pytest.raises(LinkUnavailable, match="-5 baud"):
        await serial_link(pty_ends[1], pty_ends[0], baud=-5)


@pytest.mark.parametrize("policy", list(ModemLine))
async def test_every_policy_for_modem_lines_works_on_a_port_without_them(
    pty_ends: tuple[int, str], policy: ModemLine
) -> None:
    transport, _, far = await serial_link(pty_ends[1], pty_ends[0], dtr=policy, rts=policy)
    far.listen()
    transport.write(b"hi\n")
    await eventually(lambda: far.data == b"hi\n")
    transport.close()
    far.close()


async def test_a_port_that_hangs_on_opening_is_given_up_and_closed_when_it_opens(
    pty_ends: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, opened = threading.Event(), list[Port]()

    def hanging(path: str, settings: SerialSettings) -> Port:
        assert let_go.wait(DEADLINE_S)
        opened.append(open_port(path, settings))
        return opened[0]

    monkeypatch.setattr(serial_transport, "open_port", hanging)
    transport = SerialTransport("x", pty_ends[1], SystemClock())
    with pytest.raises(LinkUnavailable, match="did not open in time"):
        await transport.open(Recorder(), soon(0.05))
    let_go.set()
    await eventually(lambda: bool(opened) and not opened[0].is_open)


# TCP


async def test_a_closed_connection_is_told_once_and_then_everything_is_ignored() -> None:
    transport, recorder, far = await tcp_link()
    far.close()
    await eventually(lambda: bool(recorder.losses))
    assert "closed the link" in str(recorder.losses[0])
    transport.write(b"x")
    transport.urgent(b"!")
    assert transport.discard_output() == 0
    transport.close()
    assert len(recorder.losses) == 1


async def test_a_reset_connection_is_lost() -> None:
    transport, recorder, far = await tcp_link()
    with socket.socket(fileno=os.dup(far.descriptor)) as side:
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        far.close()
    await eventually(lambda: bool(recorder.losses))
    assert "broke" in str(recorder.losses[0])
    transport.close()


async def test_a_peer_that_takes_no_bytes_is_lost() -> None:
    transport, recorder, far = await tcp_link("?stall_s=0.2")
    await overfill(transport)
    await eventually(lambda: bool(recorder.losses))
    assert "took no bytes for 0.2 s" in str(recorder.losses[0])
    far.close()


async def test_a_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkUnavailable, match=r"cannot be reached.*refused"):
        await TransportOpener(SystemClock()).make(f"socket://127.0.0.1:{port}").open(Recorder(), soon())


async def test_a_host_that_never_answers_is_given_up_at_the_deadline() -> None:
    with socket.socket() as server, contextlib.ExitStack() as queue:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):  # fills the queue of connections that nobody accepts
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        transport = TransportOpener(SystemClock()).make(f"socket://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(LinkUnavailable, match="did not answer in time"):
            await transport.open(Recorder(), soon(0.2))


# Controller and agent


async def echo(link: StreamPeerLink) -> None:
    async for message in link:
        while not link.send(message):  # noqa: ASYNC110  the link is bounded and has no other sign
            await asyncio.sleep(0.001)


async def test_messages_pass_whole_over_a_socket_for_this_user_only(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    path = deep / "agent.sock"
    path.touch()  # as a dead process leaves it
    server = await serve_peers(path, echo)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = await connect_peer(path, soon())
    messages = [b"", b"x", bytes(1_000_000), b"last"]
    for message in messages:
        assert link.send(message)
    async with asyncio.timeout(DEADLINE_S):
        assert [await anext(aiter(link)) for _ in messages] == messages
    link.close()
    assert not link.send(b"x")
    assert [message async for message in link] == []
    assert link.lost is None
    await link.wait_closed()
    await server.aclose()


async def test_a_full_queue_refuses_messages_and_a_server_ends_tasks_that_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()

    async def deaf(link: StreamPeerLink) -> None:
        await never.wait()

    server = await serve_peers(tmp_path / "s", deaf)
    link = await connect_peer(tmp_path / "s", soon())
    megabyte = bytes(1_000_000)
    taken = 0
    while link.send(megabyte):
        taken += 1
        assert taken < 100
    assert taken * len(megabyte) >= QUEUE_BYTES
    link.close()
    await link.wait_closed()
    monkeypatch.setattr(peer, "CLOSE_GRACE_S", 0.01)
    server.close()
    server.close()
    await server.aclose()


@pytest.mark.parametrize(
    ("bytes_sent", "reason"),
    [
        (b"", "closed the link"),
        (b"\0\0\0\x05hel", "in the middle of a message"),
        (b"\xff\xff\xff\xff", "announced 4294967295 bytes"),
    ],
)
async def test_a_link_that_ends_says_why(tmp_path: Path, bytes_sent: bytes, reason: str) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\0\0\x02hi" + bytes_sent)
        writer.close()

    server = await asyncio.start_unix_server(rude, tmp_path / "s")
    link = await connect_peer(tmp_path / "s", soon())
    async with asyncio.timeout(DEADLINE_S):
        assert [message async for message in link] == [b"hi"]
    assert reason in str(link.lost)
    await link.wait_closed()
    server.close()
    await server.wait_closed()


async def test_nobody_listening_is_said(tmp_path: Path) -> None:
    with pytest.raises(LinkUnavailable, match="Nobody answers at"):
        await connect_peer(tmp_path / "nowhere", soon())
