"""All machines of one agent: a task per machine, owned by one group; stops that reach every link at once.

Responsible for which sessions exist and for what concerns more than one of them. Must not know commands, their
ids or the line to the controller.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, NamedTuple

from fleetctl.agent.execution import DRAIN_PATIENCE_S, END_PATIENCE_S
from fleetctl.agent.records import Assigned, Latched
from fleetctl.agent.safing import MAKE_SAFE_PATIENCE_S
from fleetctl.agent.session import Session
from fleetctl.agent.shared import Shared
from fleetctl.model.messages import MachineAssignment, StopOutcome

log = logging.getLogger(__name__)

LEAVE_PATIENCE_S = DRAIN_PATIENCE_S + END_PATIENCE_S + MAKE_SAFE_PATIENCE_S
"""How long machines may take to let go when the agent must end now: a cancel drains the planner, heat goes off."""


class StopUnderWay(NamedTuple):
    """A stop whose bytes are out: which machine got them, and how long the last byte took, in seconds."""

    sent: dict[str, bool]
    last_byte_s: float


class Supervisor:
    """The sessions. `run()` is the task that owns them all."""

    def __init__(self, shared: Shared, on_leaving: Callable[[], None] = lambda: None) -> None:
        """No machine yet; `run` takes up what the journal has. `on_leaving` is called when `leaving` changes."""
        self._on_leaving = on_leaving
        self.sessions: dict[str, Session] = {}
        self._shared = shared
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: Literal["", "idle", "now"] = ""
        self._may_stay = False

    @property
    def leaving(self) -> bool:
        """Whether the agent is about to end, and takes no more runs."""
        return bool(self._leaving)

    async def run(self) -> None:
        """Hold the machines of the journal, then whatever `assign` says, until `leave`."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for assignment in self._shared.journal.state.content.machines.values():
                self._hold(assignment)
            await self._until_left()
            self._may_stay = False
            for session in self.sessions.values():
                session.retire()
            await self._let_go()
        self._group = None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do `work` in the agent's own group. It must not raise."""
        if self._group is None:
            work.close()
        else:
            self._group.create_task(work, name=name)

    # Machines

    def assign(self, machines: tuple[MachineAssignment, ...]) -> None:
        """Hold these machines from now on, and no others."""
        content = self._shared.journal.state.content
        if machines != tuple(content.machines.values()):
            self._shared.journal.append(Assigned(machines))
        wanted = {machine.machine_id for machine in machines}
        for machine_id in [machine_id for machine_id in self.sessions if machine_id not in wanted]:
            self.sessions.pop(machine_id).retire()
        for machine in machines:
            session = self.sessions.get(machine.machine_id)
            if session is None:
                self._hold(machine)
            else:
                session.assign(machine)

    def _hold(self, assignment: MachineAssignment) -> None:
        if self._group is None or self._leaving == "now":
            return
        session = self.sessions[assignment.machine_id] = Session(assignment, self._shared)
        before = self._tasks.get(assignment.machine_id)
        self._tasks[assignment.machine_id] = self._group.create_task(
            self._run_session(session, before), name=f"session {assignment.name}"
        )

    async def _run_session(self, session: Session, before: asyncio.Task[None] | None) -> None:
        """A machine that is removed and added again waits until its port is free."""
        if before is not None and not before.done():
            await asyncio.wait([before])
        await session.run()

    # Stops

    def stop(self, stop_id: str, machine_id: str | None) -> StopUnderWay:
        """Stop one machine, or everything and stay stopped: every byte is written before this returns."""
        begun_s = self._shared.clock.monotonic()
        if machine_id is None:
            self._shared.journal.append(Latched(stop_id))
            chosen = dict(self.sessions)
        else:
            chosen = {machine_id: self.sessions[machine_id]} if machine_id in self.sessions else {}
        # First nothing more goes out anywhere, then every link gets its stop; no turn of the loop lies between.
        ordered = sorted(chosen.items(), key=lambda item: item[1].stop_rank)
        for _, session in ordered:
            session.discard_unsent()
        sent = {chosen_id: session.stop_now() for chosen_id, session in ordered}
        last_byte_s = self._shared.clock.monotonic() - begun_s
        for session in chosen.values():
            session.stop_sent()
        if machine_id is not None and not chosen:
            sent[machine_id] = False
        return StopUnderWay(sent, last_byte_s)

    async def confirm(self, stop: StopUnderWay) -> tuple[StopOutcome, ...]:
        """What became of a stop on every machine, asked of all at the same time."""
        async with asyncio.TaskGroup() as group:
            asked = {
                machine_id: group.create_task(self.sessions[machine_id].stop_confirmed(), name=f"stop {machine_id}")
                for machine_id, sent in stop.sent.items()
                if sent and machine_id in self.sessions
            }
        return tuple(
            StopOutcome(machine_id=machine_id, outcome=_outcome(sent, asked.get(machine_id)))
            for machine_id, sent in stop.sent.items()
        )

    def latch(self, stop_id: str) -> None:
        """The controller's record says that everything is stopped. Who is stopped already only takes on the id,
        so that its release is understood."""
        held = self._shared.journal.state.content.stop_id
        if not held:
            self.stop(stop_id, None)
        elif held != stop_id:
            self._shared.journal.append(Latched(stop_id))

    def release(self, stop_id: str) -> None:
        """A person released that stop; nothing begins by itself because of it. A release of another stop than
        the one that holds came late and changes nothing."""
        held = self._shared.journal.state.content.stop_id
        if held and held == stop_id:
            self._shared.journal.append(Latched(""))
        elif held:
            log.warning("release of stop %s ignored: stop %s holds", stop_id, held)

    def tell_all(self) -> None:
        """Report every machine as it is now, changed or not."""
        for session in self.sessions.values():
            session.facts.tell(again=True)

    # The end

    def leave(self, when: Literal["idle", "now"], *, may_stay: bool = False) -> None:
        """End: after the last run, or now. *now* after *idle* hurries; the reverse changes nothing.

        `may_stay`: a controller that went away asked, and the next one takes it back by `stay`.
        """
        self._may_stay = may_stay and when == "idle" and (self._may_stay or not self._leaving)
        before = self._leaving
        if self._leaving != "now":
            self._leaving = when
        if not before:
            self._on_leaving()
        self._shared.run_ended.set()

    def stay(self) -> None:
        """A controller is here again: it may give work to the agent that the one before told to leave when idle."""
        if self._may_stay:
            self._may_stay = False
            self._leaving = ""
            self._on_leaving()

    async def _until_left(self) -> None:
        while not (self._leaving == "now" or (self._leaving == "idle" and self._idle())):
            self._shared.run_ended.clear()
            await self._shared.run_ended.wait()

    def _idle(self) -> bool:
        return not any(session.busy for session in self.sessions.values())

    async def _let_go(self) -> None:
        tasks = [task for task in self._tasks.values() if not task.done()]
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=LEAVE_PATIENCE_S)
            for task in hanging:
                log.error("%s does not end; cancelled", task.get_name())
                task.cancel()


def _outcome(sent: bool, asked: asyncio.Task[bool] | None) -> str:
    if not sent:
        return "unreachable"
    return "confirmed" if asked is not None and asked.result() else "sent"
