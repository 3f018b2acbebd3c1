"""The parts of the simulation that everything else rests on."""

from __future__ import annotations

import asyncio
import random

import pytest
from fleetctl_plugins.grbl import simulator as grbl
from fleetctl_plugins.marlin import simulator as marlin

from fleetctl.testing import loop as virtual
from fleetctl.testing.simulation.process import Process, begin_outside, track_tasks
from fleetctl.testing.simulation.programs import Library, make_program
from fleetctl.testing.simulation.scenario import draw


@pytest.mark.parametrize("dialect", ["marlin", "grbl"])
def test_the_generator_and_the_simulated_firmware_read_a_program_alike(dialect: str) -> None:
    library = Library()
    read = marlin.as_executed if dialect == "marlin" else grbl.as_executed
    for number in range(1, 20):
        program = make_program(dialect, number, random.Random(number), lines=30 * number, duration_s=3600.0)
        assert read(program.data) == list(program.lines)
        library.add(program)  # raises when a line is in two places


def test_a_seed_always_means_the_same_world() -> None:
    assert draw(7) == draw(7)
    assert len({draw(seed).trouble_s for seed in range(50)}) == 50


def test_a_killed_process_reaches_nothing_any_more_and_unwinds() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualClockLoop)
        track_tasks(loop)
        world: list[str] = []
        process = Process("one")
        connected = True

        def cut() -> None:
            nonlocal connected
            connected = False

        process.on_death.append(cut)

        async def child() -> None:
            try:
                await asyncio.sleep(1000.0)
            finally:
                if connected:
                    world.append("written by the dead")

        async def parent() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                outside.append(begin_outside(asyncio.sleep(5.0), "of nobody"))

        outside: list[asyncio.Task[None]] = []
        process.spawn(parent(), "parent")
        await asyncio.sleep(1.0)
        process.kill()
        assert await process.reap() == []
        assert world == []
        await outside[0]
        late = process.spawn(asyncio.sleep(1000.0), "late")
        await asyncio.wait([late])
        assert late.cancelled()

    virtual.run(main(), strict=True)
