"""A driver and its simulator with a bridge between them that somebody else wrote: ser2net in its three protocols, and
an aiohttp server that passes a WebSocket on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web
from fleetctl_plugins.marlin.driver import DRIVER
from fleetctl_plugins.marlin.simulator import as_executed

from fleetctl.clock import SystemClock
from fleetctl.driver.api import Driver, EndKind, MachineSpec
from fleetctl.errors import LinkUnavailable
from fleetctl.model.profile import PROFILES
from fleetctl.sim.record import digest
from fleetctl.sim.sample import bracket
from fleetctl.testing.suite import Recorder, Source
from fleetctl.transport.opener import PortWish, TransportOpener
from tests.integration.far_ends import DEADLINE_S, soon
from tests.integration.far_ends import Recorder as Ears

SER2NET = shutil.which("ser2net", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_ser2net = pytest.mark.skipif(SER2NET is None, reason="ser2net is not installed (Debian package ser2net)")
ACCEPTERS = {"tcp": "tcp", "telnet": "telnet,tcp", "rfc2217": "telnet(rfc2217),tcp"}
PATIENCE_S = 90.0
PRINT = bracket(layers=1)


@contextlib.asynccontextmanager
async def child(*command: str) -> AsyncIterator[subprocess.Popen[str]]:
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


@contextlib.asynccontextmanager
async def simulator(*words: str) -> AsyncIterator[str]:
    """A simulated Marlin; its port."""
    async with child(sys.executable, "-m", "fleetctl.sim.run", "marlin", "--speedup", "400", *words) as process:
        assert process.stdout is not None
        first = await asyncio.to_thread(process.stdout.readline)
        yield first.removeprefix("port: ").strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.asynccontextmanager
async def ser2net(folder: Path, device: str, accepter: str) -> AsyncIterator[tuple[int, subprocess.Popen[str]]]:
    """ser2net in front of `device`; its TCP port."""
    port = free_port()
    settings = folder / "ser2net.yaml"
    settings.write_text(
        "%YAML 1.1\n---\n"
        f"connection: &machine\n  accepter: {accepter},127.0.0.1,{port}\n"
        f"  connector: serialdev(nouucplock=true),{device},115200n81,local\n"
    )
    assert SER2NET is not None
    async with child(SER2NET, "-n", "-d", "-c", str(settings)) as process:
        async with asyncio.timeout(DEADLINE_S):
            while not await _answers(port):  # noqa: ASYNC110  a process of its own has no other sign
                await asyncio.sleep(0.02)
        yield port, process


async def _answers(port: int) -> bool:
    """Looks into the kernel's list: connecting would open the machine."""
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    return listening in await asyncio.to_thread(Path("/proc/net/tcp").read_text)


@contextlib.asynccontextmanager
async def websocket_bridge(address: str) -> AsyncIterator[int]:
    """A server that passes what it hears on to a simulator's socket, and announces itself as FluidNC's does."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        link = web.WebSocketResponse()
        await link.prepare(request)
        await link.send_str("CURRENT_ID:0")
        host, port = address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        back = asyncio.create_task(_pass_back(reader, link))
        async for message in link:
            if message.type is WSMsgType.BINARY:
                writer.write(message.data)
        writer.close()
        await back
        return link

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    yield port
    await runner.cleanup()


async def _pass_back(reader: asyncio.StreamReader, link: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(4096):
            await link.send_str("PING:60000:60000")
            await link.send_bytes(data)


async def connected(url: str) -> tuple[Driver, Recorder]:
    clock, recorder = SystemClock(), Recorder()
    spec = MachineSpec(name="rig", port=url, profile=PROFILES["generic-220"])
    transport = TransportOpener(clock).make(url, PortWish(probe=DRIVER.speed_probe))
    driver = DRIVER.make(spec, transport, clock, recorder)
    await driver.connect(clock.monotonic() + PATIENCE_S)
    return driver, recorder


async def ended(recorder: Recorder) -> tuple[EndKind, str]:
    async with asyncio.timeout(PATIENCE_S):
        while not recorder.ends:
            recorder.changed.clear()
            await recorder.changed.wait()
    kind, reason, _ = recorder.ends[0]
    return kind, reason


async def prints(url: str, state: Path) -> None:
    """A run over `url` executes just the program."""
    driver, recorder = await connected(url)
    try:
        await driver.start(Source(PRINT))
        assert await ended(recorder) == (EndKind.FINISHED, "")
    finally:
        await driver.close()
    await executed_just(state, [*as_executed(PRINT), "M400"])


async def executed_just(state: Path, lines: list[str]) -> None:
    """Wait until the simulator has executed these lines and nothing else."""
    async with asyncio.timeout(PATIENCE_S):
        while json.loads(state.read_text())["executed_sha256"] != digest(lines):  # noqa: ASYNC110  so has this
            await asyncio.sleep(0.05)


@needs_ser2net
@pytest.mark.parametrize("scheme", list(ACCEPTERS))
async def test_a_run_through_ser2net(tmp_path: Path, scheme: str) -> None:
    state = tmp_path / "state.json"
    async with simulator("--state", str(state)) as device, ser2net(tmp_path, device, ACCEPTERS[scheme]) as (port, _):
        await prints(f"{scheme}://127.0.0.1:{port}", state)


@needs_ser2net
async def test_ser2net_that_dies_interrupts_the_run_once(tmp_path: Path) -> None:
    async with simulator() as device, ser2net(tmp_path, device, ACCEPTERS["rfc2217"]) as (port, process):
        driver, recorder = await connected(f"rfc2217://127.0.0.1:{port}")
        await driver.start(Source(PRINT * 50))
        process.kill()
        kind, reason = await ended(recorder)
        assert kind is EndKind.INTERRUPTED
        assert f"127.0.0.1:{port}" in reason
        assert len(recorder.losses) == 1


@needs_ser2net
async def test_a_speed_is_set_at_the_other_end_of_ser2net(tmp_path: Path) -> None:
    async with simulator() as device, ser2net(tmp_path, device, ACCEPTERS["rfc2217"]) as (port, _):
        transport = TransportOpener(SystemClock()).make(f"rfc2217://127.0.0.1:{port}?baud=57600")
        await transport.open(Ears(), soon())
        said = await asyncio.to_thread(subprocess.check_output, ["stty", "-F", device, "speed"], text=True)
        transport.close()
        assert said.strip() == "57600"


@needs_ser2net
async def test_a_bridge_without_the_option_is_told_from_one_that_is_off(tmp_path: Path) -> None:
    async with simulator() as device, ser2net(tmp_path, device, ACCEPTERS["telnet"]) as (port, _):
        transport = TransportOpener(SystemClock()).make(f"rfc2217://127.0.0.1:{port}")
        with pytest.raises(LinkUnavailable, match="does not speak RFC 2217"):
            await transport.open(Ears(), soon())


async def test_a_run_over_a_websocket(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with (
        simulator("--tcp", "127.0.0.1:0", "--state", str(state)) as address,
        websocket_bridge(address.removeprefix("socket://")) as port,
    ):
        await prints(f"ws://127.0.0.1:{port}/", state)
