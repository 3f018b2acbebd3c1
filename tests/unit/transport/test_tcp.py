"""What a TCP link does in the moment in which it breaks."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fleetctl.clock import SystemClock
from fleetctl.transport.tcp import TcpSettings, TcpTransport
from fleetctl.transport.tcp_telnet import TelnetTransport

from .receivers import Recorder


def joined(
    kind: type[TcpTransport], receiver: Recorder, monkeypatch: pytest.MonkeyPatch
) -> tuple[TcpTransport, socket.socket]:
    """A transport on one end of a pair of sockets, and the other end."""
    ours, far = socket.socketpair()
    ours.setblocking(False)
    transport = kind("telnet://far", "far", 23, SystemClock(), TcpSettings(stall_s=0.05))

    async def connect() -> socket.socket:
        return ours

    monkeypatch.setattr(transport, "_connect", connect)
    return transport, far


def test_what_was_said_before_a_link_broke_under_our_answer_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        raised: list[object] = []
        loop.set_exception_handler(lambda _, context: raised.append(context))
        receiver = Recorder()
        transport, far = joined(TelnetTransport, receiver, monkeypatch)
        far.send(b"\xff\xfd\x18ok\n")  # DO an option that we refuse, and gone
        far.close()
        await transport.open(receiver, loop.time() + 5.0)
        await receiver.until_lost()
        assert (bytes(receiver.data), len(receiver.losses), raised) == (b"ok\n", 1, [])

    asyncio.run(run())


def test_a_stop_into_a_full_link_is_watched_like_any_output(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        receiver = Recorder()
        transport, far = joined(TcpTransport, receiver, monkeypatch)
        await transport.open(receiver, asyncio.get_running_loop().time() + 5.0)
        transport.write(b"G1 X1\n" * 200_000)
        assert transport.unsent_bytes > 0
        transport.discard_output()
        transport.urgent(b"\nM112\n", at_line_start=True)
        assert "took no bytes" in str(await receiver.until_lost())
        far.close()

    asyncio.run(run())
