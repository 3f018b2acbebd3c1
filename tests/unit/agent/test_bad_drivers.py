"""A driver that raises, floods or blocks: its own machine suffers, the others notice nothing, it is named (I9)."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from fleetctl.agent.ears import CHANGES_MOST, EVENTS_MOST, REASON_MOST
from fleetctl.agent.lag import BEAT_S, Blocked, LagMonitor
from fleetctl.agent.owners import Owners
from fleetctl.clock import SystemClock
from fleetctl.driver.api import Progress, Telemetry
from fleetctl.model.machine import Activity
from fleetctl.model.messages import BlockedReport, MachineReport, RunReport
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.port_loop import port_loop
from tests.unit.agent.rig import FakeController, FakeMachine, Rig, assigned, online, running, start, until
from tests.unit.transport.test_port_loop import End


async def two_at_work(rig: Rig) -> FakeController:
    """Both machines run."""
    controller = await online(rig, assigned("bad"), assigned("good"))
    for name in ("bad", "good"):
        controller.say(start(rig.clock, f"run-{name}", name))
    await until(lambda: all("running" in controller.states(f"run-{name}") for name in ("bad", "good")))
    return controller


async def good_goes_on(rig: Rig, controller: FakeController, good: FakeMachine) -> None:
    """The other machine's run goes on as if nothing had been."""
    good.acknowledge(7)
    await asyncio.sleep(1.0)
    assert controller.states("run-good")[-1] == "running" and good.links == 1
    hand = rig.agent.supervisor.sessions["id-good"].hand
    assert hand is not None and hand.progress.acknowledged_line == 7


@under_virtual_clock()
async def test_a_flood_of_changes_ends_the_link_of_its_own_machine() -> None:
    machines = {"bad": FakeMachine(), "good": FakeMachine()}
    async with running(machines) as rig:
        controller = await two_at_work(rig)
        listener = machines["bad"].listener
        for _ in range(5000):
            listener.activity(Activity.PAUSED, "flap", False)
            listener.activity(Activity.RUNNING, "", False)
        assert len(rig.agent.journal.state.content.reports) < 2 * CHANGES_MOST + 10, "what is kept is bounded"
        await until(lambda: controller.states("run-bad")[-1:] == ["interrupted"])
        told = [r for r in controller.of(RunReport) if r.run_id == "run-bad"][-1]
        assert f"told {CHANGES_MOST + 1} changes of state" in told.reason and "given up" in told.reason
        await good_goes_on(rig, controller, machines["good"])


@under_virtual_clock()
async def test_a_flood_of_readings_keeps_nothing_and_ends_in_the_same_way() -> None:
    machines = {"bad": FakeMachine(), "good": FakeMachine()}
    async with running(machines) as rig:
        controller = await two_at_work(rig)
        listener = machines["bad"].listener
        for number in range(EVENTS_MOST + 10):
            listener.telemetry(Telemetry(spindle_rpm=float(number)))
        await until(lambda: controller.states("run-bad")[-1:] == ["interrupted"])
        await good_goes_on(rig, controller, machines["good"])


@under_virtual_clock()
async def test_a_machine_that_changes_often_over_a_long_time_is_no_flood() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        for _ in range(3 * CHANGES_MOST):
            machine.listener.activity(Activity.RUNNING, "", False)
            machine.listener.activity(Activity.IDLE, "", False)
            await asyncio.sleep(0.5)
        for line in range(100_000):
            machine.listener.progress(Progress(line, line, 16))
            if line % 1000 == 0:
                await asyncio.sleep(1.0)
        assert machine.links == 1 and controller.last(MachineReport).link == "online"


@under_virtual_clock()
async def test_a_reason_of_any_length_is_cut() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.listener.activity(Activity.FAULT, "x" * 1_000_000, False)
        await until(lambda: controller.last(MachineReport).activity == "fault")
        assert len(controller.last(MachineReport).reason) == REASON_MOST


@pytest.mark.parametrize("verb", ["start", "connect", "close", "pause"])
@under_virtual_clock()
async def test_a_driver_that_raises_anywhere_loses_its_own_link_only(verb: str) -> None:
    machines = {"bad": FakeMachine(), "good": FakeMachine()}
    async with running(machines) as rig:
        controller = await two_at_work(rig)
        machines["bad"].raises[verb] = ZeroDivisionError("a bug")
        machines["bad"].unplug()
        machines["bad"].plugged_in = True
        await asyncio.sleep(60.0)
        await good_goes_on(rig, controller, machines["good"])
        assert controller.states("run-bad")[-1] == "interrupted"


# The watchdog, on the real clock: a thread looks at a loop that really does not go on.


class Blocking:
    """Part of a driver that does not give the loop back."""

    longest_s = 0.0

    def compute(self, for_s: float) -> None:
        """Hold up the loop."""
        began_s = time.monotonic()
        time.sleep(for_s)  # the point of the test
        self.longest_s = max(self.longest_s, time.monotonic() - began_s)


async def blocked_by(call: object, owner: object, told: list[Blocked], *, stuck: list[Blocked] | None = None) -> None:
    """Let `call()` hold up the loop, watched, until the watchdog says something."""
    monitor = LagMonitor(SystemClock(), owner, told.append, (stuck if stuck is not None else []).append)  # type: ignore[arg-type]
    watching = asyncio.create_task(monitor.run())
    deadline_s = time.monotonic() + 20.0
    while not told and time.monotonic() < deadline_s:
        await asyncio.sleep(0.1)
        asyncio.get_running_loop().call_soon(call)  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
    watching.cancel()


async def test_the_call_that_held_up_the_loop_is_named_with_its_machine() -> None:
    bad = Blocking()
    told: list[Blocked] = []
    await blocked_by(lambda: bad.compute(0.6), lambda thing: "id-bad" if thing is bad else "", told)
    assert told[0].machine_id == "id-bad" and told[0].late_s > 0.4
    assert told[0].where.endswith(" compute") and "test_bad_drivers.py" in told[0].where


def test_a_call_from_a_port_that_was_served_inside_the_wait_is_named_too() -> None:
    """No handle of the loop runs it (`fleetctl.transport.port_loop`)."""

    async def scene() -> None:
        bad = Blocking()
        told: list[Blocked] = []
        end = End(lambda mine, data: bad.compute(0.6))
        await blocked_by(lambda: end.say(b"x"), lambda thing: "id-bad" if thing is bad else "", told)
        end.close()
        assert told[0].machine_id == "id-bad" and told[0].where.endswith(" compute")

    with asyncio.Runner(loop_factory=port_loop) as runner:
        runner.run(scene())


async def test_what_belongs_to_no_machine_blames_none() -> None:
    told: list[Blocked] = []
    await blocked_by(lambda: time.sleep(0.6), lambda _: "", told)
    assert told[0].machine_id == ""


async def test_many_short_calls_blame_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A busy computer is late without any single call being to blame."""
    for _ in range(5):
        bad = Blocking()
        told: list[Blocked] = []
        monitor = LagMonitor(SystemClock(), lambda thing, bad=bad: "id-bad" if thing is bad else "", told.append)
        watching = asyncio.create_task(monitor.run())
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            await asyncio.sleep(0.1)
            for _ in range(60):
                asyncio.get_running_loop().call_soon(bad.compute, 0.01)
            await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)
        watching.cancel()
        if bad.longest_s < BEAT_S:
            break  # else the computer made one call a long one, and naming it is right
    assert bad.longest_s < BEAT_S, "this computer has no time for the test"
    assert told == [] and "no single call" in caplog.text


async def test_a_loop_that_stays_stuck_is_told_of_while_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetctl.agent.lag.STUCK_S", 0.5)
    bad = Blocking()
    told: list[Blocked] = []
    stuck: list[tuple[Blocked, int]] = []
    monitor = LagMonitor(
        SystemClock(), lambda thing: "id-bad" if thing is bad else "", told.append,
        lambda blocked: stuck.append((blocked, len(told))),
    )  # fmt: skip
    watching = asyncio.create_task(monitor.run())
    await asyncio.sleep(0.1)
    bad.compute(1.5)
    await asyncio.sleep(0.2)
    watching.cancel()
    assert stuck and stuck[0][1] == 0, "it was told before the loop went on"
    assert stuck[0][0].machine_id == "id-bad" and stuck[0][0].late_s >= 0.5


@under_virtual_clock()
async def test_an_object_is_its_machines_and_a_shared_one_is_nobodys() -> None:
    machines = {"bad": FakeMachine(), "good": FakeMachine()}
    async with running(machines) as rig:
        await online(rig, assigned("bad"), assigned("good"))
        sessions = rig.agent.supervisor.sessions
        owners = Owners(lambda: sessions)
        assert owners(sessions["id-bad"]) == owners(sessions["id-bad"].driver) == owners(machines["bad"]) == "id-bad"
        shared = object()
        for machine in machines.values():
            machine.shared = shared  # type: ignore[attr-defined]
        assert owners(shared) == owners(rig.agent) == ""


@under_virtual_clock()
async def test_the_controller_hears_who_held_up_the_agent() -> None:
    async with running({"bad": FakeMachine()}) as rig:
        controller = await online(rig, assigned("bad"))
        rig.agent.blocked(Blocked(machine_id="id-bad", late_s=0.7, where="driver.py:12 compute"))
        rig.agent.blocked(Blocked(machine_id="", late_s=0.7, where="elsewhere"))
        rig.agent.blocked(Blocked(machine_id="id-bad", late_s=0.8, where="again at once: named no more"))
        await until(lambda: controller.of(BlockedReport))
        told = controller.of(BlockedReport)
        assert [(each.machine_id, each.driver, each.late_s) for each in told] == [("id-bad", "fake", 0.7)]
        assert rig.agent.supervisor.sessions["id-bad"].stop_rank == 2
