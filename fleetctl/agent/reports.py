"""Reports: what the controller must get, numbered and journalled at the moment it becomes true.

Responsible for sequence numbers and for saying nothing twice. Must not know the line to the controller: the
link reads reports from the journal and is woken by `fresh`.
"""

from __future__ import annotations

import asyncio

from fleetctl.agent.journal import Journal
from fleetctl.agent.records import Reported, RunRecord
from fleetctl.clock import Clock
from fleetctl.model.board import Board
from fleetctl.model.machine import Activity, Link, Position
from fleetctl.model.messages import MachineReport, RunReport


class Reports:
    """Writes reports into the journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        """Continues the numbers of `journal`."""
        self.fresh = asyncio.Event()
        self._journal = journal
        self._clock = clock

    def run(self, run: RunRecord) -> None:
        """The run is now as in `run`."""
        self._add(
            RunReport(
                sequence=self._next(),
                run_id=run.run_id,
                machine_id=run.machine_id,
                state=run.state,
                reason=run.reason,
                started=run.started,
                acknowledged_line=run.acknowledged_line,
                planner_depth=run.planner_depth,
                at_s=self._clock.wall().timestamp(),
            )
        )

    def machine(
        self,
        machine_id: str,
        link: Link,
        activity: Activity,
        position: Position,
        reason: str = "",
        firmware: str = "",
        board: Board | None = None,
    ) -> None:
        """The machine is now like this."""
        self._add(
            MachineReport(
                sequence=self._next(),
                machine_id=machine_id,
                link=link,
                activity=activity,
                position=position,
                reason=reason,
                firmware=firmware,
                board=board or Board(),
                at_s=self._clock.wall().timestamp(),
            )
        )

    def _next(self) -> int:
        return self._journal.state.content.last_sequence + 1

    def _add(self, report: MachineReport | RunReport) -> None:
        self._journal.append(Reported(report))
        self.fresh.set()
