"""One run in hand: from the Start that was taken until the run has ended, with every step reported.

Responsible for the order that makes a start happen at most once: journal, verify, wait for cycle start, journal
again durably, first byte. Must not know the link, other runs, or what the machine does between runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

from fleetctl.agent.executed import in_lines
from fleetctl.agent.heat import HeatPolicy
from fleetctl.agent.programs import NOTHING, Program
from fleetctl.agent.records import RunProgress, RunRecord, RunStarted, RunTaken
from fleetctl.agent.shared import Shared
from fleetctl.driver.api import Driver, EndKind, Progress
from fleetctl.errors import FleetctlError, LinkError, MachineError, OperatorError, StoreError
from fleetctl.model.machine import Activity
from fleetctl.model.messages import MachineAssignment, Start
from fleetctl.model.profile import Process
from fleetctl.model.run import ENDED, RunState
from fleetctl.model.run import TRANSITIONS as RUN_TRANSITIONS
from fleetctl.model.transitions import step

log = logging.getLogger(__name__)

JOURNAL_PATIENCE_S = 5.0
"""How long the first byte waits for the disk; a run can be refused, it must not begin unrecorded."""

CANCEL_PATIENCE_S = 10.0
END_PATIENCE_S = 30.0
"""How long after a fault a driver may take to end its run; then the link counts as broken."""

DRAIN_PATIENCE_S = 180.0
"""The same after a cancel: the machine finishes what it has planned, and sixteen slow moves take minutes."""

PRESS_CYCLE_START = "press cycle start"
STOPPED_UNBEGUN = "the machine was stopped before it began"

_OF_ACTIVITY = {
    Activity.RUNNING: RunState.RUNNING,
    Activity.PAUSED: RunState.PAUSED,
    Activity.WAITING: RunState.WAITING,
}
_OF_END = {
    EndKind.FINISHED: RunState.FINISHED,
    EndKind.FAILED: RunState.FAILED,
    EndKind.CANCELLED: RunState.CANCELLED,
    EndKind.INTERRUPTED: RunState.INTERRUPTED,
}


class Execution:
    """One run. `on_change` is called before each report, so that a machine is told of before its run."""

    def __init__(
        self, start: Start, machine: MachineAssignment, shared: Shared, on_change: Callable[[Execution], None]
    ) -> None:
        """Nothing is journalled yet: `take` or `end` does."""
        self.run_id = start.run_id
        self.state = RunState.CLAIMED
        self.reason = ""
        self.started = False
        self.at_gate = False
        self.progress = Progress(0, 0, 0)
        self.note: Callable[[str, str], None] = lambda _verb, _text: None
        """Told of each verb just before the driver is asked for it."""
        self._start = start
        self._machine = machine
        self._shared = shared
        self._on_change = on_change
        self._heat = HeatPolicy(machine.profile.heat_off_after_paused_s)
        self._changed = asyncio.Event()
        self._pressed = asyncio.Event()
        self._over = asyncio.Event()
        self._starting = False
        self._cancelling = False
        self._running_told = False
        self._wanted_meanwhile: Literal["", "cancel", "stop"] = ""
        self._program: Program | None = None
        self._must_end_at_s: float | None = None
        self._end_instead: tuple[RunState, str] | None = None

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.state in ENDED

    # What the session asks

    def take(self) -> None:
        """The run is in hand from now on."""
        self._journal_taken()
        self._become(RunState.PREPARING, "")

    def end(self, state: RunState, reason: str) -> None:
        """The run ends here, if it has not ended; `state` is one of ENDED."""
        if self.ended:
            return
        if self.state is RunState.CLAIMED:
            self._journal_taken()
        if self._end_instead is not None and state is not RunState.FINISHED:
            state, reason = self._end_instead
        if state is RunState.FINISHED and not self._running_told:
            self._become(RunState.RUNNING, "")
        self.state = step(RUN_TRANSITIONS, self.state, state, f"run {self.run_id}")
        self.reason = reason
        self.at_gate = False
        self._report()
        self._over.set()
        self._pressed.set()
        self._changed.set()

    def cut_off(self, reason: str) -> None:
        """The link, or our trust in it, is gone."""
        self.end(RunState.INTERRUPTED, reason)

    def press_cycle_start(self) -> None:
        """A person pressed cycle start; only at the gate."""
        self._pressed.set()

    def end_as(self, state: RunState, reason: str) -> None:
        """Whatever ends the run from now on, short of its finishing, is reported like this."""
        self._end_instead = (state, reason)

    async def cancel(self, driver: Driver) -> None:
        """End the run in a controlled way; asked a second time, it changes nothing. Raises MachineError,
        LinkError; then the run goes on.
        """
        if not self.started:
            self.end(RunState.CANCELLED, "cancelled before it began")
        elif self._starting:
            self._wanted_meanwhile = self._wanted_meanwhile or "cancel"
        elif not self._cancelling:
            self._cancelling = True
            try:
                await self._cancel_now(driver)
            except FleetctlError:
                self._cancelling = False
                raise

    async def _cancel_now(self, driver: Driver) -> None:
        try:
            async with asyncio.timeout(CANCEL_PATIENCE_S):
                self.note("cancel", "")
                await driver.cancel()
        except TimeoutError as error:
            raise MachineError("The machine did not take the cancel.", hint="Stop it.") from error
        self.expect_end(DRAIN_PATIENCE_S)

    def stop_sent(self) -> None:
        """A software stop went to the machine; what has not begun never will."""
        if not self.started:
            self.end(RunState.CANCELLED, STOPPED_UNBEGUN)
        elif self._starting:
            self._wanted_meanwhile = "stop"

    async def wait_ended(self, deadline_s: float) -> bool:
        """Whether the run has ended, at the latest at `deadline_s` (`Clock.monotonic`)."""
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._over.wait()
        except TimeoutError:
            pass
        return self.ended

    def expect_end(self, within_s: float) -> None:
        """The driver must end the run soon."""
        if self._must_end_at_s is None:
            self._must_end_at_s = self._shared.clock.monotonic() + within_s
            self._changed.set()

    # What the driver tells

    def heard_activity(self, activity: Activity, reason: str) -> None:
        """The firmware changed what it does."""
        if not self.started and activity is Activity.FAULT:
            # A run that waits for cycle start would keep the machine from the reset that it needs.
            self.end(RunState.REFUSED, f"the machine has a fault ({reason})" if reason else "the machine has a fault")
        if not self.started or self.ended:
            return
        if activity is Activity.FAULT:
            self.expect_end(END_PATIENCE_S)
        following = _OF_ACTIVITY.get(activity)
        if following is None or (following, reason) == (self.state, self.reason):
            return
        if not self._running_told:
            self._become(RunState.RUNNING, "")
        if (following, reason) != (self.state, self.reason):
            self._become(following, reason)

    def heard_progress(self, progress: Progress) -> None:
        """Lines were acknowledged."""
        if self.started and not self.ended:
            self.progress = progress
            line, ends_at_bytes = progress.acknowledged_line, progress.acknowledged_bytes
            self._shared.journal.append(RunProgress(self.run_id, line, progress.planner_depth, ends_at_bytes))

    def heard_ended(self, kind: EndKind, reason: str, progress: Progress) -> None:
        """The driver ended its run."""
        if self.started and not self.ended:
            self.progress = progress
            failure = self._program.failure if self._program else None
            if failure is not None:
                self.end(RunState.FAILED, str(failure))
            else:
                self.end(_OF_END[kind], reason)

    # The run's own task

    async def carry_out(self, driver: Driver, obstacle: Callable[[], str]) -> None:
        """From preparing to the end. `obstacle()` names what stands in the way of the first byte, or is empty.

        Raises LinkError when the driver lost its run; the caller then gives up the link.
        """
        try:
            program = await self._shared.programs.open(self._start.program_sha256)
        except FleetctlError as error:
            self.end(RunState.REFUSED, str(error))
            return
        self._program = program
        try:
            await self._gate()
            await self._begin(driver, program, obstacle)
            await self._until_over(driver)
        finally:
            program.close()

    async def _gate(self) -> None:
        """Cutting and burning wait for a person at the machine (I14)."""
        if self.ended or self._machine.unattended or self._machine.profile.process is Process.ADDITIVE:
            return
        self.at_gate = True
        self._become(RunState.WAITING, PRESS_CYCLE_START)
        await self._pressed.wait()
        self.at_gate = False

    async def _begin(self, driver: Driver, program: Program, obstacle: Callable[[], str]) -> None:
        """The first byte, once the journal durably says that it may have gone out."""
        if self._refused(obstacle):
            return
        journal = self._shared.journal
        ticket = journal.append(RunStarted(self.run_id))
        durable = await journal.durable(ticket, self._shared.clock.monotonic() + JOURNAL_PATIENCE_S)
        if self._refused(lambda: obstacle() if durable else journal.failing or "The journal is not durable."):
            return
        if not await self._start_driver(driver, program):
            return
        if self._wanted_meanwhile == "stop":
            self.note("stop", "")
            driver.stop()  # and its end is told soon
            return
        if self._wanted_meanwhile == "cancel":
            await self._cancel_now(driver)
        if not self.ended and not self._running_told:
            self._become(RunState.RUNNING, "")

    async def _start_driver(self, driver: Driver, program: Program) -> bool:
        self.started = self._starting = True
        try:
            self.note("start", self._start.program_sha256)
            await driver.start(program)
        except (MachineError, OperatorError, StoreError) as error:
            if self._running_told:
                self.end(RunState.FAILED, str(error))
            else:
                self.started = False
                self.end(*self._not_begun(str(error)))
        finally:
            self._starting = False
        return not self.ended

    def _not_begun(self, reason: str) -> tuple[RunState, str]:
        """How a run ends of which no byte went out: what a person did meanwhile is nobody's fault."""
        if self._wanted_meanwhile == "stop":
            return RunState.CANCELLED, STOPPED_UNBEGUN
        if self._wanted_meanwhile == "cancel":
            return RunState.CANCELLED, "cancelled before it began"
        return RunState.REFUSED, reason

    def _refused(self, obstacle: Callable[[], str]) -> bool:
        if not self.ended and (reason := obstacle()):
            self.end(RunState.REFUSED, reason)
        return self.ended

    async def _until_over(self, driver: Driver) -> None:
        while not self.ended:
            self._changed.clear()
            deadlines = [at_s for at_s in (self._must_end_at_s, self._heat.due_s) if at_s is not None]
            try:
                async with asyncio.timeout_at(min(deadlines, default=None)):
                    await self._changed.wait()
            except TimeoutError:
                await self._overdue(driver)

    async def _overdue(self, driver: Driver) -> None:
        now_s = self._shared.clock.monotonic()
        if self._must_end_at_s is not None and self._must_end_at_s <= now_s:
            raise LinkError("The machine did not end its run in time.")
        if self._heat.due_s is not None and self._heat.due_s <= now_s:
            await self._heat_off(driver)

    async def _heat_off(self, driver: Driver) -> None:
        self._heat.done()
        minutes = self._machine.profile.heat_off_after_paused_s / 60
        try:
            self.note("make-safe", "")
            await driver.make_safe()
        except FleetctlError as error:
            self._heat.failed(self._shared.clock.monotonic())
            said = f"heaters could not be switched off after {minutes:.0f} min: {error}"
        else:
            said = f"heaters and spindle are off after {minutes:.0f} min of standing still"
        log.warning("%s: %s", self._machine.name, said)
        if not self.ended and said not in self.reason:
            self.reason = f"{self.reason}; {said}" if self.reason else said
            self._report()

    # Telling

    def _become(self, state: RunState, reason: str) -> None:
        if state is not self.state:
            self.state = step(RUN_TRANSITIONS, self.state, state, f"run {self.run_id}")
        self.reason = reason
        self._running_told = self._running_told or state is RunState.RUNNING
        if self.started:
            self._heat.state_is(state, self._shared.clock.monotonic())
        self._changed.set()
        self._report()

    def _report(self) -> None:
        self._on_change(self)
        self._shared.reports.run(self.record())

    def record(self) -> RunRecord:
        """The run as the reports have it: what may not have been executed is counted in lines of the program."""
        run = RunRecord(
            run_id=self.run_id,
            machine_id=self._machine.machine_id,
            epoch=self._start.epoch,
            state=self.state,
            reason=self.reason,
            started=self.started,
            acknowledged_line=self.progress.acknowledged_line,
            planner_depth=self.progress.planner_depth,
            program_sha256=self._start.program_sha256,
            acknowledged_bytes=self.progress.acknowledged_bytes,
        )
        before = self._program.before(run.acknowledged_bytes) if self._program is not None else NOTHING
        return in_lines(run, before, self._machine.profile)

    def _journal_taken(self) -> None:
        start = self._start
        taken = RunTaken(self.run_id, self._machine.machine_id, start.epoch, RunState.CLAIMED, start.program_sha256)
        self._shared.journal.append(taken)
