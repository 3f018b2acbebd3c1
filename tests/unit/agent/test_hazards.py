"""What could hurt a person or ruin a machine: found by attacking the agent, one test each."""

from __future__ import annotations

import asyncio

from fleetctl.driver.api import EndKind, Telemetry
from fleetctl.errors import MachineError
from fleetctl.model.machine import Activity, Position
from fleetctl.model.messages import Answer, Leave, MachineReport, RunReport, Stop, StopReport, Welcome
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import MILL, PRINTER, FakeMachine, assigned, at_work, online, running, start, until, verb


@under_virtual_clock()
async def test_i15_a_verb_that_was_let_through_just_before_the_stop_does_nothing() -> None:
    """Between its permission and its deed the loop turns once, and a stop may come in."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        session = rig.agent.supervisor.sessions["id-m1"]
        spawn = session.spawn

        def spawn_and_stop(work, name):  # type: ignore[no-untyped-def]
            task = spawn(work, name)
            rig.agent.commands.take(Stop(command_id="stop-1"))
            return task

        session.spawn = spawn_and_stop  # type: ignore[method-assign]
        controller.say(verb(rig.clock, "home"))
        await until(lambda: controller.of(Answer))
        assert "stopped" in controller.last(Answer).error
        assert "home" not in machine.calls


@under_virtual_clock()
async def test_i12_a_position_that_is_lost_while_homing_ends_is_not_known() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())

        async def home() -> None:
            machine.calls.append("home")
            machine.listener.activity(Activity.IDLE, "the board was reset", True)

        assert machine.driver is not None
        machine.driver.home = home  # type: ignore[method-assign]
        controller.say(verb(rig.clock, "home"))
        await until(lambda: controller.of(Answer))
        assert "lost again" in controller.last(Answer).error
        assert controller.last(MachineReport).position is Position.SUSPECT


@under_virtual_clock()
async def test_i12_a_run_that_waits_for_cycle_start_ends_when_the_position_is_lost() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        machine.listener.activity(Activity.IDLE, "the controller was reset", True)
        await until(lambda: "refused" in controller.states())
        assert controller.last(RunReport).reason == "the controller was reset"
        controller.say(verb(rig.clock, "cycle-start"))
        await until(lambda: controller.of(Answer))
        assert machine.starts == 0


@under_virtual_clock()
async def test_what_a_program_left_on_is_switched_off() -> None:
    for left_on in (Telemetry(temperatures_degc={"T0": (205.0, 205.0)}), Telemetry(spindle_rpm=8000.0)):
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            controller = await online(rig, assigned())
            controller.say(start(rig.clock))
            await until(lambda: "running" in controller.states())  # noqa: B023
            machine.listener.telemetry(left_on)
            machine.end(EndKind.FINISHED)
            await until(lambda: "make_safe" in machine.calls)  # noqa: B023


@under_virtual_clock()
async def test_a_program_that_switched_all_off_is_left_alone() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await at_work(rig)
        machine.listener.telemetry(Telemetry(temperatures_degc={"T0": (205.0, 205.0)}))
        machine.end(EndKind.FINISHED)
        machine.listener.telemetry(Telemetry(temperatures_degc={"T0": (180.0, 0.0)}, spindle_rpm=0.0))
        await asyncio.sleep(60.0)
        assert "make_safe" not in machine.calls


@under_virtual_clock()
async def test_an_agent_that_leaves_after_the_last_run_first_sees_to_the_heat() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        controller.say(Leave(when="idle"))
        machine.listener.telemetry(Telemetry(temperatures_degc={"B": (60.0, 60.0)}))
        machine.end(EndKind.FINISHED)
        await until(rig.task.done)
        assert machine.calls[-2:] == ["make_safe", "close"]


@under_virtual_clock()
async def test_heat_that_could_not_be_switched_off_is_tried_again() -> None:
    machine = FakeMachine()
    machine.raises["make_safe"] = MachineError("no answer")
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        controller.say(verb(rig.clock, "pause"))
        await until(lambda: "paused" in controller.states())
        await asyncio.sleep(PRINTER.heat_off_after_paused_s + 200.0)
        assert machine.calls.count("make_safe") == 4
        assert controller.last(RunReport).reason.count("could not be switched off") == 1
        del machine.raises["make_safe"]
        await asyncio.sleep(200.0)
        assert machine.calls.count("make_safe") == 5, "once it worked it is done"
        assert "are off" in controller.last(RunReport).reason


@under_virtual_clock()
async def test_a_controller_that_was_only_restarted_gives_work_again() -> None:
    """Its last word to the agent was to leave when idle; a refusal for that would count against the job."""
    machines = {"m1": FakeMachine(), "m2": FakeMachine()}
    both = (assigned("m1"), assigned("m2"))
    async with running(machines) as rig:
        first = await online(rig, *both)
        first.say(start(rig.clock, "run-1", "m1"))
        await until(lambda: "running" in first.states("run-1"))
        first.say(Leave(when="idle"))
        await until(lambda: rig.agent.supervisor.leaving)
        await first.close()
        second = rig.connect()
        second.hello(*both)
        second.say(start(rig.clock, "run-2", "m2"))
        await until(lambda: "running" in second.states("run-2"))
        machines["m1"].end(EndKind.FINISHED)
        machines["m2"].end(EndKind.FINISHED)
        await asyncio.sleep(120.0)
        assert not rig.task.done()


@under_virtual_clock()
async def test_an_agent_that_was_itself_told_to_end_ends_whoever_says_hello() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        rig.agent.leave("idle")
        controller.say(Leave(when="idle"))
        controller.hello(assigned())
        await asyncio.sleep(1.0)
        machine.end(EndKind.FINISHED)
        await until(rig.task.done)


@under_virtual_clock()
async def test_a_run_that_a_stop_keeps_from_beginning_does_not_count_against_its_job() -> None:
    """Real firmware tells of the stop as a fault, which refuses what waits for cycle start."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        assert machine.driver is not None
        stop = machine.driver.stop

        def fault() -> None:
            stop()
            machine.listener.activity(Activity.FAULT, "software stop", True)

        machine.driver.stop = fault  # type: ignore[method-assign]
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: "cancelled" in controller.states())
        assert "refused" not in controller.states()


@under_virtual_clock()
async def test_i15_a_stop_comes_from_whoever_may_open_the_socket_and_the_controller_learns_of_it() -> None:
    """`fleetctl estop` while the controller is dead or hangs."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        somebody = rig.connect()
        somebody.say(verb(rig.clock, "home", "theirs"))
        somebody.say(Stop(command_id="stop-by-hand"))
        await until(lambda: somebody.of(StopReport))
        assert [outcome.outcome for outcome in somebody.last(StopReport).outcomes] == ["confirmed"]
        assert "home" not in machine.calls, "nothing but a stop is taken from them"
        await until(lambda: controller.peer.lost is not None)
        second = rig.connect()
        second.hello(assigned())
        await until(lambda: second.of(Welcome))
        assert second.last(Welcome).stop_id == "stop-by-hand"


@under_virtual_clock()
async def test_a_machine_that_still_moves_when_the_next_agent_comes_is_made_safe_before_it_is_identified() -> None:
    """A mill answers nothing but its state until it rests, which may take minutes."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await at_work(rig)
        machine.acknowledge(3)
        await asyncio.sleep(1.0)
        file = await rig.kill()
    machine.calls.clear()
    machine.hangs.add("connect")
    async with running({"m1": machine}, file, boot="boot-2"):
        await until(lambda: "make_safe" in machine.calls, 3.0)
        assert machine.calls[0] == "connect"


@under_virtual_clock()
async def test_a_machine_that_owes_nothing_is_not_spoken_to_before_it_is_identified() -> None:
    machine = FakeMachine()
    machine.hangs.add("connect")
    async with running({"m1": machine}) as rig:
        rig.connect().hello(assigned())
        await asyncio.sleep(20.0)
        assert machine.calls == ["connect"]
