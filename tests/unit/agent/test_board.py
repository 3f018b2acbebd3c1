"""A machine where another board answers stays offline until a person confirms the board; nothing is sent to it."""

from __future__ import annotations

import pytest

from fleetctl.driver.api import Identity
from fleetctl.model.board import Board
from fleetctl.model.machine import Position
from fleetctl.model.messages import Assign, MachineReport
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import FakeController, FakeMachine, Rig, assigned, online, running, start, until

OLD, NEW = Board(uuid="old", model="Ender"), Board(uuid="new", model="Ender")


def says(machine: FakeMachine, board: Board) -> None:
    machine.identity = Identity(firmware="Fake", version="1.0", board_uuid=board.uuid, board_model=board.model)


async def refused(rig: Rig, controller: FakeController) -> MachineReport:
    await until(lambda: "Another board" in controller.last(MachineReport).reason)
    return controller.last(MachineReport)


@under_virtual_clock()
async def test_a_board_is_reported_when_it_answers() -> None:
    machine = FakeMachine()
    says(machine, OLD)
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        await until(lambda: controller.last(MachineReport).board == OLD)


@under_virtual_clock()
async def test_another_board_is_refused_with_both_ids_and_gets_nothing() -> None:
    machine = FakeMachine()
    says(machine, NEW)
    async with running({"m1": machine}) as rig:
        controller = rig.connect()
        controller.hello(assigned(board=OLD))
        await until(lambda: controller.of(MachineReport))
        report = await refused(rig, controller)
        assert (report.link, report.board) == ("offline", NEW)
        assert "new" in report.reason and "old" in report.reason and "confirm-board m1" in report.reason
        controller.say(start(rig.clock))
        await until(lambda: controller.states() == ["refused"])
        assert machine.starts == 0
        assert machine.calls[:2] == ["connect", "close"]


@under_virtual_clock()
async def test_a_board_exchanged_between_two_links_is_refused_before_the_record_knows_it() -> None:
    machine = FakeMachine()
    says(machine, OLD)
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        machine.unplug()
        says(machine, NEW)
        machine.plugged_in = True
        await refused(rig, controller)
        says(machine, OLD)
        await until(lambda: controller.last(MachineReport).link == "online", 60.0)
        assert machine.links == 3


@under_virtual_clock()
async def test_a_machine_that_owes_switching_off_is_not_called_safe_for_another_board() -> None:
    machine = FakeMachine()
    says(machine, OLD)
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(board=OLD))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        machine.unplug()
        says(machine, NEW)
        machine.plugged_in = True
        await refused(rig, controller)
        assert rig.agent.journal.state.content.unsafe == {"id-m1": True}


@under_virtual_clock()
async def test_a_confirmed_board_connects_at_once_with_its_position_suspect() -> None:
    machine = FakeMachine()
    says(machine, NEW)
    async with running({"m1": machine}) as rig:
        controller = rig.connect()
        controller.hello(assigned(board=OLD))
        await until(lambda: controller.of(MachineReport))
        await refused(rig, controller)
        controller.say(Assign(machines=(assigned(board=NEW),)))
        await until(lambda: controller.last(MachineReport).link == "online", 0.5)
        assert controller.last(MachineReport).position == Position.SUSPECT


@pytest.mark.parametrize("recorded", [OLD, Board()])
@under_virtual_clock()
async def test_the_record_may_learn_the_board_while_the_machine_works(recorded: Board) -> None:
    machine = FakeMachine()
    says(machine, OLD)
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned(board=recorded))
        controller.say(Assign(machines=(assigned(board=OLD),)))
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        assert machine.links == 1
        assert controller.last(MachineReport).position == Position.KNOWN


@under_virtual_clock()
async def test_a_record_that_knew_another_board_ends_the_link() -> None:
    """The agent was started with an old journal and met the machine before the controller told it the board."""
    machine = FakeMachine()
    says(machine, NEW)
    async with running({"m1": machine}) as rig:
        controller = await online(rig, assigned())
        controller.say(Assign(machines=(assigned(board=OLD),)))
        await refused(rig, controller)
        assert controller.last(MachineReport).link == "offline"
