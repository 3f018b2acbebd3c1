"""What people do with runs: pause, resume, cancel, cycle start. All of it now or not at all."""

from __future__ import annotations

import sqlalchemy as sa

from fleetctl.errors import Conflict, LatchClosed
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.commands import withdraw
from fleetctl.fleet.machines import refuse_locked_out
from fleetctl.fleet.record import Record
from fleetctl.model.machine import Machine
from fleetctl.model.run import Run
from fleetctl.store import machines, runs, settings


class Runs:
    """The verbs of a run. The agent's reports, not these calls, change the record."""

    def __init__(self, record: Record, agents: Agents) -> None:
        self._record = record
        self._agents = agents

    async def pause(self, code: str, actor: str) -> None:
        """Hold motion. Raises NotFound, Conflict, AgentUnavailable, MachineError."""
        await self._verb(code, "pause", actor)

    async def resume(self, code: str, actor: str) -> None:
        """Go on. Raises also LatchClosed while everything is stopped (I15)."""
        await self._verb(code, "resume", actor, moves=True)

    async def cycle_start(self, code: str, actor: str) -> None:
        """A person stands at the machine and lets it begin (I14). Raises as `resume`."""
        await self._verb(code, "cycle-start", actor, moves=True)

    async def cancel(self, code: str, actor: str) -> None:
        """End a run. One that has not begun is withdrawn, wherever its start is on the way and whether its agent
        answers or not.
        """
        run, machine = await self._active(code)
        if run.started:
            await self._verb(code, "cancel", actor)
            return

        def unit(conn: sa.Connection, stamp: Stamp) -> None:
            withdraw(conn, runs.coded(conn, code), stamp)

        await self._record.change(actor, unit)
        self._agents.commands_waiting(machine.agent)

    async def _verb(self, code: str, verb: str, actor: str, *, moves: bool = False) -> None:
        run, machine = await self._active(code, moves=moves)
        stamp = self._record.stamp(actor)
        await self._agents.verb(machine, verb, stamp.new_id(), now_s=stamp.at_s, run_id=run.id)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "run.verb", run.code, verb=verb)

        await self._record.note(actor, note)

    async def _active(self, code: str, *, moves: bool = False) -> tuple[Run, Machine]:
        def read(conn: sa.Connection) -> tuple[Run, Machine]:
            run = runs.coded(conn, code)
            machine = machines.get(conn, run.machine_id)
            if moves and settings.stop(conn).stopped:
                raise LatchClosed()
            if moves:
                refuse_locked_out(machine)
                _refuse_withdrawn(conn, run, machine)
            return run, machine

        run, machine = await self._record.look(read)
        if not run.active:
            raise Conflict(f"{run.code} has ended: it is {run.state.value}.", machine=machine.name)
        return run, machine


def _refuse_withdrawn(conn: sa.Connection, run: Run, machine: Machine) -> None:
    """The withdrawal of a run may be on its way to the agent when somebody presses cycle start."""
    kept = runs.pending_commands(conn, machine.agent)
    if any(command.run_id == run.id and command.kind is runs.CommandKind.WITHDRAW for command in kept):
        raise Conflict(f"{run.code} is being withdrawn.", machine=machine.name)
