"""Taking back a start that has not begun: the command is kept for the agent, whose report ends the run."""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.fleet.changes import Stamp
from fleetctl.model.messages import Withdraw, encode
from fleetctl.model.run import Run
from fleetctl.store import machines, runs


def withdraw(conn: sa.Connection, run: Run, stamp: Stamp) -> None:
    """Ask the agent never to begin `run`; if it has begun meanwhile, the agent cancels it."""
    machine = machines.get(conn, run.machine_id)
    command_id = stamp.new_id()
    message = Withdraw(command_id=command_id, run_id=run.id, machine_id=run.machine_id)
    runs.add_command(
        conn,
        runs.Command(
            id=command_id,
            agent=machine.agent,
            run_id=run.id,
            kind=runs.CommandKind.WITHDRAW,
            message=encode(message),
            created_s=stamp.at_s,
        ),
    )


def void_changed_configuration(conn: sa.Connection, machine_id: str, stamp: Stamp) -> None:
    """The machine is set up differently now: a run that has not begun must not begin on the old pass (I2)."""
    machine = machines.get(conn, machine_id)
    for run in runs.find(conn, machine_id=machine_id, active_only=True):
        if not run.started and run.configuration_hash != machine.configuration_hash:
            withdraw(conn, run, stamp)
