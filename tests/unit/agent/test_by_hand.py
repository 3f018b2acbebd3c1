"""What a person does by hand at one machine, as the agent allows or refuses it; and heat that ends by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fleetctl.driver.api import EndKind, Telemetry
from fleetctl.errors import MachineError
from fleetctl.model.deeds import BY_HAND, Deed, Heat, JogStep, Override, Probe, SetWorkOffset, WorkOffsets
from fleetctl.model.machine import Activity, Position
from fleetctl.model.messages import Answer, Jog, JogReport, MachineReport, Stop, StopReport
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import (
    MILL,
    PRINTER,
    FakeController,
    FakeMachine,
    Rig,
    assigned,
    at_work,
    online,
    running,
    start,
    until,
    verb,
)

STEP = JogStep(distance_mm={"X": 1.0}, feed_mm_s=5.0)


def jog(rig: Rig, within_s: float = 0.15, **velocity: float) -> Jog:
    """One heartbeat."""
    return Jog(machine_id="id-m1", velocity_mm_s=velocity, not_after_s=rig.clock.wall().timestamp() + within_s)


async def asked(rig: Rig, controller: FakeController, what: str, deed: Deed | None, command_id: str = "") -> Answer:
    """The answer to one deed."""
    before = len(controller.of(Answer))
    controller.say(verb(rig.clock, what, command_id or f"{what} {before}", deed=deed))
    await until(lambda: len(controller.of(Answer)) > before)
    return controller.last(Answer)


async def refused(controller: FakeController, reason: str) -> None:
    """The newest word on a jog."""
    await until(lambda: controller.of(JogReport) and reason in controller.last(JogReport).refused)


# Jogging


@under_virtual_clock()
async def test_a_heartbeat_reaches_the_driver_at_once_and_leaves_no_trace_in_the_journal() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        await asyncio.sleep(0.1)
        commands = dict(rig.agent.journal.state.content.commands)
        rig.agent.commands.take(jog(rig, X=10.0))  # no turn of the loop in between
        assert machine.jogs == [({"X": 10.0}, pytest.approx(0.15), PRINTER.envelope)]
        rig.agent.commands.take(jog(rig))
        assert machine.jogs[-1][0] == {}
        assert rig.agent.journal.state.content.commands == commands
        assert controller.of(Answer) == []


@under_virtual_clock()
async def test_a_heartbeat_that_lay_somewhere_counts_for_less_and_then_for_nothing_but_a_stop_always_does() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await online(rig, assigned())
        for within_s in (0.05, 10.0, -0.01):
            rig.agent.commands.take(jog(rig, within_s, X=10.0))
        assert [valid_s for _, valid_s, _ in machine.jogs] == [pytest.approx(0.05), pytest.approx(0.15)]
        rig.agent.commands.take(jog(rig, -5.0))
        assert machine.jogs[-1][0] == {}


@under_virtual_clock()
async def test_while_somebody_jogs_and_a_moment_after_no_run_starts() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(jog(rig, X=1.0))
        await until(lambda: machine.jogs)
        await until(lambda: controller.last(MachineReport).reason == "moved by hand")
        assert controller.last(MachineReport).activity is Activity.RUNNING
        controller.say(start(rig.clock))
        await until(lambda: controller.states() == ["refused"])
        await until(lambda: controller.last(MachineReport).activity is Activity.IDLE, within_s=5.0)
        controller.say(start(rig.clock, "run-2"))
        await until(lambda: "running" in controller.states("run-2"))
        count = len(machine.jogs)
        controller.say(jog(rig, X=1.0))
        await refused(controller, "A run is on it")
        controller.say(jog(rig))
        await until(lambda: controller.last(JogReport).refused == "")
        assert len(machine.jogs) == count


@pytest.mark.parametrize("how", ["held", "step", "probe"])
@under_virtual_clock()
async def test_what_is_refused_is_told_with_its_reason_and_nobody_is_said_to_move_the_machine(how: str) -> None:
    machine = FakeMachine()
    why = MachineError("error:15 (Jog target exceeds machine travel)")
    step = f"step {STEP.distance_mm} {STEP.feed_mm_s:g} bounded"
    machine.raises = {"jog": why, step: why, "probe Z -1 10 1": why}
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        told = len(controller.of(MachineReport))
        if how == "held":
            controller.say(jog(rig, X=1.0))
            await refused(controller, "error:15")
        elif how == "step":
            assert "error:15" in (await asked(rig, controller, "jog-step", STEP)).error
        else:
            deed = Probe(axis="Z", distance_mm=10.0, feed_mm_s=1.0)
            assert "error:15" in (await asked(rig, controller, "probe", deed)).error
        await asyncio.sleep(5.0)
        assert not [each for each in controller.of(MachineReport)[told:] if each.reason == BY_HAND]
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())


@under_virtual_clock()
async def test_nothing_is_probed_while_the_spindle_turns_and_an_offset_is_set_from_a_place() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        deed = Probe(axis="Z", distance_mm=10.0, feed_mm_s=1.0)
        machine.listener.telemetry(Telemetry(spindle_rpm=8000.0))
        assert "spindle turns" in (await asked(rig, controller, "probe", deed)).error
        machine.listener.telemetry(Telemetry(spindle_rpm=0.0))
        assert (await asked(rig, controller, "probe", deed)).error == ""
        both = SetWorkOffset(frame="G54", axes_mm={"Z": 0.0}, origin_mm={"Z": -3.0})
        assert "not both" in (await asked(rig, controller, "set-work-offset", both)).error
        zero = SetWorkOffset(frame="G54", origin_mm={"Z": -3.0})
        assert (await asked(rig, controller, "set-work-offset", zero)).error == ""
        assert machine.calls[-1] == "set_offset_origin G54 {'Z': -3.0}"


@under_virtual_clock()
async def test_a_jog_that_moved_before_it_was_refused_keeps_runs_off_for_a_moment() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(jog(rig, X=1.0))
        await until(lambda: machine.jogs)
        machine.listener.activity(Activity.RUNNING, "moving", False)
        await until(lambda: controller.last(MachineReport).reason == BY_HAND, within_s=0.2)
        machine.raises = {"jog": MachineError("error:15")}
        machine.listener.activity(Activity.IDLE, "", False)
        controller.say(jog(rig, X=1.0))
        await refused(controller, "error:15")
        controller.say(start(rig.clock))
        await until(lambda: controller.states() == ["refused"])


@under_virtual_clock()
async def test_after_a_long_step_too_no_run_starts_for_a_moment() -> None:
    """The step was asked for half a minute ago; the hands are there when it ends."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        await asked(rig, controller, "jog-step", STEP)
        machine.listener.activity(Activity.RUNNING, "jogged", False)
        await asyncio.sleep(20.0)
        machine.listener.activity(Activity.IDLE, "", False)
        controller.say(start(rig.clock))
        await until(lambda: controller.states() == ["refused"])
        await until(lambda: controller.last(MachineReport).activity is Activity.IDLE, within_s=5.0)
        controller.say(start(rig.clock, "run-2"))
        await until(lambda: "running" in controller.states("run-2"))


@under_virtual_clock()
async def test_a_controller_that_greets_anew_is_told_why_nothing_moves() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.listener.activity(Activity.FAULT, "alarm", False)
        controller.say(jog(rig, X=1.0))
        await refused(controller, "fault")
        after = await online(rig, assigned())
        after.say(jog(rig, X=1.0))
        await refused(after, "fault")


@under_virtual_clock()
async def test_i15_a_stop_refuses_jogs_steps_heat_and_probes_until_it_is_released() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(jog(rig, X=1.0))
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: controller.of(StopReport))
        controller.say(jog(rig, X=1.0))
        await refused(controller, "stopped")
        for what, deed in (
            ("jog-step", STEP),
            ("heat", Heat(heater="T0", target_degc=200.0)),
            ("probe", Probe(axis="Z", distance_mm=1.0, feed_mm_s=1.0)),
            ("override", Override(what="feed", percent=200.0)),
        ):
            assert "stopped" in (await asked(rig, controller, what, deed)).error
        assert len(machine.jogs) == 1
        assert not any(call.startswith(("step", "heat", "probe", "override")) for call in machine.calls)


@under_virtual_clock()
async def test_a_fault_an_unplugged_cable_and_an_unknown_machine_refuse_a_jog() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.listener.activity(Activity.FAULT, "alarm", False)
        controller.say(jog(rig, X=1.0))
        await refused(controller, "fault")
        assert "fault" in (await asked(rig, controller, "jog-step", STEP)).error
        machine.unplug()
        await asyncio.sleep(0.1)
        controller.say(jog(rig, X=1.0))
        await refused(controller, "offline")
        controller.say(Jog(machine_id="id-other", velocity_mm_s={"X": 1.0}, not_after_s=1e12))
        await refused(controller, "does not hold")
        assert machine.jogs == []


@under_virtual_clock()
async def test_without_a_known_position_the_driver_is_given_no_bounds() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(position=Position.SUSPECT))
        controller.say(jog(rig, X=1.0))
        await until(lambda: machine.jogs)
        assert machine.jogs[0][2] is None
        assert (await asked(rig, controller, "jog-step", STEP)).error == ""
        assert machine.calls[-1] == "step {'X': 1.0} 5 blind"


@under_virtual_clock()
async def test_a_driver_that_raises_ends_its_link_and_no_more() -> None:
    machine, other = FakeMachine(), FakeMachine()
    async with running({"m1": machine, "m2": other}) as rig:
        controller = await online(rig, assigned(), assigned("m2"))
        machine.raises["jog"] = ZeroDivisionError("a bug")
        controller.say(jog(rig, X=1.0))
        await refused(controller, "driver failed")
        await until(lambda: machine.links == 2)
        assert other.links == 1
        machine.raises["jog"] = MachineError("Grbl has no axis E.")
        controller.say(jog(rig, E=1.0))
        await refused(controller, "no axis E")


# Deeds


@under_virtual_clock()
async def test_deeds_are_done_and_their_values_come_back() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        assert (await asked(rig, controller, "work-offsets", WorkOffsets())).values == {"G54": (1.0, 2.0, 3.0)}
        set_it = SetWorkOffset(frame="G55", axes_mm={"X": 0.0})
        assert (await asked(rig, controller, "set-work-offset", set_it)).values == {"G55": (1.0, 2.0, 3.0)}
        found = await asked(rig, controller, "probe", Probe(axis="Z", distance_mm=10.0, feed_mm_s=1.0))
        assert found.values == {"Z": (-12.5,)}
        assert machine.calls[-3:] == ["work_offsets", "set_work_offset G55 {'X': 0.0}", "probe Z -1 10 1"]
        assert "came without" in (await asked(rig, controller, "probe", None)).error
        assert "came without" in (await asked(rig, controller, "heat", STEP)).error


@under_virtual_clock()
async def test_an_override_is_allowed_in_a_run_and_nothing_else_by_hand_is() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        assert (await asked(rig, controller, "override", Override(what="feed", percent=80.0))).error == ""
        assert machine.calls[-1] == "override feed 80"
        deeds: list[tuple[str, Any]] = [
            ("jog-step", STEP),
            ("heat", Heat(heater="T0", target_degc=0.0)),
            ("work-offsets", WorkOffsets()),
            ("set-work-offset", SetWorkOffset(frame="G54", axes_mm={"X": 0.0})),
            ("probe", Probe(axis="Z", distance_mm=1.0, feed_mm_s=1.0)),
        ]
        for what, deed in deeds:
            assert "A run is on it" in (await asked(rig, controller, what, deed)).error
        assert machine.calls[-1] == "override feed 80"


@pytest.mark.parametrize(
    ("heater", "target", "word"),
    [
        ("T0", 261.0, "260 degC at most"),
        ("B", 111.0, "110 degC at most"),
        ("C", 40.0, "does not say"),
        ("T1", 200.0, "no heater"),
        ("T\u00b2", 0.0, "no heater"),
        ("T\u0660", 200.0, "no heater"),
        ("T" + 5000 * "0", 200.0, "no heater"),
        ("Q", 20.0, "no heater"),
        ("T0", -1.0, "no temperature"),
        ("T0", float("nan"), "no temperature"),
    ],
)
def test_heat_is_bounded_by_the_profile(heater: str, target: float, word: str) -> None:
    @under_virtual_clock()
    async def heat() -> None:
        machine = FakeMachine()
        async with running({"m1": machine}) as rig:
            controller = await online(rig, assigned())
            wanted = Heat(heater=heater, target_degc=target)
            assert word in (await asked(rig, controller, "heat", wanted)).error
            assert not any(call.startswith("heat") for call in machine.calls)
            assert machine.links == 1, "a wish that makes no sense costs no link"

    heat()


# Heat that ends by itself


def read(machine: FakeMachine, target: float, rpm: float = 0.0) -> None:
    """The firmware reports."""
    machine.listener.telemetry(Telemetry(temperatures_degc={"T0": (50.0, target)}, spindle_rpm=rpm))


SOON = msgspec.structs.replace(PRINTER, heat_off_after_idle_s=100.0)


@under_virtual_clock()
async def test_heat_by_hand_goes_off_after_the_profiles_time_without_a_run() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=SOON))
        await asked(rig, controller, "heat", Heat(heater="T0", target_degc=200.0))
        read(machine, 200.0)
        await asyncio.sleep(60.0)
        read(machine, 200.0)
        await asked(rig, controller, "heat", Heat(heater="T0", target_degc=210.0))  # begins anew
        read(machine, 210.0)
        await asyncio.sleep(95.0)
        assert "make_safe" not in machine.calls
        await asyncio.sleep(10.0)
        assert machine.calls.count("make_safe") == 1
        read(machine, 0.0)
        await asyncio.sleep(500.0)
        assert machine.calls.count("make_safe") == 1


@under_virtual_clock()
async def test_a_run_takes_the_heat_over_and_what_cannot_be_switched_off_is_tried_again() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=SOON))
        read(machine, 200.0)
        await asyncio.sleep(90.0)
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        for _ in range(10):
            read(machine, 200.0)
            await asyncio.sleep(30.0)
        assert "make_safe" not in machine.calls
        read(machine, 0.0)
        machine.end(EndKind.FINISHED)
        await asyncio.sleep(30.0)
        machine.raises["make_safe"] = MachineError("not now")
        read(machine, 200.0)
        await asyncio.sleep(110.0)
        assert machine.calls.count("make_safe") == 1
        del machine.raises["make_safe"]
        await asyncio.sleep(65.0)
        assert machine.calls.count("make_safe") == 2


@under_virtual_clock()
async def test_a_spindle_that_a_person_left_on_goes_off_too() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        await online(rig, assigned(profile=msgspec.structs.replace(MILL, heat_off_after_idle_s=100.0)))
        read(machine, 0.0, rpm=5000.0)
        await asyncio.sleep(105.0)
        assert machine.calls.count("make_safe") == 1
