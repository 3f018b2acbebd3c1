"""A peer that is gone without a word: a network whose one cable is cut, in a name space of its own. Every link that
goes over it ends within a bounded time, idle or with output under way."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from fleetctl.clock import SystemClock
from fleetctl.errors import LinkError
from fleetctl.transport.base import Transport
from fleetctl.transport.opener import TransportOpener

STALL_S = 2.0
BOUND_S = 3 * STALL_S
"""Probes are a second apart at least, and three must fail; pings of a WebSocket are quicker."""

ROOT = Path(__file__).resolve().parents[2]
SCHEMES = ("tcp", "telnet", "ws")

# From netdevice(7).
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def test_every_link_to_a_peer_that_vanished_ends_in_time() -> None:
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system gives no network name space of our own: {error}")
    command = [*alone, sys.executable, "-m", "tests.integration.test_half_open"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {f"{scheme} {what}" for scheme in SCHEMES for what in ("idle", "sending")}
    for what, (seconds, reason) in found.items():
        assert 0.0 < seconds < BOUND_S, f"{what}: {reason}"
        assert "127.0.0.1" in reason, what


# What runs in the name space


class Ears:
    def __init__(self) -> None:
        self.ended: asyncio.Future[tuple[float, str]] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes, now_s: float) -> None: ...

    def lost(self, reason: LinkError) -> None:
        self.ended.set_result((asyncio.get_running_loop().time(), str(reason)))


def cable(up: bool) -> None:
    """Plug the loop-back interface in or pull it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(handle, SIOCGIFFLAGS, request))
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP if up else flags & ~IFF_UP))


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def deaf_websocket(request: web.Request) -> web.WebSocketResponse:
    link = web.WebSocketResponse()
    await link.prepare(request)
    async for _ in link:
        pass
    return link


async def serve() -> dict[str, int]:
    """The ports of the peers, by scheme."""
    plain = await asyncio.start_server(deaf, "127.0.0.1", 0)
    app = web.Application()
    app.router.add_get("/", deaf_websocket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 8081)
    await site.start()
    port = plain.sockets[0].getsockname()[1]
    return {"tcp": port, "telnet": port, "ws": 8081}


async def main() -> None:
    cable(True)
    opener, loop = TransportOpener(SystemClock()), asyncio.get_running_loop()
    links: dict[str, tuple[Transport, Ears]] = {}
    for scheme, port in (await serve()).items():
        for what in ("idle", "sending"):
            transport, ears = opener.make(f"{scheme}://127.0.0.1:{port}?stall_s={STALL_S}"), Ears()
            await transport.open(ears, loop.time() + 5)
            transport.write(b"M105\n")
            links[f"{scheme} {what}"] = (transport, ears)
    await asyncio.sleep(0.2)
    cable(False)
    cut_s = loop.time()
    for what, (transport, _) in links.items():
        if what.endswith("sending"):
            transport.write(b"G1 X1\n")
    await asyncio.wait([ears.ended for _, ears in links.values()], timeout=30)
    ends = {what: ears.ended.result() for what, (_, ears) in links.items() if ears.ended.done()}
    print(json.dumps({what: (at_s - cut_s, reason) for what, (at_s, reason) in ends.items()}), flush=True)
    os._exit(0)  # the servers' goodbyes have nowhere to go


if __name__ == "__main__":
    asyncio.run(main())
