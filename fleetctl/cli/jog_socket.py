"""Holding a key from the command line: heartbeats over a WebSocket until the time is over or the command ends."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import msgspec

from fleetctl.cli.client import Client, decode
from fleetctl.cli.where import DaemonUnavailable
from fleetctl.errors import MachineError

BEAT_S = 0.08

REFUSED_FOR_S = 0.5
"""A machine may not take the first heartbeats while it comes to rest; after so long it is told."""


class State(msgspec.Struct, frozen=True):
    """What the daemon tells: why the machine does not move."""

    refused: str


async def hold(client: Client, name: str, velocity_mm_s: dict[str, float], seconds: float) -> None:
    """Jog for so long. Raises MachineError with what stands in the way, DaemonUnavailable when the line is lost."""
    loop = asyncio.get_running_loop()
    refused: list[str] = [""]
    async with client.socket(f"machines/{name}/jog") as socket:
        listening = asyncio.ensure_future(_listen(socket, refused))
        ends_s, refused_since_s = loop.time() + seconds, loop.time()
        try:
            while (now_s := loop.time()) < ends_s:
                if listening.done():
                    raise DaemonUnavailable(f"The daemon closed the line: {socket.close_code}.")
                if not refused[0]:
                    refused_since_s = now_s
                elif now_s - refused_since_s > REFUSED_FOR_S:
                    raise MachineError(refused[0])
                frame = {"velocity_mm_s": velocity_mm_s, "at_ms": now_s * 1000}
                await socket.send_str(msgspec.json.encode(frame).decode())
                await asyncio.sleep(min(BEAT_S, max(0.0, ends_s - now_s)))
        finally:
            listening.cancel()
            with contextlib.suppress(ConnectionError):
                await socket.send_str("{}")


async def _listen(socket: aiohttp.ClientWebSocketResponse, refused: list[str]) -> None:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.TEXT:
            refused[0] = decode(message.data.encode(), State).refused
