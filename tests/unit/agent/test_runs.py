"""Starts, ends and the order of reports."""

from __future__ import annotations

import asyncio

import pytest

from fleetctl.driver.api import EndKind, Progress
from fleetctl.errors import MachineBusy, MachineError, ProgramChanged
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import Answer, MachineReport, RunReport, Stop, Withdraw
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import MILL, FakeMachine, assigned, at_work, online, running, start, until, verb


@under_virtual_clock()
async def test_a_run_is_reported_step_by_step() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.acknowledge(7)
        machine.end(EndKind.FINISHED)
        await until(lambda: "finished" in controller.states())
        assert controller.states() == ["preparing", "running", "finished"]
        assert machine.received == b"G28\nG1 X10\n"
        assert controller.last(RunReport).acknowledged_line == 7
        assert [r.started for r in controller.of(RunReport)] == [False, True, True]
        assert rig.programs.opened[0].closed
        await until(lambda: not rig.agent.journal.state.content.reports)


@under_virtual_clock()
async def test_a_start_that_comes_twice_begins_once() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        for command_id in ("one", "one", "two"):
            controller.say(start(rig.clock, command_id=command_id))
        await until(lambda: "running" in controller.states())
        controller.say(start(rig.clock, command_id="three"))
        machine.end(EndKind.FINISHED)
        await until(lambda: "finished" in controller.states())
        controller.say(start(rig.clock, command_id="four"))
        await until(lambda: controller.states().count("finished") == 2)
        assert machine.starts == 1


@under_virtual_clock()
async def test_a_start_is_refused_with_the_reason() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(start(rig.clock, "late", within_s=-1.0))
        controller.say(start(rig.clock, "nowhere", name="m9"))
        controller.say(start(rig.clock, "gone", program_sha256="b" * 64))
        await until(lambda: len(controller.of(RunReport)) == 4)
        machine.listener.activity(Activity.FAULT, "alarm:1", False)
        controller.say(start(rig.clock, "faulty"))
        await until(lambda: "refused" in controller.states("faulty"))
        machine.listener.activity(Activity.IDLE, "", True)
        controller.say(start(rig.clock, "suspect"))
        await until(lambda: "refused" in controller.states("suspect"))
        machine.unplug()
        controller.say(start(rig.clock, "offline"))
        await until(lambda: "refused" in controller.states("offline"))
        reasons = {r.run_id: r.reason for r in controller.of(RunReport) if r.state == "refused"}
        assert "too late" in reasons["late"]
        assert "does not hold" in reasons["nowhere"]
        assert "not here" in reasons["gone"]
        assert "alarm:1" in reasons["faulty"]
        assert "home it" in reasons["suspect"]
        assert "offline" in reasons["offline"]
        assert machine.starts == 0
        assert not any(r.started for r in controller.of(RunReport))


@under_virtual_clock()
async def test_a_second_run_is_refused_while_one_is_in_hand() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(start(rig.clock))
        controller.say(start(rig.clock, "run-2"))
        await until(lambda: controller.states("run-2"))
        assert controller.states("run-2") == ["refused"]
        assert "run-1 is in hand" in next(r for r in controller.of(RunReport) if r.run_id == "run-2").reason


@under_virtual_clock()
async def test_what_the_driver_refuses_has_not_begun() -> None:
    machine = FakeMachine()
    machine.raises["start"] = MachineBusy("printing from its card")
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(start(rig.clock))
        await until(lambda: "refused" in controller.states())
        assert not controller.last(RunReport).started
        assert "card" in controller.last(RunReport).reason
        assert "make_safe" not in machine.calls


@under_virtual_clock()
async def test_a_withdrawn_run_never_begins() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(Withdraw(command_id="w", run_id="run-1", machine_id="id-m1"))
        controller.say(start(rig.clock))
        await until(lambda: len(controller.states()) == 1)
        await asyncio.sleep(5.0)
        assert set(controller.states()) == {"cancelled"}
        assert machine.starts == 0


@under_virtual_clock()
async def test_a_run_withdrawn_while_preparing_never_begins() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        rig.programs.slow_s = 3.0
        controller = await online(rig, assigned())
        controller.say(start(rig.clock))
        await until(lambda: controller.states() == ["preparing"])
        controller.say(Withdraw(command_id="w", run_id="run-1", machine_id="id-m1"))
        await until(lambda: controller.states() == ["preparing", "cancelled"])
        await asyncio.sleep(10.0)
        assert machine.starts == 0
        assert not controller.last(RunReport).started
        assert rig.programs.opened[0].closed


@under_virtual_clock()
async def test_a_run_withdrawn_while_running_is_cancelled() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        for _ in range(2):
            controller.say(Withdraw(command_id="w", run_id="run-1", machine_id="id-m1"))
        await until(lambda: "cancelled" in controller.states())
        assert controller.last(RunReport).started
        assert machine.calls.count("cancel") == 1


@under_virtual_clock()
async def test_a_mill_waits_for_cycle_start() -> None:
    """I14."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock, within_s=30.0))
        await until(lambda: controller.states() == ["preparing", "waiting"])
        await until(lambda: controller.last(MachineReport).activity is Activity.WAITING)
        await asyncio.sleep(3600.0)
        assert machine.starts == 0
        assert "make_safe" not in machine.calls
        assert controller.last(RunReport).reason == "press cycle start"
        controller.say(verb(rig.clock, "cycle-start", run_id="another"))
        await until(lambda: controller.of(Answer))
        assert controller.last(Answer).error and machine.starts == 0
        controller.say(verb(rig.clock, "cycle-start", "again", run_id="run-1"))
        await until(lambda: "running" in controller.states())
        assert machine.starts == 1
        assert controller.last(Answer).error == ""
        machine.end(EndKind.FINISHED)
        await until(lambda: "finished" in controller.states())
        assert controller.states() == ["preparing", "waiting", "running", "finished"]


@under_virtual_clock()
async def test_an_unattended_mill_does_not_wait() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL, unattended=True))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        assert "waiting" not in controller.states()


@under_virtual_clock()
async def test_heat_goes_off_when_a_run_stands_still_too_long() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        controller.say(verb(rig.clock, "pause"))
        await until(lambda: "paused" in controller.states())
        machine.listener.activity(Activity.WAITING, "filament change", False)
        await asyncio.sleep(590.0)
        assert "make_safe" not in machine.calls
        await asyncio.sleep(20.0)
        assert machine.calls.count("make_safe") == 1
        await until(lambda: "off" in controller.last(RunReport).reason)
        await asyncio.sleep(2000.0)
        assert machine.calls.count("make_safe") == 1
        controller.say(verb(rig.clock, "resume"))
        await until(lambda: controller.states()[-1] == "running")
        controller.say(verb(rig.clock, "pause", "pause again"))
        await asyncio.sleep(700.0)
        assert machine.calls.count("make_safe") == 2


@under_virtual_clock()
async def test_what_fails_is_made_safe() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.listener.activity(Activity.FAULT, "thermal runaway", True)
        machine.end(EndKind.FAILED, "thermal runaway")
        await until(lambda: "make_safe" in machine.calls)
        await until(lambda: "failed" in controller.states())
        assert controller.last(MachineReport).position is Position.SUSPECT


@under_virtual_clock()
async def test_a_lost_link_interrupts_the_run_at_once_and_nothing_resumes() -> None:
    """I12."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.acknowledge(120)
        machine.unplug()
        content = rig.agent.journal.state.content
        assert content.runs["run-1"].state == "interrupted"  # in the same turn of the loop
        await until(lambda: "interrupted" in controller.states())
        report = controller.last(RunReport)
        assert (report.acknowledged_line, report.started) == (120, True)
        order = [type(m).__name__ for m in controller.received if isinstance(m, MachineReport | RunReport)]
        suspect = [r.sequence for r in controller.of(MachineReport) if r.position is Position.SUSPECT]
        assert suspect[0] < report.sequence, order
        machine.plugged_in = True
        await until(lambda: controller.last(MachineReport).link is Link.ONLINE)
        assert machine.calls.count("make_safe") == 1
        assert machine.calls.index("make_safe") > machine.calls.index("connect", 1)
        await asyncio.sleep(120.0)
        assert machine.starts == 1
        assert controller.last(MachineReport).position is Position.SUSPECT
        controller.say(verb(rig.clock, "home"))
        await until(lambda: controller.last(MachineReport).position is Position.KNOWN)


@under_virtual_clock()
async def test_a_link_lost_at_the_gate_leaves_a_run_that_never_began() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        machine.unplug()
        await until(lambda: "interrupted" in controller.states())
        assert not controller.last(RunReport).started
        assert controller.last(MachineReport).position is Position.KNOWN


@under_virtual_clock()
async def test_a_driver_that_forgets_to_end_its_run_loses_its_link() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        machine.listener.activity(Activity.FAULT, "kill", True)
        await asyncio.sleep(29.0)
        assert controller.states()[-1] == "running"
        await until(lambda: controller.states()[-1] == "interrupted", 5.0)
        assert "did not end" in controller.last(RunReport).reason


@under_virtual_clock()
async def test_a_program_that_changes_while_it_is_read_fails_the_run() -> None:
    """I4."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        rig.programs.opened[0].failure = ProgramChanged("the file changed")
        machine.end(EndKind.FINISHED)
        await until(lambda: "failed" in controller.states())
        assert "the file changed" in controller.last(RunReport).reason


@under_virtual_clock()
async def test_a_driver_that_raises_loses_only_its_own_session() -> None:
    bad, good = FakeMachine(), FakeMachine()
    async with running({"m1": bad, "m2": good}) as rig:
        controller = await online(rig, assigned("m1"), assigned("m2"))
        controller.say(start(rig.clock, "good", name="m2"))
        await until(lambda: "running" in controller.states("good"))
        bad.raises["start"] = ZeroDivisionError("a bug")
        controller.say(start(rig.clock, "bad", name="m1"))
        await until(lambda: "interrupted" in controller.states("bad"))
        assert "a bug" in [r for r in controller.of(RunReport) if r.run_id == "bad"][-1].reason
        bad.raises["make_safe"] = KeyError("another bug")
        await until(lambda: bad.calls.count("make_safe") > 2, 600.0)
        bad.raises.clear()
        await until(lambda: rig.agent.supervisor.sessions["id-m1"].facts.link is Link.ONLINE, 600.0)
        good.end(EndKind.FINISHED)
        await until(lambda: "finished" in controller.states("good"))
        assert good.links == 1


@under_virtual_clock()
async def test_verbs_are_refused_by_name() -> None:
    machine = FakeMachine()
    machine.raises["home"] = MachineError("no homing switches")
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        wanted = {
            "pause": "No run",
            "cancel": "No run",
            "cycle-start": "No run",
            "dance": "no verb",
            "home": "no homing switches",
        }
        for what in wanted:
            controller.say(verb(rig.clock, what))
        controller.say(verb(rig.clock, "home", "late", not_after_s=1.0))
        controller.say(verb(rig.clock, "home", "nowhere", name="m9"))
        controller.say(verb(rig.clock, "command", text="M115"))
        await until(lambda: len(controller.of(Answer)) == len(wanted) + 3)
        answers = {answer.command_id: answer for answer in controller.of(Answer)}
        for what, word in wanted.items():
            assert word in answers[f"verb {what}"].error
        assert "too late" in answers["late"].error
        assert "does not hold" in answers["nowhere"].error
        assert answers["verb command"].lines == ("echo M115",)


@under_virtual_clock()
async def test_a_verb_that_comes_twice_is_done_once_and_answered_twice() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(verb(rig.clock, "home"))
        controller.say(verb(rig.clock, "home"))
        await until(lambda: controller.of(Answer))
        controller.say(verb(rig.clock, "home"))
        await until(lambda: len(controller.of(Answer)) == 2)
        assert machine.calls.count("home") == 1


@under_virtual_clock()
async def test_a_verb_is_answered_when_the_link_is_lost() -> None:
    machine = FakeMachine()
    machine.hangs.add("home")
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(verb(rig.clock, "home"))
        await until(lambda: "home" in machine.calls)
        machine.unplug()
        await until(lambda: controller.of(Answer))
        assert "lost" in controller.last(Answer).error


@under_virtual_clock()
async def test_with_a_failing_disk_nothing_begins_but_what_runs_goes_on_and_can_be_ended() -> None:
    """I5."""
    machine, other = FakeMachine(), FakeMachine()
    async with running({"m1": machine, "m2": other}) as rig:
        controller = await online(rig, assigned("m1"), assigned("m2"))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        rig.file.error = OSError(28, "No space left on device")
        machine.acknowledge(5)
        controller.say(start(rig.clock, "run-2", "m2"))
        await until(lambda: controller.states("run-2")[-1:] == ["refused"])
        assert "No space" in controller.last(RunReport).reason
        assert other.starts == 0
        controller.say(verb(rig.clock, "home", name="m2"))
        await until(lambda: controller.of(Answer))
        assert "No space" in controller.last(Answer).error
        assert "home" not in other.calls
        assert controller.states()[-1] == "running"
        controller.say(verb(rig.clock, "cancel"))
        await until(lambda: controller.states()[-1] == "cancelled")
        rig.file.error = None
        await asyncio.sleep(3.0)
        controller.say(start(rig.clock, "run-3", "m2"))
        await until(lambda: "running" in controller.states("run-3"))


@under_virtual_clock()
async def test_a_driver_that_was_given_up_is_not_heard() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        given_up = machine.listener
        machine.unplug()
        machine.plugged_in = True
        await until(lambda: machine.links == 2)
        await until(lambda: controller.last(MachineReport).link is Link.ONLINE)
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        given_up.progress(Progress(99, 99, 0))
        given_up.activity(Activity.FAULT, "an old fault", True)
        given_up.ended(EndKind.FINISHED, "", Progress(99, 99, 0))
        given_up.lost("an old loss")
        await asyncio.sleep(100.0)
        assert controller.states()[-1] == "running"
        assert machine.links == 2
        assert controller.last(MachineReport).position is Position.KNOWN


@pytest.mark.parametrize("what", ["stop", "cancel"])
@under_virtual_clock()
async def test_what_a_person_does_while_the_driver_still_looks_at_the_machine_is_no_refusal(what: str) -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.looking = asyncio.get_running_loop().create_future()
        controller.say(start(rig.clock))
        await until(lambda: machine.starts == 1)
        if what == "stop":
            controller.say(Stop(command_id="stop-1", machine_id="id-m1"))
            await until(lambda: "stop" in machine.calls)
        else:
            controller.say(Withdraw(command_id="w", run_id="run-1", machine_id="id-m1"))
            await asyncio.sleep(0.1)
        machine.looking.set_exception(MachineError("It did not begin."))
        await until(lambda: {"cancelled", "refused"} & set(controller.states()))
        report = controller.last(RunReport)
        assert (report.state, report.started) == ("cancelled", False)
        assert machine.received == b""
