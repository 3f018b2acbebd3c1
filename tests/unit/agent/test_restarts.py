"""Kills and power cuts: a new agent over what the old one left."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.agent.files import MemoryJournalFile
from fleetctl.driver.api import EndKind
from fleetctl.model.machine import Position
from fleetctl.model.messages import Answer, MachineReport, RunReport, Stop, StopReport, Welcome
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import MILL, FakeMachine, Rig, assigned, at_work, online, running, start, until, verb


@under_virtual_clock()
async def test_a_kill_interrupts_the_run_once_and_starts_nothing() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.acknowledge(41)
        await asyncio.sleep(0.2)
        file = await rig.kill()
    again = start(rig.clock)
    async with running({"m1": machine}, file, "boot-2") as second:
        # The machine is made safe although no controller is there, before it counts as online.
        await until(lambda: machine.calls.count("make_safe") == 1)
        assert machine.calls[-1] == "make_safe"
        controller = await online(second, assigned(position=Position.KNOWN))
        controller.say(again)
        controller.say(start(second.clock, command_id="another"))
        await until(lambda: "interrupted" in controller.states())
        await asyncio.sleep(30.0)
        assert set(controller.states()) == {"interrupted"}
        report = controller.of(RunReport)[0]
        assert (report.acknowledged_line, report.started) == (41, True)
        assert "41" in report.reason
        assert controller.last(MachineReport).position is Position.SUSPECT
        assert controller.of(Welcome)[0].active_runs == ()
        file = await second.kill()
    async with running({"m1": machine}, file, "boot-3") as third:
        controller = await online(third, assigned())
        await asyncio.sleep(30.0)
        assert controller.states() == []
        assert controller.last(MachineReport).position is Position.SUSPECT
    assert machine.starts == 1
    assert machine.calls.count("make_safe") == 1


@under_virtual_clock()
async def test_a_kill_at_the_gate_leaves_a_run_that_never_began() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        file = await rig.kill()
    async with running({"m1": machine}, file, "boot-2") as second:
        controller = await online(second, assigned(profile=MILL))
        await until(lambda: "interrupted" in controller.states())
        assert not controller.last(RunReport).started
        assert controller.last(MachineReport).position is Position.KNOWN
    assert machine.starts == 0
    assert "make_safe" not in machine.calls


async def _kill_at(rig: Rig, moment: int, power: bool, kept: int) -> MemoryJournalFile:
    """Let the agent live for `moment` times 2 ms, then end it."""
    await asyncio.sleep(moment * 0.002)
    if power:
        return await rig.kill(rig.file.after_power_cut(min(kept, rig.file.unsynced_bytes)))
    return await rig.kill()


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("kept", [0, 9])
def test_killed_at_any_moment_a_program_starts_at_most_once(power: bool, kept: int) -> None:
    """I2, I5: the journal says *started* before the first byte can go out."""
    began = [0, 0]
    for moment in range(0, 40):
        began[_one_life(moment, power, kept)] += 1
    assert all(began), "the moments must lie on both sides of the first byte"


def _one_life(moment: int, power: bool, kept: int) -> int:
    starts: list[int] = []

    @under_virtual_clock(seed=moment, noise_s=0.002)
    async def live() -> None:
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            controller = await online(rig, assigned())
            message = start(rig.clock)
            controller.say(message)
            file = await _kill_at(rig, moment, power, kept)
            reported = controller.states()
        before = machine.starts
        async with running({"m1": machine}, file, "boot-2") as second:
            controller = await online(second, assigned())
            if before or reported:
                assert "run-1" in second.agent.journal.state.content.runs, "what was reported is remembered"
            if before:
                assert machine.starts == 1
                await until(lambda: "interrupted" in controller.states())
                assert controller.last(RunReport).started
            # The controller sends again what it has no report of.
            controller.say(message)
            await asyncio.sleep(5.0)
            machine.end(EndKind.FINISHED)
            await until(lambda: {"interrupted", "finished", "refused"} & set(controller.states()))
            assert machine.starts <= 1
            starts.append(before)

    live()
    return starts[0]


@under_virtual_clock()
async def test_numbers_of_reports_never_come_again_after_a_power_cut() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        await asyncio.sleep(6.0)
        rig.file.error = OSError("the disk fails")
        for _ in range(10):
            machine.unplug()
            await until(lambda: controller.last(MachineReport).link == "offline")
            machine.plugged_in = True
            await until(lambda: controller.last(MachineReport).link == "online")
        highest = controller.last(MachineReport).sequence
        rig.file.error = None
        file = await rig.kill(rig.file.after_power_cut())
    async with running({"m1": machine}, file, "boot-2") as second:
        controller = second.connect()
        controller.hello(assigned())
        await until(lambda: controller.of(MachineReport))
        assert min(r.sequence for r in controller.of(MachineReport)) > highest
        assert controller.last(Welcome).journal_id == "boot-1-1"


@under_virtual_clock()
async def test_without_a_journal_the_position_is_what_the_controller_says() -> None:
    async with running({"m1": FakeMachine()}) as rig:
        controller = await online(rig, assigned(position=Position.SUSPECT))
        assert controller.last(MachineReport).position is Position.SUSPECT
        controller.hello(assigned(position=Position.KNOWN))
        await asyncio.sleep(1.0)
        assert controller.last(MachineReport).position is Position.SUSPECT


@under_virtual_clock()
async def test_a_verb_cut_off_by_a_kill_is_not_done_again() -> None:
    machine = FakeMachine()
    machine.hangs.add("home")
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        home = verb(rig.clock, "home")
        controller.say(home)
        await until(lambda: "home" in machine.calls)
        file = await rig.kill()
    async with running({"m1": machine}, file, "boot-2") as second:
        controller = await online(second, assigned())
        controller.say(home)
        await until(lambda: controller.of(Answer))
        assert "restarted" in controller.last(Answer).error
    assert machine.calls.count("home") == 1


@under_virtual_clock()
async def test_the_latch_survives_kill_and_power_cut() -> None:
    """I15."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: controller.of(StopReport))
        file = await rig.kill(rig.file.after_power_cut())
    async with running({"m1": machine}, file, "boot-2") as second:
        controller = await online(second, assigned())
        assert controller.last(Welcome).stop_id == "stop-1"
        controller.say(start(second.clock))
        await until(lambda: controller.states())
        assert controller.states() == ["cancelled"]
    assert machine.starts == 0


@under_virtual_clock()
async def test_an_unplugged_machine_is_made_safe_when_it_comes_back_even_after_another_kill() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await at_work(rig)
        machine.unplug()
        await asyncio.sleep(1.0)
        file = await rig.kill()
    async with running({"m1": machine}, file, "boot-2") as second:
        await asyncio.sleep(100.0)
        file = await second.kill()
    machine.plugged_in = True
    async with running({"m1": machine}, file, "boot-3"):
        await until(lambda: "make_safe" in machine.calls)


@under_virtual_clock()
async def test_heat_switched_off_by_hand_and_on_again_by_the_run_is_switched_off_after_a_kill() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        for what in ("pause", "make-safe", "resume"):
            controller.say(verb(rig.clock, what))
            await until(lambda: f"verb {what}" in {answer.command_id for answer in controller.of(Answer)})  # noqa: B023
        file = await rig.kill()
    async with running({"m1": machine}, file, "boot-2"):
        await until(lambda: machine.calls.count("make_safe") == 2)
