"""What open pages need to stay true, worked out once for all of them; `fragments` gives it to each.

Two kinds of message. `c` (changed): what the last events were about, so that a page fetches the fragments that
show it. `v` (values): texts of readings by machine and key, which a page writes into the nodes that carry the key.
Texts are formed by the same functions as the first paint, so the two cannot disagree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from fleetctl.api import sse
from fleetctl.api.reading import live_values
from fleetctl.errors import FleetctlError
from fleetctl.fleet.bus import Overrun
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.shapes import EventShape, MachineShape

_log = logging.getLogger(__name__)

COALESCE_S = 0.25
VALUES_INTERVAL_S = 1.0
AGE_INTERVAL_S = 5.0
CLIENT_LIMIT = 100
KNOWN_LIMIT = 20_000


class LiveHub:
    """One listener on the fleet for every open page."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._clients: set[asyncio.Queue[bytes | None]] = set()
        self._relations: dict[str, tuple[str, ...]] = {}
        self._values: dict[str, dict[str, str]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep pages fed inside this context."""
        # Not a task group: aiohttp may enter and leave this context in different tasks.
        follow = (self._follow_events(), self._follow_values(), self._follow_age())
        tasks = [asyncio.create_task(each) for each in follow]
        for task in tasks:
            task.add_done_callback(_tell)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def frames(self) -> AsyncIterator[bytes]:
        """Messages for one page: the newest event's number first, then changes and values as they come."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(CLIENT_LIMIT)
        self._clients.add(queue)
        try:
            last = await self._controller.views.last_sequence()
            yield sse.frame(msgspec.json.encode({"seq": last, "about": []}), event="c")
            # Values are compared with the last that were sent; a new page may hold older ones, so all go to it.
            now = {machine.name: live_values(machine) for machine in await self._controller.views.machines()}
            yield sse.frame(msgspec.json.encode(now), event="v")
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self._clients.discard(queue)

    def _send(self, message: bytes) -> None:
        for queue in list(self._clients):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                # Too slow: cut off. The page connects again and fetches what it shows.
                self._clients.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)

    async def _follow_events(self) -> None:
        while True:
            subscription = self._controller.bus.subscribe()
            try:
                async for event in subscription:
                    events = [event, *await _more(subscription)]
                    if not self._clients:
                        continue  # a page that comes later begins with the number of the newest event
                    about = await self._about(events)
                    change = {"seq": events[-1].sequence, "about": sorted(about)}
                    self._send(sse.frame(msgspec.json.encode(change), event="c"))
            except Overrun:
                # What was missed is unknown: every page fetches everything it shows.
                self._send(sse.frame(msgspec.json.encode({"seq": 0, "about": ["*"]}), event="c"))
            finally:
                subscription.close()

    async def _about(self, events: list[EventShape]) -> set[str]:
        """Everything the events touch: codes and names, and the kinds of things as `#job`, `#stop` and so on,
        and what happened, such as `machine.added`."""
        about: set[str] = set()
        for event in events:
            about |= {event.subject, *_texts(msgspec.json.decode(event.data))}
        about |= await self._related(about)
        for event in events:
            about |= {event.kind, f"#{event.kind.partition('.')[0]}"}
        return about

    async def _related(self, mentioned: set[str]) -> set[str]:
        """Machines, jobs and runs of the runs and parts among what was mentioned; these never change, so they are
        kept, and the others are read together."""
        codes = {code for code in mentioned if code[:2] in ("R-", "P-")}
        if unknown := sorted(codes - self._relations.keys()):
            try:
                found = await self._controller.views.belongings(unknown)
            except FleetctlError:
                return {"*"}
            self._relations |= found
        related = {other for code in codes for other in self._relations.get(code, ())}
        while len(self._relations) > KNOWN_LIMIT:
            self._relations.pop(next(iter(self._relations)))
        return related

    async def _follow_values(self) -> None:
        async for _ in self._controller.telemetry.watch(interval_s=VALUES_INTERVAL_S):
            await self._send_values()

    async def _follow_age(self) -> None:
        """A machine that tells nothing more makes no news, and its readings get old all the same."""
        while True:
            await asyncio.sleep(AGE_INTERVAL_S)
            await self._send_values()

    async def _send_values(self) -> None:
        if not self._clients:
            return
        try:
            machines = await self._controller.views.machines()
        except FleetctlError as error:
            _log.warning("pages get no new values: %s", error)
            return
        if changed := self._changed(machines):
            self._send(sse.frame(msgspec.json.encode(changed), event="v"))

    def _changed(self, machines: list[MachineShape]) -> dict[str, dict[str, str]]:
        changed: dict[str, dict[str, str]] = {}
        for machine in machines:
            now, before = live_values(machine), self._values.get(machine.name, {})
            self._values[machine.name] = now
            if different := {key: text for key, text in now.items() if before.get(key) != text}:
                changed[machine.name] = different
        return changed


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("the live feed of pages has ended", exc_info=task.exception())


async def _more(subscription: AsyncIterator[EventShape]) -> list[EventShape]:
    """What else arrives within a moment: a claim alone is a dozen events."""
    events: list[EventShape] = []
    try:
        async with asyncio.timeout(COALESCE_S):
            async for event in subscription:
                events.append(event)
    except TimeoutError:
        pass
    return events


def _texts(data: Any) -> set[str]:
    """Codes and names in an event's data: its texts, and the texts in its lists."""
    if not isinstance(data, dict):
        return set()
    values = [one for value in data.values() for one in (value if isinstance(value, list) else [value])]
    return {value for value in values if isinstance(value, str) and len(value) <= 64}
