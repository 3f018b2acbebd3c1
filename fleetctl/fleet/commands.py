"""Commands kept until the agent has them: a start and its withdrawal, committed with what they follow from."""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp
from fleetctl.model.machine import Machine
from fleetctl.model.messages import Start, Withdraw, encode
from fleetctl.model.run import Run
from fleetctl.store import machines, runs
from fleetctl.store.runs import Command, CommandKind


def start(conn: sa.Connection, run: Run, machine: Machine, stamp: Stamp) -> None:
    """Have the agent begin `run`, once (idempotent by run id)."""
    message = Start(
        command_id=stamp.new_id(),
        run_id=run.id,
        epoch=run.epoch,
        machine_id=run.machine_id,
        program_sha256=run.program_sha256,
        not_after_s=run.not_after_s,
    )
    _keep(conn, CommandKind.START, message, machine, stamp)


def withdraw(conn: sa.Connection, run: Run, stamp: Stamp) -> None:
    """Ask the agent never to begin `run`; if it has begun meanwhile, it is cancelled. The report ends it."""
    message = Withdraw(command_id=stamp.new_id(), run_id=run.id, machine_id=run.machine_id)
    _keep(conn, CommandKind.WITHDRAW, message, machines.get(conn, run.machine_id), stamp)


def withdraw_what_has_not_begun(conn: sa.Connection, machine_id: str, stamp: Stamp) -> None:
    """The machine is not to begin what it was claimed for: a person stopped it, or took it out of service."""
    for run in runs.find(conn, machine_id=machine_id, active_only=True):
        if not run.started:
            withdraw(conn, run, stamp)


def withdraw_what_is_void(conn: sa.Connection, machine_id: str, stamp: Stamp) -> None:
    """The machine is set up differently now: a run that has not begun must not begin on the old pass (I2)."""
    machine = machines.get(conn, machine_id)
    for run in runs.find(conn, machine_id=machine_id, active_only=True):
        if not run.started and run.configuration_hash != machine.configuration_hash:
            withdraw(conn, run, stamp)


def _keep(conn: sa.Connection, kind: CommandKind, message: Start | Withdraw, machine: Machine, stamp: Stamp) -> None:
    command = Command(
        id=message.command_id,
        agent=machine.agent,
        run_id=message.run_id,
        kind=kind,
        message=encode(message),
        created_s=stamp.at_s,
    )
    runs.add_command(conn, command)
