"""The controller's surface for agents, for the API's tests: one agent that holds all machines, and what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fleetctl.errors import Conflict
from fleetctl.fleet.agent_shapes import AgentShape, BlockedShape

if TYPE_CHECKING:
    from tests.unit.api.fake_controller import FakeController


class FakeAgentDesk:
    """Gives any machine away that has no run."""

    def __init__(self, world: FakeController) -> None:
        self._world = world
        self.stuck = ""

    async def agents(self) -> list[AgentShape]:
        blocked = BlockedShape(machine="K1", driver="marlin", late_s=1.25, where="driver.py:12 compute", at_s=1.0)
        held = tuple(self._world.machine)
        return [
            AgentShape(name="local", connected=True, leaving=False, version="1", pid=12, machines=held,
                       stuck=self.stuck, blocked=(blocked,)),
            AgentShape(name="own-m9", connected=False, leaving=False, version="", pid=0, machines=()),
        ]  # fmt: skip

    async def give(self, name: str, choice: str, actor: str, seen: int | None = None) -> str:
        machine = await self._world.views.machine(name)
        if machine.run is not None:
            raise Conflict(f"{name} has an active run.")
        self._world.calls.append(("give", name, choice, actor, seen))
        self._world.machine[name] = msgspec.structs.replace(machine, agent=choice)
        return choice
