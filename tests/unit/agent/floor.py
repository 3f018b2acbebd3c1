"""An agent with real drivers over simulated machines in memory, on the virtual clock, with the simulators' faults."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable

from fleetctl_plugins.grbl.test_conformance import SUBJECT as GRBL
from fleetctl_plugins.marlin.test_conformance import SUBJECT as MARLIN

from fleetctl.model.messages import MachineAssignment, Start
from fleetctl.sim.faults import FaultyMachine, read_fault
from fleetctl.testing.loop import VirtualClock
from fleetctl.testing.suite import Subject
from fleetctl.transport.base import Transport
from fleetctl.transport.memory import MemoryMachine, MemoryTransport
from tests.unit.agent.rig import FakeController, Rig, online, running, until, verb

SUBJECTS = {"marlin": MARLIN, "grbl": GRBL}


class Pretend:
    """One simulated machine with faults; `executed` are the lines that it executed. It outlives links."""

    def __init__(self, name: str, subject: Subject, faults: Iterable[str] = ()) -> None:
        self.name = name
        self.subject = subject
        self.machine = FaultyMachine(subject.make_machine(1), [read_fault(text) for text in faults], seed=1)
        self.link = MemoryMachine(self.machine, VirtualClock(), latency_s=0.001)
        self.executed: list[str] = []
        self.machine.executed.on_line = lambda line: self.executed.append(line.text)

    @property
    def on(self) -> dict[str, float]:
        """What is switched on: heaters with their targets, spindle, fans."""
        self.link.wake()
        return {name: value for name, value in self.machine.outputs.items() if value}


class Floor:
    """The agent, its controller, and the machines by name."""

    def __init__(self, rig: Rig, controller: FakeController, machines: dict[str, Pretend]) -> None:
        self.rig = rig
        self.controller = controller
        self.machines = machines

    def start(self, name: str, run_id: str = "run-1") -> None:
        """Start the subject's program."""
        self.controller.say(
            Start(
                command_id=f"start {run_id}",
                run_id=run_id,
                epoch=1,
                machine_id=f"id-{name}",
                program_sha256=self.machines[name].subject.driver.name,
                not_after_s=self.rig.clock.wall().timestamp() + 60.0,
            )
        )

    async def ended(self, run_id: str = "run-1", within_s: float = 3600.0) -> str:
        """How the run ended."""
        ends = {"finished", "failed", "interrupted", "cancelled", "refused"}
        await until(lambda: ends & set(self.controller.states(run_id)), within_s)
        return self.controller.states(run_id)[-1]


@contextlib.asynccontextmanager
async def floor(*machines: Pretend) -> AsyncIterator[Floor]:
    """An agent that holds these machines, all of them online."""
    by_name = {pretend.name: pretend for pretend in machines}

    def open_transport(machine: MachineAssignment, _driver: object, _known: object) -> Transport:
        return MemoryTransport(machine.port, by_name[machine.name].link, VirtualClock())

    def prepare(rig: Rig) -> None:
        for subject in SUBJECTS.values():
            rig.programs.content[subject.driver.name] = subject.program

    drivers = {subject.driver.name: subject.driver for subject in SUBJECTS.values()}
    async with running(prepare=prepare, drivers=drivers, open_transport=open_transport) as rig:
        controller = await online(rig, *(assigned_real(pretend) for pretend in machines))
        for name in by_name:
            controller.say(verb(rig.clock, "trust-position", f"trust {name}", name))
        await until(lambda: all(s.facts.position == "known" for s in rig.agent.supervisor.sessions.values()))
        yield Floor(rig, controller, by_name)
        for pretend in machines:
            pretend.link.power_off()


def assigned_real(pretend: Pretend) -> MachineAssignment:
    """The assignment of a simulated machine; mills start by themselves here."""
    return MachineAssignment(
        machine_id=f"id-{pretend.name}",
        name=pretend.name,
        driver=pretend.subject.driver.name,
        port=f"memory://{pretend.name}",
        profile=pretend.subject.profile,
        unattended=True,
    )
