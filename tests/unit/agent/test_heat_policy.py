"""Heat without a run that works: preheated by hand, left on, waiting for cycle start; and what stays on at first."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from fleetctl_plugins.marlin.simulator import simulator

from fleetctl.agent.heat import LOOK_FIRST_S, RETRY_S, IdleHeat
from fleetctl.driver.api import EndKind, Telemetry
from fleetctl.errors import LinkError, MachineError
from fleetctl.model.machine import Activity
from fleetctl.model.messages import Answer, Assign, MachineReport, RunReport
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.floor import SUBJECTS, Pretend, floor
from tests.unit.agent.rig import MILL, PRINTER, FakeMachine, assigned, at_work, online, running, start, until, verb

IDLE_S = PRINTER.heat_off_after_idle_s
HOT = Telemetry(temperatures_degc={"T0": (30.0, 200.0)})
COLD = Telemetry(temperatures_degc={"T0": (30.0, 0.0)})


def test_the_time_runs_from_the_first_reading_and_ends_with_the_last() -> None:
    heat, bed = IdleHeat(100.0), {"B": 60.0}
    heat.seen({}, 0.0)
    assert heat.due_s is None
    heat.seen(bed, 10.0)
    heat.seen(bed, 50.0)
    assert heat.due_s == 110.0
    heat.asked(60.0)
    assert heat.due_s == 160.0
    heat.failed(110.0)
    assert heat.due_s == 110.0 + RETRY_S
    heat.seen({}, 120.0)
    assert heat.due_s is None


def test_what_is_set_anew_at_the_panel_is_wanted_from_then_on() -> None:
    heat = IdleHeat(100.0)
    heat.seen({"B": 60.0}, 0.0)
    heat.seen({"B": 60.0, "T0": 200.0}, 80.0)
    assert heat.due_s == 180.0
    heat.seen({"B": 60.0}, 90.0)  # one of two off: the other one is not wanted anew
    assert heat.due_s == 180.0
    heat.seen({"B": 70.0}, 100.0)
    assert heat.due_s == 200.0


def test_a_new_link_looks_first_and_goes_on_counting() -> None:
    heat = IdleHeat(100.0)
    heat.seen({"B": 60.0}, 0.0)
    heat.new_link(50.0)
    assert heat.due_s == 100.0
    heat.new_link(95.0)
    assert heat.due_s == 95.0 + LOOK_FIRST_S


@under_virtual_clock()
async def test_a_machine_that_was_preheated_by_hand_is_switched_off_in_time() -> None:
    """The word of the simulator itself: M140 by a person, and nobody starts anything."""
    pretend = Pretend("m1", SUBJECTS["marlin"])
    async with floor(pretend) as room:
        room.controller.say(verb(room.rig.clock, "command", text="M140 S60"))
        await until(lambda: room.controller.of(Answer) and pretend.on)
        await asyncio.sleep(IDLE_S - 60.0)
        assert pretend.on == {"bed": 60.0}
        await asyncio.sleep(120.0)
        assert pretend.on == {}
        assert "after 10 min without a run" in room.controller.last(MachineReport).reason
        executed = len(pretend.executed)
        await asyncio.sleep(2 * IDLE_S)
        assert len(pretend.executed) == executed, "once it is off nothing more is sent"


@under_virtual_clock()
async def test_what_is_on_again_is_switched_off_once() -> None:
    """Off and on again while somebody watches already: one watch goes on, with the new time."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await online(rig, assigned())
        for _ in range(3):
            machine.listener.telemetry(HOT)
            await asyncio.sleep(20.0)
            machine.listener.telemetry(COLD)
            await asyncio.sleep(20.0)
        machine.listener.telemetry(HOT)
        await asyncio.sleep(IDLE_S + 1.0)
        assert machine.calls.count("make_safe") == 1


@under_virtual_clock()
async def test_a_person_who_sets_a_heater_again_has_the_whole_time_again() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await online(rig, assigned())
        machine.listener.telemetry(HOT)
        await asyncio.sleep(IDLE_S - 10.0)
        rig.agent.supervisor.sessions["id-m1"].safing.asked()
        await asyncio.sleep(IDLE_S - 10.0)
        assert "make_safe" not in machine.calls
        await asyncio.sleep(20.0)
        assert machine.calls.count("make_safe") == 1


@under_virtual_clock()
async def test_a_spindle_that_turns_without_a_run_is_switched_off_too() -> None:
    pretend = Pretend("m1", SUBJECTS["grbl"])
    async with floor(pretend) as room:
        room.controller.say(verb(room.rig.clock, "command", text="M3 S1000"))
        await until(lambda: pretend.on)
        await asyncio.sleep(IDLE_S + 60.0)
        assert pretend.on == {}


@under_virtual_clock()
async def test_a_run_that_works_keeps_its_heat() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.listener.telemetry(HOT)
        await asyncio.sleep(IDLE_S - 10.0)
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        for _ in range(20):
            machine.listener.telemetry(HOT)
            await asyncio.sleep(IDLE_S / 10)
        assert "make_safe" not in machine.calls


@under_virtual_clock()
async def test_a_run_that_began_since_the_last_reading_keeps_its_heat_too() -> None:
    """Firmware reports every few seconds; the time without a run may be over before the next reading."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.listener.telemetry(HOT)
        await asyncio.sleep(IDLE_S - 1.0)
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        await asyncio.sleep(2.0)
        assert "make_safe" not in machine.calls
        machine.listener.telemetry(HOT)
        machine.end(EndKind.FINISHED)
        await asyncio.sleep(1.0)
        machine.listener.telemetry(COLD)
        await asyncio.sleep(20.0)
        machine.listener.telemetry(HOT)
        await asyncio.sleep(IDLE_S + 1.0)
        assert machine.calls.count("make_safe") == 1


@under_virtual_clock()
async def test_waiting_for_cycle_start_counts_as_no_run() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        machine.listener.telemetry(Telemetry(spindle_rpm=1000.0))
        await asyncio.sleep(IDLE_S + 1.0)
        assert machine.calls.count("make_safe") == 1
        assert controller.states()[-1] == "waiting", "the run still waits for its person"


@under_virtual_clock()
async def test_heat_that_cannot_be_switched_off_is_tried_again_and_told() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await online(rig, assigned())
        machine.raises["make_safe"] = MachineError("no answer")
        machine.listener.telemetry(HOT)
        await asyncio.sleep(IDLE_S + 2.5 * RETRY_S)
        assert machine.calls.count("make_safe") == 3
        machine.listener.telemetry(COLD)
        await asyncio.sleep(5 * RETRY_S)
        assert machine.calls.count("make_safe") <= 4


@under_virtual_clock()
async def test_a_link_that_flaps_does_not_keep_heat_on() -> None:
    """A loose plug every three minutes, and a bed that somebody preheated and forgot."""
    pretend = Pretend("m1", SUBJECTS["marlin"])
    async with floor(pretend) as room:
        room.controller.say(verb(room.rig.clock, "command", text="M140 S60"))
        await until(lambda: pretend.on)
        session = room.rig.agent.supervisor.sessions["id-m1"]
        for _ in range(3):
            await asyncio.sleep(IDLE_S / 3 - 15.0)
            assert pretend.on == {"bed": 60.0}
            session.break_link(LinkError("the plug is loose"))
            await until(lambda: session.facts.link == "online", 30.0)
        await asyncio.sleep(60.0)
        assert pretend.on == {}


@under_virtual_clock()
async def test_a_machine_that_prints_from_its_own_card_is_not_idle() -> None:
    """Its heat is its own print's; the page says so, and no run of ours starts."""
    pretend = Pretend("m1", replace(SUBJECTS["marlin"], make_machine=lambda seed: simulator(seed, card=True)))
    async with floor(pretend) as room:
        room.controller.say(verb(room.rig.clock, "command", text="M140 S60"))
        await until(lambda: pretend.on)
        pretend.machine.inject("card-print", pretend.link.now_s())
        await until(lambda: room.controller.last(MachineReport).activity == "running")
        assert room.controller.last(MachineReport).reason == "it prints a file from its own card"
        room.start("m1")
        assert await room.ended() == "refused"
        assert "prints a file from its own card" in room.controller.of(RunReport)[-1].reason
        session = room.rig.agent.supervisor.sessions["id-m1"]
        await asyncio.sleep(2 * IDLE_S)
        session.break_link(LinkError("the plug is loose"))
        await until(lambda: session.facts.link == "online", 30.0)
        await asyncio.sleep(IDLE_S)
        assert pretend.on == {"bed": 60.0}
        pretend.machine.inject("card-print", pretend.link.now_s())  # over
        await asyncio.sleep(IDLE_S - 60.0)
        assert pretend.on == {"bed": 60.0}, "from its end it has the whole time"
        await asyncio.sleep(120.0)
        assert pretend.on == {}


@under_virtual_clock()
async def test_who_prints_from_the_card_right_after_our_run_keeps_the_heat() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await at_work(rig)
        machine.listener.telemetry(HOT)
        machine.end(EndKind.FINISHED)
        await asyncio.sleep(1.0)
        machine.listener.activity(Activity.RUNNING, "it prints a file from its own card", False)
        await asyncio.sleep(IDLE_S)
        assert "make_safe" not in machine.calls


@pytest.mark.parametrize("why", ["removed", "leaves", "plugged in elsewhere"])
def test_a_machine_that_nobody_watches_any_more_is_not_left_hot(why: str) -> None:
    @under_virtual_clock()
    async def left() -> None:
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            controller = await online(rig, assigned())
            machine.listener.telemetry(HOT)
            if why == "removed":
                controller.say(Assign(machines=()))
            elif why == "plugged in elsewhere":
                elsewhere = msgspec.structs.replace(assigned(), port="fake://other")
                controller.say(Assign(machines=(elsewhere,)))
            else:
                rig.agent.leave("idle")
            await until(lambda: "close" in machine.calls)
            assert machine.calls[-2:] == ["make_safe", "close"]

    left()


@under_virtual_clock()
async def test_after_a_run_that_failed_switching_off_is_tried_until_it_works() -> None:
    """The first answer may be lost in noise; the machine is not left hot because of it."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.raises["make_safe"] = MachineError("no answer")
        machine.end(EndKind.FAILED, "a line was refused")
        await until(lambda: machine.calls.count("make_safe") == 3, 60.0)
        del machine.raises["make_safe"]
        await until(lambda: not rig.agent.journal.state.content.unsafe, 60.0)
        done = machine.calls.count("make_safe")
        await asyncio.sleep(300.0)
        assert machine.calls.count("make_safe") == done
        assert controller.states()[-1] == "failed"


@under_virtual_clock()
async def test_readings_say_how_old_they_are() -> None:
    """Progress goes on without new temperatures, as it does while a firmware is busy."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await at_work(rig)
        board = rig.agent.shared.telemetry
        machine.listener.telemetry(HOT)
        (told,) = (read() for read in board.take())
        await asyncio.sleep(60.0)
        machine.acknowledge(5)
        (later,) = (read() for read in board.take())
        assert later.read_at_s == told.read_at_s == told.at_s
        assert later.at_s == told.at_s + 60.0
        assert msgspec.structs.asdict(later)["temperatures_degc"] == HOT.temperatures_degc
