"""A run that waits for cycle start: what may end the wait."""

from __future__ import annotations

from fleetctl.model.machine import Activity
from fleetctl.model.messages import Answer, RunReport
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
