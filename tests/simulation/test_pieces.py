"""The parts of the simulation that everything else rests on."""

from __future__ import annotations

import asyncio
import random
import re

import pytest
from fleetctl_plugins.grbl import simulator as grbl
from fleetctl_plugins.marlin import simulator as marlin

from fleetctl.testing import loop as virtual
from fleetctl.testing.simulation.continuations import Follower, read_continuation
from fleetctl.testing.simulation.process import Process, begin_outside, track_tasks
from fleetctl.testing.simulation.programs import Library, make_program
from fleetctl.testing.simulation.rig import Attempt
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


@pytest.mark.parametrize("dialect", ["marlin", "grbl"])
def test_the_rest_of_a_program_is_read_and_followed(dialect: str) -> None:
    parent = make_program(dialect, 1, random.Random(1), lines=30, duration_s=3600.0)
    harmless = re.compile("M5|M9")
    text = "; made\nM5\nM9 ; off\nG28 X Y\n" + "\n".join(parent.lines[12:])
    rest = read_continuation(text.encode(), parent, harmless)
    assert rest is not None
    assert (rest.first, rest.preamble, rest.soft) == (12, 3, 2)
    assert rest.lines[3:] == parent.lines[12:]
    assert read_continuation(b"G28\nG1 X1\n", parent, harmless) is None

    follower = Follower(rest)
    assert follower.passes("M5") and not follower.begun
    assert not follower.passes("G4P0.01"), "the session's own line"
    assert follower.passes("M5") and follower.passes("M9") and not follower.begun, "off once more, and then it begins"
    assert follower.passes(rest.lines[2]) and follower.begun
    assert not follower.passes("M5"), "begun, it has one next line"
    assert all(follower.passes(line) for line in rest.lines[3:])
    assert not follower.passes(rest.lines[-1])


def test_a_part_that_was_continued_behind_a_gap_is_not_whole() -> None:
    parent = make_program("marlin", 1, random.Random(1), lines=30, duration_s=3600.0)
    rest = read_continuation("\n".join(["G28 X Y", *parent.lines[12:]]).encode(), parent, re.compile("M5"))
    assert rest is not None
    for executed, whole in ((12, True), (20, True), (11, False)):
        before = Attempt("run-1", "R-1", parent, executed=executed)
        after = Attempt("run-2", "R-2", rest, executed=len(rest.lines), plates=1, resumes=before)
        assert after.complete and after.whole is whole and not before.whole
