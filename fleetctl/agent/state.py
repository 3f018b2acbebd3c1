"""What the records of the journal amount to: pure, the same after every restart.

Responsible for the meaning of each record and for what may be forgotten. Must not know files or time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleetctl.agent.records import (
    Acknowledged,
    Assigned,
    Booted,
    CommandDone,
    CommandSeen,
    JournalContent,
    Latched,
    MadeSafe,
    Record,
    Reported,
    RunProgress,
    RunRecord,
    RunStarted,
    RunTaken,
    Snapshot,
    SpeedFound,
)
from fleetctl.model.messages import MachineAssignment, MachineReport, RunReport
from fleetctl.model.run import ENDED, RunState

SEQUENCES_PER_BOOT = 1 << 20
"""A restart begins this far above the last number found: numbers that a power cut took from the file were
perhaps sent, and must not come again. Far more than one process reports between two syncs."""

RUNS_KEPT = 4096
"""Ended runs remembered, so that a Start which comes late is known. Long after `not_after_s` of any of them."""

COMMANDS_KEPT = 4096
"""Answered commands remembered."""

_SAFE_ENDS = frozenset({RunState.FINISHED, RunState.CANCELLED, RunState.REFUSED})


class JournalState:
    """The journal's content. `apply` is the only thing that changes it."""

    def __init__(self) -> None:
        """Empty, as before the first record."""
        self.content = JournalContent()
        self._told: dict[str, int] = {}
        """By machine, the number of its newest report: a room full of machines is told of in one step."""

    def apply(self, record: Record) -> None:
        """Take in one record; the order of records is the order in which things happened."""
        now = self.content
        match record:
            case RunProgress():  # first: there are a thousand of them for each of the others
                self._progress(record)
            case Booted(journal_id=journal_id, sequence=sequence):
                now.journal_id = now.journal_id or journal_id
                now.last_sequence = max(now.last_sequence, sequence)
            case Assigned(machines=machines):
                self._assign(machines)
            case CommandSeen(command_id=command_id):
                now.commands.setdefault(command_id, None)
            case CommandDone(command_id=command_id, outcome=outcome):
                now.commands[command_id] = outcome
                _forget_oldest(now.commands, COMMANDS_KEPT, (i for i, o in now.commands.items() if o is not None))
            case RunTaken(run_id=run_id, machine_id=machine_id, epoch=epoch, state=state, program_sha256=program):
                now.runs[run_id] = RunRecord(
                    run_id=run_id, machine_id=machine_id, epoch=epoch, state=state, program_sha256=program
                )
                _forget_oldest(now.runs, RUNS_KEPT, (i for i, run in now.runs.items() if run.state in ENDED))
            case RunStarted(run_id=run_id):
                self._start(run_id)
            case Reported(report=report):
                self._report(report)
            case Acknowledged(sequence=sequence):
                self._acknowledge(sequence)
            case Latched(stop_id=stop_id):
                now.stop_id = stop_id
            case MadeSafe(machine_id=machine_id):
                now.unsafe.pop(machine_id, None)
            case SpeedFound(machine_id=machine_id, baud=baud):
                now.speeds_baud[machine_id] = baud
            case Snapshot(content=content):
                self.content = content
                reports = content.reports.items()
                self._told = {r.machine_id: n for n, r in reports if isinstance(r, MachineReport)}

    @property
    def stopped(self) -> bool:
        """Whether everything is stopped until a person releases it (I15)."""
        return bool(self.content.stop_id)

    def active_runs(self) -> list[RunRecord]:
        """Runs that have not ended, oldest first."""
        return [run for run in self.content.runs.values() if run.state not in ENDED]

    def unacknowledged(self, above: int, up_to: int) -> list[MachineReport | RunReport]:
        """Reports with a number above `above` and at most `up_to`, in order."""
        return [report for number, report in self.content.reports.items() if above < number <= up_to]

    def _assign(self, machines: tuple[MachineAssignment, ...]) -> None:
        now = self.content
        now.machines = {machine.machine_id: machine for machine in machines}
        for machine in machines:
            # What this agent saw itself is newer than what the controller has heard of it.
            now.positions.setdefault(machine.machine_id, machine.position)
        for forgotten in now.positions.keys() - now.machines.keys():
            del now.positions[forgotten]
            now.unsafe.pop(forgotten, None)
            self._told.pop(forgotten, None)
            now.speeds_baud.pop(forgotten, None)

    def _start(self, run_id: str) -> None:
        if run := self.content.runs.get(run_id):
            run.started = True
            self.content.unsafe[run.machine_id] = True

    def _progress(self, progress: RunProgress) -> None:
        if run := self.content.runs.get(progress.run_id):
            run.acknowledged_line = progress.acknowledged_line
            run.acknowledged_bytes = progress.acknowledged_bytes
            run.planner_depth = progress.planner_depth

    def _report(self, report: MachineReport | RunReport) -> None:
        now = self.content
        now.last_sequence = report.sequence
        if isinstance(report, MachineReport):
            self._supersede(report.machine_id, report.sequence)
            now.positions[report.machine_id] = report.position
        elif run := now.runs.get(report.run_id):
            run.state, run.reason, run.started = report.state, report.reason, report.started
            if report.acknowledged_line != run.acknowledged_line:
                run.acknowledged_line, run.acknowledged_bytes = report.acknowledged_line, 0
            if report.state in ENDED:
                run.planner_depth = report.planner_depth
            if report.state in _SAFE_ENDS:
                now.unsafe.pop(report.machine_id, None)
        now.reports[report.sequence] = report

    def _supersede(self, machine_id: str, sequence: int) -> None:
        """Only the newest report of a machine counts, so the journal stays small while nobody listens."""
        older = self._told.get(machine_id)
        if older is not None:
            self.content.reports.pop(older, None)
        self._told[machine_id] = sequence

    def _acknowledge(self, sequence: int) -> None:
        now = self.content
        now.acknowledged = max(now.acknowledged, sequence)
        for number in [number for number in now.reports if number <= sequence]:
            del now.reports[number]


def _forget_oldest(things: dict[str, Any], kept: int, forgettable: Iterable[str]) -> None:
    """Forget the oldest of the forgettable when there are more than `kept` in all."""
    if len(things) > kept and (oldest := next(iter(forgettable), None)) is not None:
        del things[oldest]
