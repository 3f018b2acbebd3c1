"""The operator panel over plain values: what people put on it, and what an agent would know."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fleetctl.errors import MachineError, NotFound
from fleetctl.fleet.temperatures import TemperatureColumns, Temperatures
from fleetctl.model.messages import CaptureState, ConsoleEntry, ConsoleLines
from fleetctl.store.panel import Panel

if TYPE_CHECKING:
    from tests.unit.api.fake_controller import FakeController


class FakePanels:
    """Keeps what it is given; each deed is noted in `calls` of the world."""

    def __init__(self, world: FakeController) -> None:
        self._world = world
        self.panels: dict[str, Panel] = {}
        self.entries: list[ConsoleEntry] = []
        self.history = Temperatures()
        self.watched = False
        self.captures: dict[str, CaptureState] = {}

    def warm_up(self, machine: str) -> None:
        """Half an hour of a nozzle and a bed that heat up, with a gap."""
        now_s = time.time()
        for ago_s in range(1800, -1, -2):
            age_s = 1800 - ago_s
            if 600 < age_s < 690:
                continue
            nozzle = 215 - 190 * math.exp(-age_s / 120) + 0.6 * math.sin(age_s / 9)
            bed = 60 - 36 * math.exp(-age_s / 300)
            self.history.heard(machine, now_s - ago_s, {"T0": (nozzle, 215.0), "B": (bed, 60.0)})
            if age_s == 600:
                self.history.lost(machine)

    def say(self, way: str, text: str) -> None:
        """A line of the console."""
        self.entries.append(ConsoleEntry(number=len(self.entries) + 1, at_s=time.time(), way=way, text=text))

    async def panel(self, name: str) -> Panel:
        await self._world.views.machine(name)
        return self.panels.get(name, Panel())

    async def save_macro(self, name: str, macro: str, text: str, actor: str) -> None:
        panel = await self.panel(name)
        self.panels[name] = Panel(macros={**panel.macros, macro: text}, camera_url=panel.camera_url)

    async def remove_macro(self, name: str, macro: str, actor: str) -> None:
        panel = await self.panel(name)
        kept = {one: text for one, text in panel.macros.items() if one != macro}
        self.panels[name] = Panel(macros=kept, camera_url=panel.camera_url)

    async def run_macro(self, name: str, macro: str, actor: str) -> list[str]:
        if macro not in (await self.panel(name)).macros:
            raise NotFound(f"There is no macro {macro!r} of {name}.")
        if self._world.machine[name].run is not None:
            raise MachineError("A run is on it.", machine=name)
        self._world.calls.append(("macro", name, macro, actor))
        self.say("asked", macro)
        return ["ok"]

    async def set_camera(self, name: str, url: str, actor: str) -> None:
        panel = await self.panel(name)
        self.panels[name] = Panel(macros=panel.macros, camera_url=url)

    async def console(self, name: str, after: int = 0, traffic: bool = False) -> ConsoleLines:
        await self._world.views.machine(name)
        self.watched = self.watched or traffic
        newer = tuple(entry for entry in self.entries if entry.number > after)
        return ConsoleLines(last=len(self.entries), entries=newer)

    async def temperatures(self, name: str, after_s: float = 0.0) -> TemperatureColumns:
        await self._world.views.machine(name)
        return self.history.columns(name, time.time(), after_s)

    async def begin_capture(self, name: str, seconds: float, reconnect: bool, actor: str) -> CaptureState:
        await self._world.views.machine(name)
        self._world.calls.append(("capture", name, seconds, reconnect, actor))
        now_s = time.time()
        self.captures[name] = CaptureState(begun_s=now_s, ends_s=now_s + seconds, size_bytes=1200)
        return self.captures[name]

    async def end_capture(self, name: str) -> CaptureState:
        await self._world.views.machine(name)
        if name in self.captures:
            self.captures[name] = CaptureState(begun_s=time.time() - 9, ends_s=time.time(), size_bytes=9, ended="now")
        return await self.capture(name)

    async def capture(self, name: str) -> CaptureState:
        await self._world.views.machine(name)
        return self.captures.get(name, CaptureState())

    async def capture_file(self, name: str) -> AsyncIterator[bytes]:
        if not (await self.capture(name)).ended:
            raise MachineError("Its link was not captured.", machine=name)
        yield b'{"format": "fleetctl-capture-1"}\n'
        yield b'{"t_s": 1.0, "way": "end", "data": "now"}\n'
