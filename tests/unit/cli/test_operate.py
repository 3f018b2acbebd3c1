"""What a person does by hand from the command line, beyond one request and one answer."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.api.server import listen, make_app
from fleetctl.cli.client import Client
from fleetctl.cli.jog_socket import BEAT_S, hold
from fleetctl.cli.where import Where
from fleetctl.errors import Conflict, FleetctlError, MachineError
from tests.unit.api.api_rig import SETTINGS, until
from tests.unit.api.fake_controller import FakeController
from tests.unit.api.fake_floor import calm_floor
from tests.unit.cli import shapes
from tests.unit.cli.daemon import PretendDaemon
from tests.unit.cli.test_commands import ask


async def with_client(world: FakeController, token: str = "operator-token") -> tuple[Client, object]:
    runner = await listen(make_app(world, SETTINGS), "127.0.0.1", 0)
    where = Where(url=f"http://127.0.0.1:{runner.addresses[0][1]}", token=token)
    return Client(where), runner


async def test_a_key_is_held_by_heartbeats_and_let_go_of_at_the_end() -> None:
    world = calm_floor()
    client, runner = await with_client(world)
    try:
        async with client:
            await hold(client, "M1", {"X": 5.0}, 0.4)
            (channel,) = world.jogging.channels
            async with asyncio.timeout(5):
                await channel.closed.wait()
    finally:
        await runner.cleanup()  # type: ignore[attr-defined]
    moving = [beat for beat in channel.beats if beat[0]]
    assert 3 <= len(moving) <= 0.4 / BEAT_S + 1
    assert all(velocity == {"X": 5.0} and at_s is not None for velocity, at_s in moving)
    assert channel.beats[-1] == ({}, None)


async def test_a_machine_that_does_not_move_says_why() -> None:
    world = calm_floor()
    client, runner = await with_client(world)
    try:
        async with client:
            holding = asyncio.create_task(hold(client, "M1", {"X": 5.0}, 5.0))
            await until(lambda: world.jogging.channels)
            world.jogging.channels[0].refused = "A run is on it."
            world.jogging.channels[0].news.set()
            with pytest.raises(MachineError, match="A run is on it"):
                await holding
    finally:
        await runner.cleanup()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "token", "why"), [("M9", "operator-token", "M9"), ("M1", "viewer-token", "role")])
async def test_a_refusal_is_told_in_the_daemons_words(name: str, token: str, why: str) -> None:
    client, runner = await with_client(calm_floor(), token)
    try:
        async with client:
            with pytest.raises(FleetctlError, match=why):
                await hold(client, name, {"X": 5.0}, 1.0)
    finally:
        await runner.cleanup()  # type: ignore[attr-defined]


async def test_a_line_that_the_daemon_closes_ends_the_command() -> None:
    world = calm_floor()
    client, runner = await with_client(world)
    try:
        async with client:
            holding = asyncio.create_task(hold(client, "M1", {"X": 5.0}, 5.0))
            await until(lambda: world.jogging.channels)
            world.jogging.forbidden = Conflict("It is locked out.")
            world.jogging.channels[0].news.set()
            with pytest.raises(FleetctlError, match="closed the line"):
                await holding
    finally:
        await runner.cleanup()  # type: ignore[attr-defined]


def test_all_heaters_are_switched_off(daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shapes.machine(temperatures_degc={"T0": (200.0, 210.0), "B": (60.0, 60.0)})
    daemon.answer("GET machines/K1", shown)
    daemon.answer("POST machines/K1/heat", {})
    status, out, _ = ask(daemon, capsys, "machine", "heat", "K1", "--off")
    assert status == 0 and "T0 off, B off" in out
    bodies = [each.json for each in daemon.asked[1:]]
    assert bodies == [{"heater": "T0", "target_degc": 0.0}, {"heater": "B", "target_degc": 0.0}]


@pytest.mark.parametrize(
    "words",
    ["machine jog K1 X=far", "machine jog K1 X", "machine heat K1", "machine heat K1 T0=5 --off",
     "machine override K1 speed=5"],
)  # fmt: skip
def test_what_makes_no_sense_is_not_asked_for(
    words: str, daemon: PretendDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, _ = ask(daemon, capsys, *words.split())
    assert status == 2 and daemon.asked == []
