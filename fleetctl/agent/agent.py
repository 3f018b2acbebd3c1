"""The agent: a record of the parts that hold machine links, and how they begin and end together.

Every effect is handed in (`Surroundings`), because `fleetctl.app` builds the real agent and the simulated one
from the same parts. This module must not know the store, a driver's words or the controller's rules.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from fleetctl.agent.blocking import RunBlocking
from fleetctl.agent.files import JournalFile
from fleetctl.agent.link import Listen
from fleetctl.agent.programs import Programs
from fleetctl.clock import Clock
from fleetctl.driver.api import DriverType
from fleetctl.model.identity import NewId
from fleetctl.model.profile import Profile
from fleetctl.transport.base import Transport

OpenTransport = Callable[[str, Profile], Transport]
"""Makes the transport for a port and a profile; opens nothing yet. Raises LinkUnavailable or UsageError when
the port has no known form."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Everything of the outside world that the agent touches.

    `name`: the agent's identity, the same after a restart. `new_id` gives the boot id. `journal_file` is read
    and written through `journal_blocking` only; `programs` is given already wired to its own threads.
    `listen` begins to take controllers in: `functools.partial(serve_peers, path)`, or the simulation's twin.
    `watch_loop`: start the thread that samples the loop when it is late; never in a virtual loop.
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
    watch_loop: bool = False


class Agent:
    """One agent. `Agent(surroundings)`, then `await run()`; it ends by Leave, `leave()` or cancellation."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Takes the parts; reads and opens nothing."""

    async def run(self) -> None:
        """Read the journal, report what was cut off, hold the machines; returns when the agent has left.

        Cancelling it closes every link at once without making machines safe, like a kill.
        """
        raise NotImplementedError

    def leave(self, when: Literal["idle", "now"]) -> None:
        """End after the last run (`idle`), or interrupt what runs and make it safe (`now`). `run` returns."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every link now and the journal; idempotent. For use after `run` was cancelled or failed."""
        raise NotImplementedError
