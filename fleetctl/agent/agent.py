"""The agent: a record of the parts that hold machine links, and how they begin and end together.

Every effect is handed in (`Surroundings`): `fleetctl.agent_app` builds the real agent and the simulation its own from
the same parts. This module must not know the store, a driver's words or the controller's rules.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fleetctl.agent.blocking import RunBlocking, inline
from fleetctl.agent.captures import Captures
from fleetctl.agent.commands import Commands
from fleetctl.agent.files import JournalFile
from fleetctl.agent.journal import Journal
from fleetctl.agent.lag import Blocked, LagMonitor
from fleetctl.agent.link import ControllerLink, Listen
from fleetctl.agent.owners import Owners
from fleetctl.agent.programs import Programs
from fleetctl.agent.questions import Questions
from fleetctl.agent.records import Outcome
from fleetctl.agent.recovery import begin_boot
from fleetctl.agent.reports import Reports
from fleetctl.agent.shared import OpenTransport, Shared
from fleetctl.agent.supervisor import Supervisor
from fleetctl.agent.telemetry import TelemetryBoard
from fleetctl.clock import Clock
from fleetctl.driver.api import DriverType
from fleetctl.model.identity import NewId
from fleetctl.model.messages import PROTOCOL_VERSION, BlockedReport, JogReport, LeavingReport, Reply, Welcome
from fleetctl.transport.hotplug import PortWatch
from fleetctl.transport.peer import PeerLink

log = logging.getLogger(__name__)

NAME_AGAIN_S = 10.0
"""Who holds up the agent again and again is named no more often than this; the log has all of it."""

LAST_WORDS_S = 2.0
"""How long an agent that leaves waits for the controller to acknowledge its last reports."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Everything of the outside world that the agent touches.

    `name`: the agent's identity, the same after a restart. `new_id` gives the boot id. `journal_file` is read
    and written through `journal_blocking` only; `programs` is given already wired to its own threads.
    `listen` begins to take controllers in: `functools.partial(serve_peers, path)`, or the simulation's twin.
    `reports_in_flight`: 1 where the link may lose single messages; 64 suits a socket (see `ControllerLink`).
    `watch_loop`: start the thread that samples the loop when it is late; never in a virtual loop. `tell_stuck` is
    called in that thread while the loop does not go on.
    `captures`: the folder of the captures of links, opened and read through `captures_blocking`; each is written by
    a thread of its own.
    """

    name: str
    version: str
    clock: Clock
    rng: random.Random
    new_id: NewId
    journal_file: JournalFile
    journal_blocking: RunBlocking
    programs: Programs
    drivers: Mapping[str, DriverType]
    open_transport: OpenTransport
    listen: Listen
    pid: int = 0
    reports_in_flight: int = 1
    watch_loop: bool = False
    captures: Path | None = None
    captures_blocking: RunBlocking = inline
    tell_stuck: Callable[[Blocked], None] = lambda _blocked: None
    port_watch: PortWatch = field(default_factory=PortWatch)


class Agent:
    """One agent. `Agent(surroundings)`, then `await run()`; it ends by Leave, `leave()` or cancellation."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Takes the parts; reads and opens nothing."""
        around = self._around = surroundings
        self.boot_id = around.new_id()
        self.journal = Journal(around.journal_file, around.journal_blocking, around.clock)
        self.shared = Shared(
            clock=around.clock,
            rng=around.rng,
            journal=self.journal,
            reports=Reports(self.journal, around.clock),
            telemetry=TelemetryBoard(),
            programs=around.programs,
            drivers=around.drivers,
            open_transport=around.open_transport,
            run_ended=asyncio.Event(),
            port_watch=around.port_watch,
        )
        self.supervisor = Supervisor(self.shared, self._tell_leaving)
        captures = Captures(around.captures, around.captures_blocking, around.clock)
        questions = Questions(self.supervisor, captures, self._post)
        self.commands = Commands(self.shared, self.supervisor, self._post, self._tell, questions.take)
        self.link = ControllerLink(self.shared, self.commands.take, self._welcome, around.reports_in_flight)
        self._name_again_s: dict[str, float] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read the journal, report what was cut off, hold the machines; returns when the agent has left.

        Cancelling it closes every link at once without making machines safe, like a kill. Raises OSError when
        the journal cannot be read, StoreTooNew when a newer version wrote it, LinkUnavailable when nobody can reach
        us.
        """
        await self.journal.open()
        programs, journal_id = self._around.programs, self._around.new_id()
        cut_off = await begin_boot(self.journal, self.shared.reports, programs, self.boot_id, journal_id)
        if cut_off:
            log.warning("the agent before this one ended during %d runs: %s", len(cut_off), ", ".join(cut_off))
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                helpers = [tasks.create_task(self.journal.run(), name="journal")]
                if self._around.watch_loop:
                    helpers.append(tasks.create_task(self._watch().run(), name="loop lag"))
                server = await self._around.listen(self._take_in)
                try:
                    await self.supervisor.run()
                    await self.link.delivered(self._around.clock.monotonic() + LAST_WORDS_S)
                finally:
                    for task in (*helpers, *self._serving):
                        task.cancel()
                    await server.aclose()
        finally:
            self._tasks = None
            await self.close()

    def leave(self, when: Literal["idle", "now"]) -> None:
        """End after the last run (`idle`), or interrupt what runs and make it safe (`now`). `run` returns."""
        self.supervisor.leave(when)

    async def close(self) -> None:
        """Write what is left of the journal and close it; idempotent."""
        await self.journal.close()

    def _watch(self) -> LagMonitor:
        owners = Owners(lambda: self.supervisor.sessions)
        return LagMonitor(self._around.clock, owners, self.blocked, self._around.tell_stuck)

    def blocked(self, blocked: Blocked) -> None:
        """A call held up the loop: name its machine, which gets its stop last from now on."""
        session = self.supervisor.sessions.get(blocked.machine_id)
        if session is None:
            return
        session.blocks = True
        now_s = self._around.clock.monotonic()
        if now_s < self._name_again_s.get(blocked.machine_id, 0.0):
            return
        self._name_again_s[blocked.machine_id] = now_s + NAME_AGAIN_S
        driver = session.assignment.driver
        log.warning("%s: its driver %s held up all machines for %.2f s", session.name, driver, blocked.late_s)
        self.link.tell(
            BlockedReport(
                machine_id=blocked.machine_id,
                driver=driver,
                late_s=blocked.late_s,
                where=blocked.where,
                at_s=self._around.clock.wall().timestamp(),
            )
        )

    def _tell_leaving(self) -> None:
        self.link.tell(LeavingReport(leaving=self.supervisor.leaving))

    def _post(self, outcome: Outcome | Reply) -> None:
        self.link.post(outcome)

    def _tell(self, report: JogReport) -> None:
        self.link.tell(report)

    def _welcome(self) -> Welcome:
        content = self.journal.state.content
        return Welcome(
            protocol_version=PROTOCOL_VERSION,
            agent=self._around.name,
            journal_id=content.journal_id,
            boot_id=self.boot_id,
            version=self._around.version,
            pid=self._around.pid,
            active_runs=tuple(run.run_id for run in self.journal.state.active_runs()),
            last_sequence=content.last_sequence,
            leaving=self.supervisor.leaving,
            stop_id=content.stop_id,
        )

    async def _take_in(self, peer: PeerLink) -> None:
        """One link of a controller, in the agent's own group of tasks."""
        if self._tasks is None:
            return
        serving = self._tasks.create_task(self._serve(peer), name="controller link")
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        await asyncio.wait([serving])

    async def _serve(self, peer: PeerLink) -> None:
        try:
            await self.link.serve(peer)
        except Exception:  # the boundary of a request: what the controller sends must not end a stream
            log.exception("the link to the controller failed; machines go on")
