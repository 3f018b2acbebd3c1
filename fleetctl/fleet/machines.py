"""What people do with machines: add, remove, clear, reset, home, command, service, set-up."""

from __future__ import annotations

import re

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict, UsageError
from fleetctl.fleet import texts
from fleetctl.fleet.agents import Agents, agent_of
from fleetctl.fleet.boards import confirm_board
from fleetctl.fleet.changes import Stamp, check_seen, facts_to, log_event
from fleetctl.fleet.clearing import clear_machine
from fleetctl.fleet.commands import withdraw_what_has_not_begun, withdraw_what_is_void
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import MachineShape, NewMachine
from fleetctl.fleet.views import Views
from fleetctl.model.machine import Machine, MachineFacts, Service
from fleetctl.model.profile import PROFILES, Profile, Setup, configuration_hash
from fleetctl.store import machines, panel, runs
from fleetctl.transport.opener import identity_of
from fleetctl.transport.ports import lasting

MOVES = frozenset({"home", "command", "answer-prompt"})
"""Verbs that may move, heat or spin a machine."""

CHOICES_MOST = 20
"""No firmware offers more answers."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Machines:
    """The verbs of a machine. `known_drivers` maps each driver to the profiles it names first."""

    def __init__(
        self, record: Record, agents: Agents, views: Views, known_drivers: dict[str, tuple[str, ...]]
    ) -> None:
        self._record = record
        self._agents = agents
        self._views = views
        self._known_drivers = known_drivers

    async def add(self, new: NewMachine, actor: str) -> MachineShape:
        """Put a machine on record; it is uncleared until a person says otherwise. Raises UsageError, Conflict."""
        profile = self._profile(new)
        if not _NAME.fullmatch(new.name):
            raise UsageError("A machine's name has letters, digits, dot, dash and underscore, 63 at most.")
        texts.text(new.port, "port", texts.TITLE_MOST)
        texts.text(new.group, "group")
        texts.setup(new.setup)
        agent = agent_of(new.agent, new.name, self._agents.names[0])
        port = await self._record.look(lambda conn: _lasting_port(conn, new.port, new.name))

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            machine = Machine(
                id=stamp.new_id(),
                name=new.name,
                driver=new.driver,
                port=port,
                group=new.group,
                agent=agent,
                profile=profile,
                setup=new.setup,
                options=new.options,
                configuration_hash=configuration_hash(profile, new.setup),
                unattended_by=actor if new.unattended else None,
                facts=MachineFacts(),
                firmware="",
                since_s=stamp.at_s,
                version=1,
            )
            _refuse_shared_port(conn, machine)
            machines.add(conn, machine)
            log_event(
                conn,
                stamp,
                "machine.added",
                machine.name,
                driver=machine.driver,
                port=machine.port,
                profile=profile.name,
            )

        self._agents.ensure(agent)
        await self._record.change(actor, unit)
        self._agents.assignments_changed(agent)
        return await self._views.machine(new.name)

    def _profile(self, new: NewMachine) -> Profile:
        if new.driver not in self._known_drivers:
            known = ", ".join(sorted(self._known_drivers)) or "none is installed"
            raise UsageError(f"There is no driver {new.driver!r}; there are: {known}.")
        if isinstance(new.profile, Profile):
            return new.profile
        name = new.profile or next(iter(self._known_drivers[new.driver]), "")
        if name not in PROFILES:
            raise UsageError(f"There is no profile {name!r}; there are: {', '.join(sorted(PROFILES))}.")
        return PROFILES[name]

    async def remove(self, name: str, actor: str) -> None:
        """Take a machine off the record; one that has made anything is locked out instead, to keep its history.

        Raises NotFound, Conflict while a run is active.
        """

        def unit(conn: sa.Connection, stamp: Stamp) -> tuple[str, bool]:
            machine = machines.named(conn, name)
            if runs.find(conn, machine_id=machine.id, active_only=True):
                raise Conflict(f"{name} has an active run; cancel it first.", machine=name)
            if runs.find(conn, machine_id=machine.id, limit=1):
                raise Conflict(
                    f"{name} is named by runs on record and stays there; lock it out instead.", machine=name
                )
            machines.remove(conn, machine.id)
            panel.remove(conn, machine.id)
            log_event(conn, stamp, "machine.removed", name)
            return machine.agent, any(other.agent == machine.agent for other in machines.every(conn))

        agent, needed = await self._record.change(actor, unit)
        self._agents.assignments_changed(agent)
        if not needed:
            self._agents.dismiss(agent)

    async def clear(
        self,
        name: str,
        good: int | None = None,
        bad: tuple[str, ...] = (),
        actor: str = "",
        seen: int | None = None,
    ) -> None:
        """A person says that bed or vise is clear, and what became of the parts. See `clearing`."""

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            machine = machines.named(conn, name)
            check_seen(machine.name, machine.version, seen)
            clear_machine(conn, machine, good, frozenset(bad), stamp)

        await self._record.change(actor, unit)

    async def reset(self, name: str, actor: str) -> None:
        """Clear a fault, because a person looked at the machine."""
        await self._verb(name, "clear-fault", actor)

    async def home(self, name: str, actor: str) -> None:
        """Home all axes, because a person asked (I14). Raises LatchClosed through the agent's answer."""
        await self._verb(name, "home", actor)

    async def trust_position(self, name: str, actor: str) -> None:
        """A person vouches for where the tool is: the way back for a machine that cannot home itself."""
        await self._verb(name, "trust-position", actor)

    async def set_port(self, name: str, port: str, options: dict[str, str], actor: str) -> MachineShape:
        """The machine is plugged in elsewhere, or its port is set up in another way: it connects anew there. Empty
        texts leave the port as it is and take an option away. The board on record stays, so another machine at that
        port is refused. Raises UsageError, Conflict while a run is active or when another machine has the port.
        """
        texts.text(port or name, "port", texts.TITLE_MOST)
        lasting_port = await self._record.look(lambda conn: _lasting_port(conn, port, name)) if port else ""

        def unit(conn: sa.Connection, stamp: Stamp) -> str:
            machine = machines.named(conn, name)
            if runs.find(conn, machine_id=machine.id, active_only=True):
                raise Conflict(f"{name} has an active run; cancel it first.", machine=name)
            kept = {key: value for key, value in (machine.options | options).items() if value}
            moved = msgspec.structs.replace(machine, port=lasting_port or machine.port)
            _refuse_shared_port(conn, moved)
            machines.set_port(conn, machine, moved.port, kept)
            log_event(conn, stamp, "machine.port", name, port=moved.port, options=kept)
            return machine.agent

        self._agents.assignments_changed(await self._record.change(actor, unit))
        return await self._views.machine(name)

    async def confirm_board(self, name: str, actor: str) -> None:
        """The board that answered last belongs to this machine; see `boards`. Raises Conflict."""

        def unit(conn: sa.Connection, stamp: Stamp) -> str:
            machine = machines.named(conn, name)
            confirm_board(conn, machine, stamp)
            return machine.agent

        self._agents.assignments_changed(await self._record.change(actor, unit))

    async def reconnect(self, name: str, actor: str) -> None:
        """Open the link anew."""
        await self._verb(name, "reconnect", actor)

    async def command(self, name: str, text: str, actor: str) -> list[str]:
        """Run one line outside a run; its answer lines."""
        if not text.strip() or len(text) > 256 or "\n" in text or "\r" in text:
            raise UsageError("A command is one line of 1 to 256 characters.")
        return list(await self._verb(name, "command", actor, text=text))

    async def answer_prompt(self, name: str, choice: int, actor: str) -> None:
        """Answer what the firmware asks, by the number of the answer from 0; also during a run."""
        if not 0 <= choice < CHOICES_MOST:
            raise UsageError(f"There is no answer {choice}.")
        await self._verb(name, "answer-prompt", actor, text=str(choice))

    async def _verb(self, name: str, verb: str, actor: str, text: str = "") -> tuple[str, ...]:
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        if verb in MOVES:
            refuse_locked_out(machine)
        stamp = self._record.stamp(actor)
        lines = await self._agents.verb(machine, verb, stamp.new_id(), now_s=stamp.at_s, text=text)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.verb", name, verb=verb, text=text)

        await self._record.note(actor, note)
        return lines

    async def set_service(self, name: str, service: str, actor: str) -> None:
        """Put a machine in service, in maintenance or lock it out. A run that has begun goes on, one that has not
        never begins: somebody may have their hands in the machine. Putting it in service, also again, says that a
        person has looked at it: programs that failed there too often may run there again. Raises UsageError.
        """
        if service not in set(Service):
            raise UsageError(f"{service!r} is none of {', '.join(Service)}.")

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            machine = machines.named(conn, name)
            facts_to(conn, machine, msgspec.structs.replace(machine.facts, service=Service(service)), stamp)
            if service != Service.IN_SERVICE:
                withdraw_what_has_not_begun(conn, machine.id, stamp)
                return
            for run in runs.settle_failed(conn, machine.id):
                log_event(conn, stamp, "run.settled", run.code, reason="a person has looked at the machine")

        await self._record.change(actor, unit)

    async def set_unattended(self, name: str, on: bool, actor: str) -> None:
        """Let runs begin without cycle start, with name and date on record, or no longer (I14)."""

        def unit(conn: sa.Connection, stamp: Stamp) -> str:
            machine = machines.named(conn, name)
            machines.set_unattended(conn, machine, actor if on else None, stamp.at_s)
            if not on:
                withdraw_what_has_not_begun(conn, machine.id, stamp)
            log_event(conn, stamp, "machine.unattended", name, on=on)
            return machine.agent

        self._agents.assignments_changed(await self._record.change(actor, unit))

    async def set_setup(self, name: str, setup: Setup, actor: str) -> None:
        """Record what is on the machine now; preflight passes of the old set-up become void (I2)."""
        texts.setup(setup)

        def unit(conn: sa.Connection, stamp: Stamp) -> str:
            machine = machines.named(conn, name)
            machines.set_setup(conn, machine, msgspec.structs.replace(setup, firmware=machine.setup.firmware))
            log_event(conn, stamp, "machine.setup", name, material=setup.material)
            withdraw_what_is_void(conn, machine.id, stamp)
            return machine.agent

        self._agents.assignments_changed(await self._record.change(actor, unit))


def refuse_locked_out(machine: Machine) -> None:
    """Raise Conflict when somebody locked the machine out: nobody else may move it."""
    if machine.facts.service is Service.LOCKED_OUT:
        raise Conflict(
            "It is locked out; somebody may be working on it.",
            machine=machine.name,
            hint="Put it back in service first.",
        )


def _lasting_port(conn: sa.Connection, port: str, name: str) -> str:
    """The name of the port that lasts. One device under two names would be two machines that know nothing of each
    other's parts: raises Conflict."""
    reached = identity_of(port)
    for other, others_port in machines.ports(conn):
        if other != name and identity_of(others_port) == reached:
            raise Conflict(f"The port {port} belongs to {other} already.", machine=other)
    return lasting(port)


def _refuse_shared_port(conn: sa.Connection, new: Machine) -> None:
    for other, port in machines.ports(conn):
        if other != new.name and port == new.port:
            raise Conflict(f"The port {new.port} belongs to {other} already.", machine=other)
