"""What the controller asks, done once however often it comes.

Responsible for command ids and run ids: what was seen is answered again and never done again. Must not know
the line; answers go out through `post`, and an answer that is lost is fetched by sending the command again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import msgspec

from fleetctl.agent import verbs
from fleetctl.agent.execution import JOURNAL_PATIENCE_S
from fleetctl.agent.records import Acknowledged, CommandDone, CommandSeen, Outcome, RunTaken
from fleetctl.agent.session import STOP_PATIENCE_S, Session
from fleetctl.agent.shared import Shared
from fleetctl.agent.supervisor import StopUnderWay, Supervisor
from fleetctl.model.messages import (
    Acknowledge,
    Answer,
    Assign,
    Hello,
    Jog,
    JogReport,
    Leave,
    Question,
    Release,
    Start,
    Stop,
    StopReport,
    ToAgent,
    Verb,
    Withdraw,
)
from fleetctl.model.run import ENDED, RunState

log = logging.getLogger(__name__)

LEAVING = "the agent is about to end; its successor begins it"
STOPPED = "everything is stopped until a person releases it"


class Commands:
    """Takes messages of the controller, in order, each in one turn of the loop."""

    def __init__(
        self,
        shared: Shared,
        supervisor: Supervisor,
        post: Callable[[Outcome], None],
        tell: Callable[[JogReport], None],
        ask: Callable[[Question], None],
    ) -> None:
        """`post` sends an outcome if there is a line, and forgets it if there is none; `tell` if there is room.
        `ask` takes questions.
        """
        self._shared = shared
        self._journal = shared.journal
        self._supervisor = supervisor
        self._post = post
        self._ask = ask
        self._tell = tell
        self._jogs_refused: dict[str, str] = {}
        self._under_way: set[str] = set()

    def take(self, message: ToAgent) -> None:
        """Do what `message` says."""
        match message:
            case Hello():
                self._hello(message)
            case Assign(machines=machines):
                self._supervisor.assign(machines)
            case Start():
                self._start(message)
            case Withdraw():
                self._withdraw(message)
            case Jog():
                self._jog(message)
            case Verb():
                self._verb(message)
            case Stop():
                self._stop(message)
            case Release(command_id=stop_id):
                self._supervisor.release(stop_id)
            case Acknowledge(sequence=sequence):
                self._acknowledge(sequence)
            case Leave(when=when):
                self._leave(when)
            case Question():
                self._ask(message)

    def _first_time(self, command_id: str) -> bool:
        """Whether the command is new; if not, its outcome goes out again as soon as there is one."""
        known = self._journal.state.content.commands
        if command_id not in known:
            self._journal.append(CommandSeen(command_id))
            return True
        if (outcome := known[command_id]) is not None:
            self._post(outcome)
        return False

    def _finish(self, outcome: Outcome) -> None:
        self._journal.append(CommandDone(outcome.command_id, outcome))
        self._post(outcome)

    # Jogging

    def _jog(self, jog: Jog) -> None:
        """One heartbeat, now: twelve a second come for each machine that somebody jogs."""
        session = self._supervisor.sessions.get(jog.machine_id)
        if session is None:
            refused = "This agent does not hold the machine."
        else:
            refused = session.jog_hand.take(jog, self._shared.clock.wall().timestamp())
        if refused != self._jogs_refused.get(jog.machine_id, ""):
            self._jogs_refused[jog.machine_id] = refused
            self._tell(JogReport(machine_id=jog.machine_id, refused=refused))

    # What holds for all machines

    def _hello(self, hello: Hello) -> None:
        """A stop may have been pressed while nobody could tell us (I15); only Release releases one."""
        self._supervisor.stay()
        self._supervisor.assign(hello.machines)
        self._jogs_refused.clear()  # this one was told nothing yet
        if hello.stop_id:
            self._supervisor.latch(hello.stop_id)
        # While nobody was here the controller put all machines on record as offline.
        self._supervisor.tell_all()

    def _acknowledge(self, sequence: int) -> None:
        content = self._journal.state.content
        if sequence > content.last_sequence:
            log.error("the controller acknowledges report %d, which was never made; ignored", sequence)
        elif any(number <= sequence for number in content.reports):
            self._journal.append(Acknowledged(sequence))
            self._shared.reports.fresh.set()

    def _leave(self, when: str) -> None:
        known: dict[str, Literal["idle", "now"]] = {"idle": "idle", "now": "now"}
        if when not in known:
            log.error("the controller asks to leave %r, which makes no sense; ignored", when)
            return
        self._supervisor.leave(known[when], may_stay=True)

    # Runs

    def _start(self, start: Start) -> None:
        self._first_time(start.command_id)
        if start.run_id in self._journal.state.content.runs:
            self._repeat(start.run_id)
            return
        session = self._supervisor.sessions.get(start.machine_id)
        if session is None:
            reason = "this agent does not hold the machine"
            self._end_unbegun(start.run_id, start.machine_id, start.epoch, RunState.REFUSED, reason)
        elif self._journal.state.stopped:
            # Not *refused*, which would count against the job: a person stopped it.
            self._end_unbegun(start.run_id, start.machine_id, start.epoch, RunState.CANCELLED, STOPPED)
        elif self._supervisor.leaving:
            # Neither: it crossed our word that we leave, and nobody is to blame.
            self._end_unbegun(start.run_id, start.machine_id, start.epoch, RunState.CANCELLED, LEAVING)
        else:
            session.start(start, self._obstacle(start))

    def _obstacle(self, start: Start) -> str:
        late_s = self._shared.clock.wall().timestamp() - start.not_after_s
        if late_s > 0:
            return f"the start came {late_s:.1f} s too late"
        return ""

    def _end_unbegun(self, run_id: str, machine_id: str, epoch: int, state: RunState, reason: str) -> None:
        """Use the run id up, so that no Start of it can ever begin."""
        self._journal.append(RunTaken(run_id, machine_id, epoch, RunState.CLAIMED))
        run = self._journal.state.content.runs[run_id]
        self._shared.reports.run(msgspec.structs.replace(run, state=state, reason=reason))

    def _repeat(self, run_id: str) -> None:
        """Say again how the run stands, unless a report of it is on its way anyway."""
        content = self._journal.state.content
        on_its_way = any(getattr(report, "run_id", None) == run_id for report in content.reports.values())
        if not on_its_way:
            self._shared.reports.run(content.runs[run_id])

    def _withdraw(self, withdraw: Withdraw) -> None:
        self._first_time(withdraw.command_id)
        run = self._journal.state.content.runs.get(withdraw.run_id)
        if run is None:
            reason = "withdrawn before it began"
            self._end_unbegun(withdraw.run_id, withdraw.machine_id, 0, RunState.CANCELLED, reason)
            return
        session = self._supervisor.sessions.get(run.machine_id)
        hand = session.hand if session is not None else None
        if run.state in ENDED or session is None or hand is None or hand.run_id != withdraw.run_id:
            self._repeat(withdraw.run_id)
        elif not hand.started:
            hand.end(RunState.CANCELLED, "withdrawn before it began")
        else:
            cancel = Verb(
                command_id=withdraw.command_id,
                machine_id=run.machine_id,
                verb="cancel",
                run_id=withdraw.run_id,
                not_after_s=0.0,
            )
            self._supervisor.spawn(self._cancel(cancel, session), f"withdraw {withdraw.run_id}")

    async def _cancel(self, verb: Verb, session: Session) -> None:
        outcome = await verbs.answer(verb, session)
        if outcome.error:
            log.error("%s: run %s could not be withdrawn: %s", session.name, verb.run_id, outcome.error)

    # Verbs and stops

    def _verb(self, verb: Verb) -> None:
        known = self._journal.state.content.commands
        if verb.command_id in known and known[verb.command_id] is None:
            if verb.command_id not in self._under_way:
                error = "The agent was restarted while it did this; look at the machine before you ask again."
                self._finish(Answer(command_id=verb.command_id, error=error))
            return
        if not self._first_time(verb.command_id):
            return
        late_s = self._shared.clock.wall().timestamp() - verb.not_after_s
        session = self._supervisor.sessions.get(verb.machine_id)
        if late_s > 0:
            error = f"The request came {late_s:.1f} s too late and was not carried out; ask again."
            self._finish(Answer(command_id=verb.command_id, error=error))
        elif session is None:
            self._finish(Answer(command_id=verb.command_id, error="This agent does not hold the machine."))
        else:
            self._under_way.add(verb.command_id)
            self._supervisor.spawn(self._do(verb, session), f"verb {verb.verb} on {session.name}")

    async def _do(self, verb: Verb, session: Session) -> None:
        if verb.verb not in verbs.SAFE_VERBS and not await self._recorded():
            outcome = Answer(command_id=verb.command_id, error=self._journal.failing)
        else:
            outcome = await verbs.answer(verb, session)
        self._under_way.discard(verb.command_id)
        self._finish(outcome)

    async def _recorded(self) -> bool:
        """A deed that moves something must not be done twice after a power cut either."""
        return await self._journal.settle(self._shared.clock.monotonic() + JOURNAL_PATIENCE_S)

    def _stop(self, stop: Stop) -> None:
        """Done again after a restart that left it without an outcome: stopping once too often does no harm."""
        done_before = not self._first_time(stop.command_id)
        lost = self._journal.state.content.commands.get(stop.command_id) is None
        if done_before and (not lost or stop.command_id in self._under_way):
            return
        self._under_way.add(stop.command_id)
        under_way = self._supervisor.stop(stop.command_id, stop.machine_id)
        self._supervisor.spawn(self._confirm(stop.command_id, under_way), f"stop {stop.command_id}")

    async def _confirm(self, command_id: str, under_way: StopUnderWay) -> None:
        """Say how it went once it is on the disk too; a disk that hangs delays that by no more than a machine."""
        async with asyncio.TaskGroup() as group:
            confirming = group.create_task(self._supervisor.confirm(under_way))
            group.create_task(self._journal.settle(self._shared.clock.monotonic() + STOP_PATIENCE_S))
        self._under_way.discard(command_id)
        report = StopReport(command_id=command_id, outcomes=confirming.result(), last_byte_s=under_way.last_byte_s)
        self._finish(report)
