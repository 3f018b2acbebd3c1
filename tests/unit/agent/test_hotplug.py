"""A machine that is plugged in again comes back at once, and nothing goes on by itself (I12)."""

from __future__ import annotations

import asyncio

from fleetctl.errors import LinkError
from fleetctl.model.messages import MachineAssignment, MachineReport
from fleetctl.testing.fixtures import under_virtual_clock
from fleetctl.transport.hotplug import LOOK_EVERY_S, PortWatch, Signature
from tests.unit.agent.rig import PRINTER, FakeMachine, online, running, start, until

PORT = "/dev/serial/by-path/pci-usb-0:1"


def assigned() -> MachineAssignment:
    return MachineAssignment(machine_id="id-m1", name="m1", driver="fake", port=PORT, profile=PRINTER)


class Usb:
    """The device files of the computer. Pulling a cable takes the file and the link away."""

    def __init__(self, machine: FakeMachine) -> None:
        self.machine = machine
        self.files: dict[str, Signature] = {PORT: (1,)}

    def pull(self) -> None:
        del self.files[PORT]
        self.machine.raises["connect"] = LinkError("There is no port.")
        self.machine.unplug()

    def plug_in(self, number: int = 1) -> None:
        self.files[PORT] = (number,)
        self.machine.raises.clear()
        self.machine.plugged_in = True


@under_virtual_clock()
async def test_i12_a_machine_comes_back_at_once_and_its_run_does_not() -> None:
    machine = FakeMachine()
    usb = Usb(machine)
    async with running({"m1": machine}, port_watch=PortWatch(usb.files.get)) as rig:
        controller = await online(rig, assigned())
        controller.say(start(rig.clock))
        await until(lambda: "running" in controller.states())
        usb.pull()
        await until(lambda: "interrupted" in controller.states())
        await asyncio.sleep(600.0)  # by now it is tried twice a minute
        assert controller.last(MachineReport).link == "offline"
        usb.plug_in(2)
        await until(lambda: machine.links == 2, LOOK_EVERY_S + 0.1)
        await until(lambda: controller.last(MachineReport).link == "online")
        await asyncio.sleep(600.0)
        assert machine.starts == 1
        assert controller.last(MachineReport).position == "suspect"


@under_virtual_clock()
async def test_a_port_without_its_rights_yet_is_tried_again_when_it_has_them() -> None:
    machine = FakeMachine()
    usb = Usb(machine)
    async with running({"m1": machine}, port_watch=PortWatch(usb.files.get)) as rig:
        controller = await online(rig, assigned())
        usb.pull()
        await asyncio.sleep(600.0)
        usb.plug_in(2)
        machine.raises["connect"] = LinkError("Permission denied.")
        await until(lambda: controller.last(MachineReport).reason == "Permission denied.", LOOK_EVERY_S + 0.1)
        usb.plug_in(3)  # udev gave it to the group
        await until(lambda: machine.links == 2, LOOK_EVERY_S + 0.1)


@under_virtual_clock()
async def test_a_port_that_stays_is_tried_as_before() -> None:
    machine = FakeMachine()
    usb = Usb(machine)
    machine.raises["connect"] = LinkError("Nothing answered.")
    async with running({"m1": machine}, port_watch=PortWatch(usb.files.get)) as rig:
        controller = rig.connect()
        controller.hello(assigned())
        await asyncio.sleep(600.0)
        assert 20 <= machine.calls.count("connect") <= 60
