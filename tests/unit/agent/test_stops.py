"""Stops of everything and of one machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleetctl.errors import LinkError
from fleetctl.model.messages import Answer, MachineReport, Release, RunReport, Stop, StopReport, Welcome, encode
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.floor import SUBJECTS, Pretend, floor
from tests.unit.agent.rig import (
    MILL,
    FakeDriver,
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


def _outcomes(report: StopReport) -> dict[str, str]:
    return {outcome.machine_id: outcome.outcome for outcome in report.outcomes}


@under_virtual_clock()
async def test_a_stop_reaches_fifty_links_in_one_turn_of_the_loop() -> None:
    machines = {f"m{n}": FakeMachine() for n in range(50)}
    async with running(machines) as rig:
        controller = await online(rig, *(assigned(name) for name in machines))
        for name in list(machines)[:25]:
            controller.say(start(rig.clock, f"run-{name}", name))
        await until(lambda: all(controller.states(f"run-{name}")[-1:] == ["running"] for name in list(machines)[:25]))
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 0)
        rig.agent.commands.take(Stop(command_id="stop-1"))
        assert all("stop" in machine.calls for machine in machines.values())
        assert not turns, "the loop must not have turned"
        await until(lambda: controller.of(StopReport))
        assert set(_outcomes(controller.last(StopReport)).values()) == {"confirmed"}
        assert len(_outcomes(controller.last(StopReport))) == 50
        await until(lambda: not rig.agent.journal.state.content.reports)
        assert all(controller.states(f"run-{name}")[-1] == "failed" for name in list(machines)[:25])


@under_virtual_clock()
async def test_a_stop_says_what_became_of_every_machine() -> None:
    machines = {name: FakeMachine() for name in ("good", "deaf", "gone", "bug")}
    machines["deaf"].confirms_stop = False
    machines["bug"].raises["stop"] = ZeroDivisionError("a bug")
    async with running(machines) as rig:
        controller = await online(rig, *(assigned(name) for name in machines))
        machines["gone"].unplug()
        before_s = rig.clock.monotonic()
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: controller.of(StopReport))
        assert _outcomes(controller.last(StopReport)) == {
            "id-good": "confirmed",
            "id-deaf": "sent",
            "id-gone": "unreachable",
            "id-bug": "unreachable",
        }
        assert rig.clock.monotonic() - before_s < 2.5
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: len(controller.of(StopReport)) == 2)
        assert machines["good"].calls.count("stop") == 1


@under_virtual_clock()
async def test_a_run_that_goes_on_after_the_stop_loses_its_link() -> None:
    machine = FakeMachine()
    machine.ends_on_stop = False
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: "interrupted" in controller.states(), 3.0)
        assert "did not confirm" in controller.last(RunReport).reason


@under_virtual_clock()
async def test_nothing_starts_or_moves_until_the_stop_is_released() -> None:
    """I15."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(Stop(command_id="stop-1"))
        controller.say(start(rig.clock))
        for what in ("home", "command", "resume", "clear-fault", "make-safe"):
            controller.say(verb(rig.clock, what, text="G1 X10"))
        await until(lambda: len(controller.of(Answer)) == 5 and controller.states())
        errors = {answer.command_id: answer.error for answer in controller.of(Answer)}
        assert errors["verb clear-fault"] == errors["verb make-safe"] == ""
        for what in ("home", "command", "resume"):
            assert "stopped" in errors[f"verb {what}"]
            assert what not in machine.calls
        controller.say(Release(command_id="another stop"))
        controller.say(start(rig.clock, "run-2"))
        await until(lambda: controller.states("run-2") == ["cancelled"])
        assert not controller.last(RunReport).started
        controller.say(Release(command_id="stop-1"))
        await asyncio.sleep(10.0)
        assert machine.starts == 0, "a release starts nothing"
        controller.say(start(rig.clock, "run-3"))
        await until(lambda: "running" in controller.states("run-3"))
        controller.say(Stop(command_id="stop-1"))
        await asyncio.sleep(5.0)
        assert controller.states("run-3")[-1] == "running", "a stop that comes again late stops nothing"


@under_virtual_clock()
async def test_a_stop_ends_what_waits_for_cycle_start() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(profile=MILL))
        controller.say(start(rig.clock))
        await until(lambda: "waiting" in controller.states())
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: "cancelled" in controller.states())
        assert not controller.last(RunReport).started
        controller.say(Release(command_id="stop-1"))
        controller.say(verb(rig.clock, "cycle-start"))
        await until(lambda: controller.of(Answer))
        assert machine.starts == 0


@under_virtual_clock()
async def test_a_stop_during_the_start_is_sent_again_behind_it() -> None:
    """The program may reach the engine after the stop did; it must not go on."""
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(start(rig.clock))
        await until(lambda: machine.starts)
        rig.agent.commands.take(Stop(command_id="stop-1"))
        await until(lambda: "failed" in controller.states())
        assert machine.calls.count("stop") == 2


@under_virtual_clock()
async def test_one_machine_is_stopped_and_the_others_go_on() -> None:
    machines = {"m1": FakeMachine(), "m2": FakeMachine()}
    async with running(machines) as rig:
        controller = await online(rig, assigned("m1"), assigned("m2"))
        controller.say(start(rig.clock, "run-2", "m2"))
        await until(lambda: "running" in controller.states("run-2"))
        controller.say(Stop(command_id="stop-1", machine_id="id-m1"))
        controller.say(Stop(command_id="stop-2", machine_id="id-m9"))
        await until(lambda: len(controller.of(StopReport)) == 2)
        reports = {report.command_id: _outcomes(report) for report in controller.of(StopReport)}
        assert reports == {"stop-1": {"id-m1": "confirmed"}, "stop-2": {"id-m9": "unreachable"}}
        assert "stop" not in machines["m2"].calls
        controller.say(start(rig.clock, "run-3", "m1"))
        await until(lambda: "running" in controller.states("run-3"))


@under_virtual_clock()
async def test_a_stop_pressed_while_we_were_away_is_obeyed_at_hello() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await at_work(rig)
        await controller.close()
        second = rig.connect()
        second.hello(assigned(), stop_id="stop-1")
        await until(lambda: "failed" in second.states())
        assert second.last(Welcome).stop_id == "stop-1"
        await second.close()
        third = rig.connect()
        third.hello(assigned(), stop_id="stop-2")
        await until(lambda: third.of(Welcome))
        assert third.last(Welcome).stop_id == "stop-2"
        assert machine.calls.count("stop") == 1
        third.hello(assigned())
        await asyncio.sleep(1.0)
        assert third.last(Welcome).stop_id == "stop-2", "only Release releases"


@under_virtual_clock()
async def test_a_machine_that_was_away_during_the_stop_is_made_safe_when_it_comes() -> None:
    machine = FakeMachine()
    machine.raises["connect"] = LinkError("switched off")
    async with running({"m1": machine}) as rig:
        controller = rig.connect()
        controller.hello(assigned())
        await until(lambda: "connect" in machine.calls)
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: controller.of(StopReport))
        machine.raises.clear()
        await until(lambda: controller.last(MachineReport).link == "online")
        assert "make_safe" in machine.calls


@under_virtual_clock()
async def test_a_stop_is_out_before_the_disk_is_asked() -> None:
    machine = FakeMachine()
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        rig.file.error = OSError("the disk fails")
        controller.peer.send(encode(Stop(command_id="stop-1")))
        await until(lambda: "stop" in machine.calls)
        await until(lambda: controller.of(StopReport))
        assert rig.agent.journal.state.stopped


class Discarding(FakeMachine):
    """One whose driver can discard first. All of them write what happens into one list, in order."""

    def __init__(self, name: str, happened: list[tuple[str, str]]) -> None:
        super().__init__()
        self.name = name
        self.happened = happened

    def linked(self, driver: FakeDriver) -> None:
        """The driver of a new link."""
        driver.discard_unsent = lambda: self.happened.append(("discard", self.name))  # type: ignore[attr-defined]
        stop = driver.stop

        def noted() -> None:
            self.happened.append(("stop", self.name))
            stop()

        driver.stop = noted  # type: ignore[method-assign]


async def discarding(rig: Rig, machines: dict[str, Discarding]) -> None:
    """Let every driver write down what happens to it."""
    for machine in machines.values():
        assert machine.driver is not None
        machine.linked(machine.driver)


@under_virtual_clock()
async def test_all_output_is_discarded_before_the_first_stop_goes_out() -> None:
    """250 machines in one turn of the loop: discard all, then write all; nothing of a program can pass a stop."""
    happened: list[tuple[str, str]] = []
    machines = {f"m{n}": Discarding(f"m{n}", happened) for n in range(250)}
    async with running(dict(machines)) as rig:
        controller = await online(rig, *(assigned(name) for name in machines))
        for name in machines:
            controller.say(start(rig.clock, f"run-{name}", name))
        await until(lambda: all(controller.states(f"run-{name}")[-1:] == ["running"] for name in machines))
        await discarding(rig, machines)
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 0)
        rig.agent.commands.take(Stop(command_id="stop-1"))
        assert not turns, "the loop must not have turned between the first byte and the last"
        assert [what for what, _ in happened] == ["discard"] * 250 + ["stop"] * 250
        assert {name for what, name in happened if what == "stop"} == set(machines)
        assert all(rig.agent.supervisor.sessions[f"id-{name}"].hand is None for name in machines)


@under_virtual_clock()
async def test_no_stop_waits_for_what_another_machine_has_to_say() -> None:
    """A stop ends runs at once; their ends are written down when the last stop is out, not between two of them."""
    machines = {f"m{n}": FakeMachine() for n in range(20)}
    async with running(dict(machines)) as rig:
        controller = await online(rig, *(assigned(name) for name in machines))
        for name in machines:
            controller.say(start(rig.clock, f"run-{name}", name))
        await until(lambda: all(controller.states(f"run-{name}")[-1:] == ["running"] for name in machines))
        content = rig.agent.journal.state.content
        numbers: list[int] = []
        for machine in machines.values():
            assert machine.driver is not None
            stop = machine.driver.stop

            def noted(stop: Callable[[], None] = stop) -> None:
                stop()
                numbers.append(content.last_sequence)

            machine.driver.stop = noted  # type: ignore[method-assign]
        before = content.last_sequence
        rig.agent.commands.take(Stop(command_id="stop-1"))
        assert numbers == [before] * 20 and content.last_sequence >= before + 20
        await until(lambda: all(controller.states(f"run-{name}")[-1:] == ["failed"] for name in machines))


@under_virtual_clock()
async def test_drivers_that_could_block_or_raise_come_last() -> None:
    """A driver that does its own I/O, and one that was seen to block, keep the stop from nobody."""
    happened: list[tuple[str, str]] = []
    machines = {name: Discarding(name, happened) for name in ("raises", "blocker", "plain", "k1", "k2")}
    async with running(dict(machines)) as rig:
        controller = await online(rig, *(assigned(name) for name in machines))
        await discarding(rig, machines)
        del machines["plain"].driver.discard_unsent  # type: ignore[union-attr]
        rig.agent.supervisor.sessions["id-blocker"].blocks = True

        def discard() -> None:
            raise ZeroDivisionError("a bug")

        machines["raises"].driver.discard_unsent = discard  # type: ignore[union-attr]
        machines["raises"].raises["stop"] = ZeroDivisionError("a bug")
        controller.say(Stop(command_id="stop-1"))
        await until(lambda: controller.of(StopReport))
        assert [name for what, name in happened if what == "stop"] == ["raises", "k1", "k2", "plain", "blocker"]
        outcomes = _outcomes(controller.last(StopReport))
        assert outcomes.pop("id-raises") == "unreachable" and set(outcomes.values()) == {"confirmed"}


@under_virtual_clock()
async def test_what_was_not_sent_when_the_stop_came_never_reaches_the_firmware() -> None:
    """Real drivers: lines that wait in the transport are dropped, on all machines before any of them stops."""
    room_of = [Pretend(f"{driver}-{n}", SUBJECTS[driver]) for driver in SUBJECTS for n in range(3)]
    async with floor(*room_of) as room:
        for pretend in room_of:
            room.start(pretend.name, f"run-{pretend.name}")
        await until(lambda: all(len(pretend.executed) >= 20 for pretend in room_of), 600.0)
        room.controller.say(Stop(command_id="stop-1"))
        await until(lambda: room.controller.of(StopReport))
        assert set(_outcomes(room.controller.last(StopReport)).values()) == {"confirmed"}
        for pretend in room_of:
            assert await room.ended(f"run-{pretend.name}") == "interrupted"
        moves = [sum(line.startswith(("G0", "G1")) for line in pretend.executed) for pretend in room_of]
        await asyncio.sleep(60.0)
        assert [sum(line.startswith(("G0", "G1")) for line in each.executed) for each in room_of] == moves
