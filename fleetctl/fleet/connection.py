"""What the record says to a connecting agent, and what its Welcome means for the record; units of work only."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp, facts_to, log_event
from fleetctl.fleet.reports import agent_lost_run
from fleetctl.model.machine import Link, Machine
from fleetctl.model.messages import PROTOCOL_VERSION, Hello, MachineAssignment, Release, Welcome
from fleetctl.model.messages import Stop as StopMessage
from fleetctl.store import machines, runs, settings
from fleetctl.store.runs import CommandKind
from fleetctl.store.settings import Stop


def assignment(machine: Machine) -> MachineAssignment:
    """What an agent needs to know of a machine."""
    return MachineAssignment(
        machine_id=machine.id,
        name=machine.name,
        driver=machine.driver,
        port=machine.port,
        profile=machine.profile,
        unattended=machine.unattended_by is not None,
        position=machine.facts.position,
        options=machine.options,
        work_offsets_mm=machine.setup.offsets_mm,
        board=machine.board,
    )


def held_by(conn: sa.Connection, agent: str) -> tuple[Machine, ...]:
    """The machines that an agent holds."""
    return tuple(machine for machine in machines.every(conn) if machine.agent == agent)


def hello(conn: sa.Connection, agent: str, site: str) -> Hello:
    """The first message to an agent."""
    stop = settings.stop(conn)
    return Hello(
        protocol_version=PROTOCOL_VERSION,
        site=site,
        stop_id=stop.stop_id if stop.stopped else "",
        machines=tuple(assignment(machine) for machine in held_by(conn, agent)),
    )


def welcomed(conn: sa.Connection, welcome: Welcome, stamp: Stamp) -> list[str]:
    """Record that an agent is here; ids of runs that are lost unless a report still to come speaks of them.

    A new journal knows nothing of what the old one held: every active run of the agent is lost at once. So does
    one that is older than the record (restored from a copy), whose numbers would be taken for repetitions.
    """
    before = machines.last_sequence(conn, welcome.agent)
    machines.set_agent(conn, welcome.agent, welcome.journal_id, welcome.version)
    if welcome.last_sequence < before:
        machines.set_last_sequence(conn, welcome.agent, 0)
    new_journal = before > 0 and machines.last_sequence(conn, welcome.agent) == 0
    log_event(conn, stamp, "agent.connected", welcome.agent, version=welcome.version, new_journal=new_journal)
    _adopt_stop(conn, welcome, stamp)
    held = {machine.id for machine in held_by(conn, welcome.agent)}
    waiting = {
        command.run_id for command in runs.pending_commands(conn, welcome.agent) if command.kind is CommandKind.START
    }
    mine = [run for run in runs.active(conn) if run.machine_id in held]
    if new_journal:
        for run in mine:
            agent_lost_run(conn, run, stamp)
        return []
    return [run.id for run in mine if run.id not in waiting and run.id not in welcome.active_runs]


def _adopt_stop(conn: sa.Connection, welcome: Welcome, stamp: Stamp) -> None:
    """A stop that the agent holds and the record never saw was pressed just before the controller died (I15)."""
    stop = settings.stop(conn)
    if welcome.stop_id and welcome.stop_id != stop.stop_id:
        adopted = Stop(stopped=True, stop_id=welcome.stop_id, by="unknown (restored by the agent)", at_s=stamp.at_s)
        settings.set_stop(conn, adopted)
        log_event(conn, stamp, "stop.pressed", "everything", adopted=True)


def stop_due(held: str, conn: sa.Connection) -> StopMessage | Release | None:
    """What an agent that holds the stop `held` (empty: none) must be told so that it holds what the record says."""
    stop = settings.stop(conn)
    if stop.stopped and held != stop.stop_id:
        return StopMessage(command_id=stop.stop_id)
    if not stop.stopped and held and held == stop.stop_id:
        return Release(command_id=held)
    return None


def lost(conn: sa.Connection, candidates: list[str], stamp: Stamp) -> None:
    """Every report of the agent is on record now: runs it never spoke of again are interrupted."""
    for run_id in candidates:
        run = runs.get(conn, run_id)
        if run.active:
            agent_lost_run(conn, run, stamp)


def disconnected(conn: sa.Connection, agent: str, stamp: Stamp) -> None:
    """The agent does not answer: nobody sees its machines, whatever they do."""
    log_event(conn, stamp, "agent.lost", agent)
    for machine in held_by(conn, agent):
        facts = msgspec.structs.replace(machine.facts, link=Link.OFFLINE, reason="the agent does not answer")
        facts_to(conn, machine, facts, stamp)
