"""The line between controller and agent: broken, slow, doubled on a seed; and what the agent has been told.

What has arrived at the agent decides what it may be held to: a stop that it was told of must hold (I15), a run that
was withdrawn must not begin. This module must not know what the agent does with it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable

from fleetctl.clock import Clock
from fleetctl.errors import LinkError, LinkUnavailable
from fleetctl.model.messages import Hello, Release, Stop, Withdraw, decode_to_agent
from fleetctl.testing.simulation.process import Process
from fleetctl.testing.simulation.scenario import Luck
from fleetctl.transport.peer import PeerLink
from fleetctl.transport.peer_memory import MemoryPeerLink, PeerFaults, memory_peer_pair

Serve = Callable[[PeerLink], Awaitable[None]]


JUST_NOW_S = 0.1


class Heard:
    """What has arrived at the agent, over all its lives."""

    def __init__(self, clock: Clock) -> None:
        self.stop_id = ""
        self._clock = clock
        self._withdrawn_s: dict[str, float] = {}

    def is_withdrawn(self, run_id: str) -> bool:
        """Whether the agent was told never to begin a run, and not just now: one whose first byte was on its way at
        that very moment has begun, and is cancelled."""
        told_s = self._withdrawn_s.get(run_id)
        return told_s is not None and self._clock.monotonic() > told_s + JUST_NOW_S

    def note(self, data: bytes) -> None:
        """A message that the agent takes."""
        message = decode_to_agent(data)
        if isinstance(message, Stop) and message.machine_id is None:
            self.stop_id = message.command_id
        elif isinstance(message, Hello) and message.stop_id:
            self.stop_id = message.stop_id
        elif isinstance(message, Release):
            self.stop_id = ""
        elif isinstance(message, Withdraw):
            self._withdrawn_s.setdefault(message.run_id, self._clock.monotonic())


class HearingLink:
    """The agent's end of a line, which notes what arrives: a `PeerLink`."""

    def __init__(self, inner: MemoryPeerLink, heard: Heard) -> None:
        self._inner = inner
        self._heard = heard

    @property
    def lost(self) -> LinkError | None:
        """As the line says."""
        return self._inner.lost

    def send(self, message: bytes) -> bool:
        """Pass on."""
        return self._inner.send(message)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = await self._inner.__anext__()
        self._heard.note(data)
        return data

    def close(self) -> None:
        """Pass on."""
        self._inner.close()

    async def wait_closed(self) -> None:
        """Pass on."""
        await self._inner.wait_closed()


class AgentDoor:
    """Where an agent listens; gone when its process is."""

    def __init__(self, process: Process, serve: Serve) -> None:
        self.process = process
        self._serve = serve
        self._links: list[PeerLink] = []
        process.on_death.append(self.close)

    def take_in(self, link: PeerLink) -> None:
        """Serve one link in a task of the agent's process, and close it afterwards."""
        self._links = [*(one for one in self._links if one.lost is None), link]

        async def serve() -> None:
            try:
                await self._serve(link)
            finally:
                link.close()

        self.process.spawn(serve(), "agent door")

    def close(self) -> None:
        """Every link ends."""
        for link in self._links:
            link.close()

    async def aclose(self) -> None:
        """As the real server: links end."""
        self.close()


class Switchboard:
    """Dials the agent for the controller."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.heard = Heard(clock)
        self.door: AgentDoor | None = None
        self._clock = clock
        self._rng = rng
        self._luck = Luck()
        self._open: list[MemoryPeerLink] = []

    def set_luck(self, luck: Luck) -> None:
        """From now on, for links that are dialled from now on; those that are open break."""
        self._luck = luck
        self.cut()

    def cut(self) -> None:
        """Break every link that is open."""
        links, self._open = self._open, []
        for link in links:
            link.cut()

    async def dial(self, process: Process) -> MemoryPeerLink:
        """A line for the controller `process`. Raises LinkUnavailable."""
        await self._clock.sleep(self._rng.uniform(0.0, 0.05))
        door = self.door
        if door is None or not door.process.alive or not process.alive:
            raise LinkUnavailable("Nobody listens.")
        ours, theirs = memory_peer_pair(self._faults())
        process.on_death.append(ours.close)
        self._open = [*(link for link in self._open if link.lost is None), ours]
        door.take_in(HearingLink(theirs, self.heard))
        return ours

    def _faults(self) -> PeerFaults | None:
        luck = self._luck
        rates = (luck.peer_break, luck.peer_duplicate, luck.peer_lose, luck.peer_delay_s)
        if not any(rates):
            return None
        return PeerFaults(
            rng=self._rng,
            delay_s=(0.0, luck.peer_delay_s),
            break_link=luck.peer_break,
            lose=luck.peer_lose,
            duplicate=luck.peer_duplicate,
        )
