"""A run that waits for cycle start: what may end the wait."""

from __future__ import annotations

from fleetctl.model.machine import Activity, Position
from fleetctl.model.messages import Answer, MachineReport, RunReport
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import MILL, FakeMachine, assigned, online, running, start, until, verb


@under_virtual_clock()
async def test_a_fault_before_cycle_start_refuses_the_run_so_that_the_machine_can_be_reset() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        machine.listener.activity(Activity.FAULT, "ALARM:2", True)
        await until(lambda: "refused" in controller.states())
        assert "ALARM:2" in controller.last(RunReport).reason
        assert not controller.last(RunReport).started
        controller.say(verb(rig.clock, "clear-fault"))
        await until(lambda: controller.of(Answer))
        assert controller.of(Answer)[-1].error == ""
        assert machine.starts == 0


@under_virtual_clock()
async def test_a_person_vouches_for_the_position_of_a_machine_that_cannot_home() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL, position=Position.SUSPECT))
        assert controller.last(MachineReport).position is Position.SUSPECT
        machine.listener.activity(Activity.FAULT, "ALARM:1", True)
        controller.say(verb(rig.clock, "trust-position", "too-early"))
        await until(lambda: controller.of(Answer))
        assert "reset it first" in controller.of(Answer)[-1].error
        machine.listener.activity(Activity.IDLE, "", False)
        controller.say(verb(rig.clock, "trust-position", "now"))
        await until(lambda: len(controller.of(Answer)) == 2)
        assert controller.of(Answer)[-1].error == ""
        await until(lambda: controller.last(MachineReport).position is Position.KNOWN)
