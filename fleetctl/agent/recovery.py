"""What a new agent process owes for the one before it: runs that were cut off are reported, nothing resumes.

Decisions over the journal's content, and a look into the programs for what may not have been executed. Must not
know links; making machines safe is the session's first act after it connects, because the journal keeps them marked
unsafe.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from fleetctl.agent.executed import in_lines
from fleetctl.agent.journal import Journal
from fleetctl.agent.programs import NOTHING, Programs
from fleetctl.agent.records import Booted, RunRecord
from fleetctl.agent.reports import Reports
from fleetctl.agent.state import SEQUENCES_PER_BOOT
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.run import RunState

READ_PATIENCE_S = 1.0
"""How long a disk may take for the last lines of a program that was cut off; machines wait to be made safe."""


async def begin_boot(
    journal: Journal, reports: Reports, programs: Programs, boot_id: str, journal_id: str
) -> list[str]:
    """Record the new process and end every run that the one before it held. Gives the ids of those runs.

    `journal_id` is taken on by a journal that has none yet.
    """
    floor = journal.state.content.last_sequence
    journal.append(Booted(journal_id, boot_id, floor + SEQUENCES_PER_BOOT if floor else 0))
    cut_off = journal.state.active_runs()
    for run in cut_off:
        _end(await _in_lines(run, journal, programs), reports)
    return [run.run_id for run in cut_off]


async def _in_lines(run: RunRecord, journal: Journal, programs: Programs) -> RunRecord:
    """The run with what may not have been executed in lines of its program. The file is not verified, for machines
    wait to be made safe; nothing is sent from it."""
    machine = journal.state.content.machines.get(run.machine_id)
    if not run.started or machine is None:
        return msgspec.structs.replace(run, planner_depth=run.acknowledged_line)
    before = NOTHING
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READ_PATIENCE_S):
            before = await programs.before(run.program_sha256, run.acknowledged_bytes)
    return in_lines(run, before, machine.profile)


def _end(run: RunRecord, reports: Reports) -> None:
    if not run.started:
        # RunStarted is durable before the first byte: without it none has gone out.
        reason = "The agent ended before the first byte of the run went out."
        reports.run(msgspec.structs.replace(run, state=RunState.INTERRUPTED, reason=reason))
        return
    reason = (
        f"The agent ended during the run. Line {run.acknowledged_line} was the last that it recorded as "
        "acknowledged; the machine may have gone further."
    )
    reports.machine(run.machine_id, Link.OFFLINE, Activity.IDLE, Position.SUSPECT, "the agent ended during a run")
    reports.run(msgspec.structs.replace(run, state=RunState.INTERRUPTED, reason=reason))
