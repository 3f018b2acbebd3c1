"""Publish and subscribe for committed events: nobody sees a state that is not committed (I5).

The store's writer calls `publish` after COMMIT, in commit order. A subscriber whose queue is full is cut off
and resumes by number from the table; it never delays the others (I9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from fleetctl.errors import FleetctlError
from fleetctl.fleet.shapes import EventShape
from fleetctl.store.events import Event


class Overrun(FleetctlError):
    """The listener was too slow and has been cut off; resume from the last number it has."""

    code = "overrun"


class Subscription:
    """One listener's queue: an async iterator of events that ends with Overrun when it was too slow."""

    def __init__(self, bus: Bus, limit: int) -> None:
        self._bus = bus
        self._queue: asyncio.Queue[EventShape] = asyncio.Queue(limit)
        self._overrun = False

    def offer(self, event: EventShape) -> None:
        """Take an event, or be cut off."""
        if self._overrun:
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._overrun = True
            self.close()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> EventShape:
        if self._overrun and self._queue.empty():
            raise Overrun()
        return await self._queue.get()

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._bus.forget(self)


class Bus:
    """Hands committed events to subscriptions and to the controller's own listeners."""

    def __init__(self) -> None:
        self._subscriptions: dict[int, Subscription] = {}
        self._listeners: list[Callable[[Sequence[EventShape]], None]] = []

    def subscribe(self, limit: int = 1000) -> Subscription:
        """A queue of at most `limit` events that are committed from now on."""
        subscription = Subscription(self, limit)
        self._subscriptions[id(subscription)] = subscription
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Drop a subscription; idempotent."""
        self._subscriptions.pop(id(subscription), None)

    def listen(self, listener: Callable[[Sequence[EventShape]], None]) -> None:
        """Call `listener` with every batch; it must return at once."""
        self._listeners.append(listener)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand out what one COMMIT made true."""
        if not events:
            return
        shaped = [shape(event) for event in events]
        for listener in self._listeners:
            listener(shaped)
        for subscription in list(self._subscriptions.values()):
            for event in shaped:
                subscription.offer(event)


def shape(event: Event) -> EventShape:
    """The event as the outside sees it."""
    return EventShape(
        sequence=event.sequence,
        at_s=event.at_s,
        kind=event.kind,
        subject=event.subject,
        actor=event.actor,
        data=msgspec.Raw(event.data.encode()),
    )
