"""The agents of this site: which answer, and the ways to reach the machines they hold."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence

from fleetctl.errors import AgentUnavailable, MachineError, UsageError
from fleetctl.fleet.link import AgentLink
from fleetctl.fleet.shapes import EventShape
from fleetctl.model.deeds import DEEDS, Deed, Probe
from fleetctl.model.machine import Machine
from fleetctl.model.messages import Answer, Jog, JogReport, Leave, Question, Release, Reply, Stop, StopReport, Verb

log = logging.getLogger(__name__)

AGENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""Names are parts of paths, and the kernel wants the path of a socket to be short."""

OWN = "own"

ANSWER_WITHIN_S = 15.0
"""How long a person waits for a verb before the page says that the machine did not answer."""

HOMING_WITHIN_S = 300.0
"""Homing a large machine takes minutes."""

STOP_WITHIN_S = 3.0
"""The agent gives firmware two seconds to confirm a stop; one more for the way."""


class Agents:
    """All agents by name; one link each. The first one is always there; `make_link` makes the links of others, which
    are there as long as they hold a machine."""

    def __init__(self, links: Mapping[str, AgentLink], make_link: Callable[[str], AgentLink] | None = None) -> None:
        self._links = dict(links)
        self._make_link = make_link
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The agents of this site, whether they answer or not."""
        return tuple(self._links)

    def connected(self) -> frozenset[str]:
        """The agents that answer now."""
        return frozenset(name for name, link in self._links.items() if link.connected)

    def leaving(self) -> frozenset[str]:
        """The agents that take no more runs, because they are about to end."""
        return frozenset(
            name for name, link in self._links.items() if (link.connected and link.leaving) or link.foreign
        )

    def links(self) -> tuple[AgentLink, ...]:
        """All links, those of agents that do not answer too."""
        return tuple(self._links.values())

    async def run(self) -> None:
        """Hold all links until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name in self._links:
                self._hold(name)
            await asyncio.get_running_loop().create_future()

    def ensure(self, name: str) -> None:
        """Hold a link to this agent too, which starts it where it does not run. Raises UsageError."""
        if name in self._links:
            return
        if self._make_link is None or not AGENT_NAME.fullmatch(name):
            raise UsageError(f"There is no agent {name!r}.", hint="A name has small letters, digits and dashes.")
        self._links[name] = self._make_link(name)
        self._hold(name)

    def dismiss(self, name: str) -> None:
        """Nothing is held by this agent any more: let it end. The first agent stays."""
        if name == self.names[0] or name not in self._links:
            return
        link = self._links.pop(name)
        with contextlib.suppress(AgentUnavailable):
            link.send(Leave(when="idle"))
        if (task := self._tasks.pop(name, None)) is not None:
            task.cancel()

    def _hold(self, name: str) -> None:
        if self._group is not None and name not in self._tasks:
            self._tasks[name] = self._group.create_task(self._links[name].run(), name=f"agent {name}")

    def heard(self, events: Sequence[EventShape]) -> None:
        """Listener of the bus: a withdrawal is committed with the change of a job or machine that it follows from."""
        if any(event.kind.startswith(("job.", "machine.", "stop.")) for event in events):
            for link in self._links.values():
                link.commands_waiting()

    def commands_waiting(self, agent: str) -> None:
        """Tell a link that commands for its agent were committed."""
        self._links[agent].commands_waiting()

    def assignments_changed(self, agent: str) -> None:
        """Tell a link that its agent must hold other machines from now on."""
        self._links[agent].assignments_changed()

    async def verb(
        self, machine: Machine, verb: str, command_id: str, *, now_s: float, run_id: str | None = None, text: str = ""
    ) -> tuple[str, ...]:
        """Do one thing to one machine now; its answer lines.

        Raises AgentUnavailable when nobody can be asked or no answer came in time (it may still happen until
        then, never later), MachineError with the agent's sentence when it was refused or failed.
        """
        within_s = HOMING_WITHIN_S if verb == "home" else ANSWER_WITHIN_S
        message = Verb(
            command_id=command_id,
            machine_id=machine.id,
            verb=verb,
            run_id=run_id,
            text=text,
            not_after_s=now_s + within_s,
        )
        return (await self._answer(machine, message, within_s)).lines

    async def deed(self, machine: Machine, deed: Deed, command_id: str, *, now_s: float) -> Answer:
        """Do one thing by hand at one machine now. Raises as `verb` does."""
        within_s = ANSWER_WITHIN_S + (deed.distance_mm / deed.feed_mm_s if isinstance(deed, Probe) else 0.0)
        message = Verb(
            command_id=command_id,
            machine_id=machine.id,
            verb=DEEDS[type(deed)],
            deed=deed,
            not_after_s=now_s + within_s,
        )
        return await self._answer(machine, message, within_s)

    async def _answer(self, machine: Machine, message: Verb, within_s: float) -> Answer:
        answer = await self._link(machine.agent).ask(message, within_s)
        if not isinstance(answer, Answer):
            raise AgentUnavailable(machine=machine.name)
        if answer.error:
            raise MachineError(answer.error, machine=machine.name)
        return answer

    def jog(self, agent: str, jog: Jog) -> None:
        """One heartbeat of a hand on a machine, now. Raises AgentUnavailable."""
        self._link(agent).send(jog)

    def listen_to_jogs(self, heard: Callable[[JogReport], None]) -> None:
        """Have `heard` called with why a machine is not jogged, and when it is again."""
        for link in self._links.values():
            link.on_jog = heard

    async def question(self, machine: Machine, question: Question, within_s: float) -> bytes:
        """What the agent knows of a machine. Raises AgentUnavailable, MachineError with the agent's sentence."""
        reply = await self._link(machine.agent).ask(question, within_s)
        if not isinstance(reply, Reply):
            raise AgentUnavailable(machine=machine.name)
        if reply.error:
            raise MachineError(reply.error, machine=machine.name)
        return reply.data

    async def stop(self, command_id: str, machine: Machine | None) -> dict[str, StopReport | None]:
        """Send a stop on every link at once; by agent the report, None where no answer came."""
        names = list(self._links) if machine is None else [machine.agent]
        message = Stop(command_id=command_id, machine_id=None if machine is None else machine.id)
        reports = await asyncio.gather(*(self._stop_one(name, message) for name in names))
        return dict(zip(names, reports, strict=True))

    async def _stop_one(self, name: str, message: Stop) -> StopReport | None:
        try:
            answer = await self._link(name).ask(message, STOP_WITHIN_S)
        except AgentUnavailable:
            return None
        return answer if isinstance(answer, StopReport) else None

    def release(self, command_id: str) -> None:
        """Tell every agent that answers that the stop was released; the others learn it when they connect."""
        for name, link in self._links.items():
            try:
                link.send(Release(command_id=command_id))
            except AgentUnavailable as error:
                log.warning("agent %s learns of the release when it connects: %s", name, error)

    def leave(self, message: Leave) -> None:
        """Tell every agent that answers to end, after its last run or now. Never raises."""
        for name, link in self._links.items():
            try:
                link.send(message)
            except AgentUnavailable as error:
                log.warning("agent %s was not told to leave: %s", name, error)

    def _link(self, name: str) -> AgentLink:
        link = self._links.get(name)
        if link is None:
            raise AgentUnavailable(f"There is no agent {name} here.")
        return link


def agent_of(choice: str, machine: str, first: str) -> str:
    """The name of the agent that a choice means: `own` is one for this machine alone, nothing is the first one.

    Raises UsageError.
    """
    if not choice:
        return first
    if choice == OWN:
        return f"{OWN}-{re.sub(r'[^a-z0-9]+', '-', machine.lower())}"[:32].rstrip("-")
    if not AGENT_NAME.fullmatch(choice):
        raise UsageError(f"{choice!r} is no name of an agent.", hint="Small letters, digits and dashes; or own.")
    return choice
