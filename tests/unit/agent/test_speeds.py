"""The speed at which a machine was understood outlives links and agents."""

from __future__ import annotations

from fleetctl.agent.files import MemoryJournalFile
from fleetctl.errors import LinkError
from fleetctl.testing.fixtures import under_virtual_clock
from tests.unit.agent.rig import FakeMachine, assigned, online, running, until


@under_virtual_clock()
async def test_a_speed_that_was_found_is_trusted_until_it_fails_also_by_the_next_agent() -> None:
    machine, file = FakeMachine(), MemoryJournalFile()
    async with running({"m1": machine}, file) as rig:
        await online(rig, assigned())
        assert (rig.opened[0].baud, rig.opened[0].sure) == (None, True)
        for baud in (250000, 250000):
            rig.opened[0].found(baud)
        await rig.agent.journal.settle(rig.clock.monotonic() + 1.0)
    machine = FakeMachine()
    machine.raises["connect"] = LinkError("Nothing answered.")
    async with running({"m1": machine}, file, "boot-2") as rig:
        rig.connect().hello(assigned())
        await until(lambda: len(rig.opened) == 3)
        assert [(known.baud, known.sure) for known in rig.opened] == [
            (250000, True),
            (250000, False),
            (250000, False),
        ]
        machine.raises.clear()
        await until(lambda: machine.links == 1)
        machine.unplug()
        machine.plugged_in = True
        await until(lambda: machine.links == 2)
        assert rig.opened[-1].sure
