"""Which machines are held, and how the agent ends."""

from __future__ import annotations

import asyncio
import logging
import random
import time

import pytest

from fleetctl.agent.backoff import BackOff
from fleetctl.agent.heat import HeatPolicy
from fleetctl.agent.lag import LagMonitor
from fleetctl.clock import SystemClock
from fleetctl.driver.api import EndKind
from fleetctl.errors import LinkError
from fleetctl.model.messages import Answer, Assign, Leave, LeavingReport, MachineReport, RunReport
from fleetctl.model.profile import PROFILES
from fleetctl.model.run import RunState
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import MILL, FakeMachine, assigned, at_work, online, running, start, until, verb


@under_virtual_clock()
async def test_machines_come_and_go_with_the_assignment() -> None:
    machines = {"m1": FakeMachine(), "m2": FakeMachine()}
    async with running(machines) as rig:
        controller = await online(rig, assigned("m1"))
        controller.say(Assign(machines=(assigned("m1"), assigned("m2"))))
        await until(lambda: machines["m2"].links == 1)
        controller.say(Assign(machines=(assigned("m2"),)))
        await until(lambda: machines["m1"].calls[-1] == "close")
        await until(lambda: list(rig.agent.supervisor.sessions) == ["id-m2"])
        controller.say(Assign(machines=(assigned("m2"), assigned("m1"))))
        await until(lambda: machines["m1"].links == 2)
        assert machines["m2"].links == 1


@under_virtual_clock()
async def test_a_machine_removed_and_added_in_one_moment_never_has_two_links() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(Assign(machines=()))
        controller.say(Assign(machines=(assigned(),)))
        await until(lambda: machine.links == 2)
        assert machine.calls == ["connect", "close", "connect"]


@under_virtual_clock()
async def test_new_settings_of_the_link_wait_for_the_run_in_hand() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        controller.say(Assign(machines=(assigned(profile=PROFILES["generic-300"]),)))
        await asyncio.sleep(10.0)
        assert machine.links == 1
        machine.end(EndKind.FINISHED)
        await until(lambda: machine.links == 2)
        assert "finished" in controller.states()
        assert machine.calls.count("make_safe") == 0


@under_virtual_clock()
async def test_unattended_holds_from_the_next_run_without_a_new_link() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(Assign(machines=(assigned(profile=MILL, unattended=True),)))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        assert machine.links == 1


@under_virtual_clock()
async def test_an_unknown_driver_is_named() -> None:
    async with running() as rig:
        controller = rig.connect()
        wrong = assigned()
        wrong = type(wrong)(machine_id="id-x", name="x", driver="brand", port="p", profile=wrong.profile)
        controller.hello(wrong)
        await until(lambda: controller.of(MachineReport) and controller.last(MachineReport).reason)
        assert "brand" in controller.last(MachineReport).reason
        assert "fake" in controller.last(MachineReport).reason


@under_virtual_clock()
async def test_a_machine_that_is_off_is_tried_again_and_reported_once() -> None:
    machine = FakeMachine()
    machine.raises["connect"] = LinkError("switched off")
    async with running({"m1": machine}) as rig:
        controller = rig.connect()
        controller.hello(assigned())
        await asyncio.sleep(600.0)
        tries = machine.calls.count("connect")
        assert 20 <= tries <= 60
        assert machine.calls.count("close") >= tries - 1
        offline = [r for r in controller.of(MachineReport) if r.link == "offline"]
        assert len(offline) == 1
        assert offline[0].reason == "switched off"
        machine.raises.clear()
        controller.say(verb(rig.clock, "reconnect"))
        await until(lambda: machine.links == 1, 1.0)
        assert controller.last(Answer).error == ""


@under_virtual_clock()
async def test_a_driver_that_hangs_while_connecting_is_given_up() -> None:
    machine = FakeMachine()
    machine.hangs.add("connect")
    async with running({"m1": machine}) as rig:
        controller = rig.connect()
        controller.hello(assigned())
        await until(lambda: machine.calls.count("connect") == 2, 60.0)
        assert "did not connect" in controller.last(MachineReport).reason
        controller.say(Assign(machines=()))
        await until(lambda: machine.calls[-1] == "close", 1.0)


@under_virtual_clock()
async def test_leaving_when_idle_waits_for_the_run_and_takes_no_other() -> None:
    machines = {"m1": FakeMachine(), "m2": FakeMachine()}
    async with running(machines) as rig:
        controller = await online(rig, assigned("m1"), assigned("m2"))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        controller.say(Leave(when="idle"))
        controller.say(start(rig.clock, "run-2", "m2"))
        await until(lambda: controller.states("run-2") == ["cancelled"])
        assert "about to end" in controller.last(RunReport).reason, "not refused: that would count against its job"
        assert [told.leaving for told in controller.of(LeavingReport)] == [True]
        await asyncio.sleep(3600.0)
        assert not rig.task.done()
        machines["m1"].end(EndKind.FINISHED)
        await until(rig.task.done)
        assert rig.task.exception() is None
        assert "finished" in controller.states()
        assert machines["m2"].starts == 0


@under_virtual_clock()
async def test_leaving_now_waits_until_a_cancelled_machine_has_drained() -> None:
    """Sixteen slow moves take minutes; the link is not dropped before the machine rests and is cold."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        assert machine.driver is not None

        async def cancel() -> None:
            machine.calls.append("cancel")
            asyncio.get_running_loop().call_later(170.0, machine.end, EndKind.CANCELLED, "cancelled")

        machine.driver.cancel = cancel  # type: ignore[method-assign]
        controller.say(Leave(when="now"))
        await asyncio.sleep(165.0)
        assert "close" not in machine.calls
        await until(rig.task.done, 30.0)
        assert machine.calls[-3:] == ["cancel", "make_safe", "close"]


@under_virtual_clock()
async def test_leaving_now_interrupts_and_makes_safe() -> None:
    machines = {"run": FakeMachine(), "gate": FakeMachine(), "off": FakeMachine(), "idle": FakeMachine()}
    async with running(machines) as rig:
        controller = await online(
            rig, assigned("run"), assigned("gate", profile=MILL), assigned("off"), assigned("idle")
        )
        machines["off"].unplug()
        controller.say(start(rig.clock, "r1", "run"))
        controller.say(start(rig.clock, "r2", "gate"))
        await until(lambda: "running" in controller.states("r1") and "waiting" in controller.states("r2"))
        controller.say(Leave(when="tomorrow"))
        controller.say(Leave(when="now"))
        await until(rig.task.done)
        assert rig.task.exception() is None
        states = {report.run_id: report for report in controller.of(RunReport)}
        assert (states["r1"].state, states["r1"].started) == ("interrupted", True)
        assert (states["r2"].state, states["r2"].started) == ("interrupted", False)
        assert machines["run"].calls[-3:] == ["cancel", "make_safe", "close"]


@under_virtual_clock()
async def test_leaving_now_stops_what_cannot_be_cancelled() -> None:
    machine = FakeMachine()
    machine.hangs.add("cancel")
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        rig.agent.leave("idle")
        rig.agent.leave("now")
        await until(rig.task.done, 120.0)
        assert "interrupted" in controller.states()
        assert machine.calls[-3:] == ["stop", "make_safe", "close"]


def test_an_agent_with_a_flapping_machine_can_be_ended_at_any_moment() -> None:
    @under_virtual_clock()
    async def live(moment: int) -> None:
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            await online(rig, assigned())
            machine.unplug()
            for _ in range(moment):
                await asyncio.sleep(0)
            rig.task.cancel()
            await asyncio.wait([rig.task], timeout=10.0)
            assert rig.task.done()

    for moment in range(25):
        live(moment)


def test_back_off_doubles_up_to_half_a_minute_with_jitter() -> None:
    backoff = BackOff(random.Random(7))
    waits = [backoff.next_s() for _ in range(8)]
    for wait_s, longest_s in zip(waits, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert longest_s / 2 <= wait_s <= longest_s
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_the_heat_policy_counts_standing_still_not_each_kind_of_it() -> None:
    policy = HeatPolicy(600.0)
    policy.state_is(RunState.RUNNING, 0.0)
    assert policy.due_s is None
    policy.state_is(RunState.PAUSED, 10.0)
    policy.state_is(RunState.WAITING, 500.0)
    assert policy.due_s == 610.0
    policy.done()
    policy.state_is(RunState.PAUSED, 700.0)
    assert policy.due_s is None
    policy.state_is(RunState.RUNNING, 800.0)
    policy.state_is(RunState.PAUSED, 900.0)
    assert policy.due_s == 1500.0


def _blocks_the_loop() -> None:
    time.sleep(0.6)  # the point of the test: real code that does not give the loop back


async def test_the_lag_monitor_names_the_culprit(caplog: pytest.LogCaptureFixture) -> None:
    monitor = LagMonitor(SystemClock())
    watching = asyncio.create_task(monitor.run())
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + 10.0
    with caplog.at_level(logging.WARNING):
        while "_blocks_the_loop" not in caplog.text:
            assert loop.time() < deadline_s
            await asyncio.sleep(0.1)
            _blocks_the_loop()
            await asyncio.sleep(0.1)
    assert monitor.worst_s > 0.4
    watching.cancel()


@under_virtual_clock()
async def test_a_new_set_up_reaches_the_driver_without_a_new_link() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(work_offsets_mm={"G54": (1.0, 2.0, 3.0)}))
        controller.say(Assign(machines=(assigned(work_offsets_mm={"G54": (4.0, 5.0, 6.0)}),)))
        await until(lambda: machine.work_offsets[-1] == {"G54": (4.0, 5.0, 6.0)})
        assert machine.work_offsets[0] == {"G54": (1.0, 2.0, 3.0)}
        assert machine.links == 1


@under_virtual_clock()
async def test_a_driver_that_fails_on_a_new_set_up_loses_its_own_link_only() -> None:
    machines = {"m1": FakeMachine(), "m2": FakeMachine()}
    machines["m1"].raises["set_work_offsets"] = ValueError("a bug")
    async with running(machines) as rig:
        controller = await online(rig, assigned("m1"), assigned("m2"))
        new = {"G54": (4.0, 5.0, 6.0)}
        controller.say(Assign(machines=(assigned("m1", work_offsets_mm=new), assigned("m2", work_offsets_mm=new))))
        await until(lambda: machines["m1"].links == 2 and machines["m1"].work_offsets[-1] == new)
        assert machines["m2"].work_offsets[-1] == new
        assert machines["m2"].links == 1
