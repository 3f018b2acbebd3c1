"""`/api/v1/events` and `/api/v1/telemetry`: every state change by number, and the latest readings as they come.

Nothing is missed: a client is subscribed first, then gets the table in pages, then what the subscription holds
without what it already has. A client that is too slow is disconnected and resumes by number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from fleetctl.api import sse
from fleetctl.api.permission import Permission
from fleetctl.api.routing import API, Call, Routes
from fleetctl.errors import UsageError
from fleetctl.fleet.bus import Overrun
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.shapes import EventShape

routes = Routes("events")

PAGE = 500
QUEUE_LIMIT = 1000
TELEMETRY_INTERVAL_S = 0.25


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Events with a number greater than `after`; a page has at most `limit` (1 to 5000)."""

    after: int | None = None
    limit: int = PAGE


class TelemetryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Names of machines with commas between them; left out, every machine."""

    machines: str = ""


@routes.route("GET", f"{API}/events", permission=Permission.VIEW, query=EventQuery, answer=list[EventShape])
async def events(call: Call[None]) -> list[EventShape] | web.StreamResponse:
    """State changes by number; a stream of them when `text/event-stream` is accepted.

    The stream begins after `Last-Event-ID`, else after `after`, else with the next event.
    """
    asked = call.ask(EventQuery)
    if "text/event-stream" not in call.request.headers.get("Accept", ""):
        limit = max(1, min(asked.limit, 10 * PAGE))
        return await call.controller.views.events(after=asked.after or 0, limit=limit)
    after = await _resume_number(call, asked)
    return await call.site.streams.answer(call.request, event_frames(call.controller, after))


async def _resume_number(call: Call[None], asked: EventQuery) -> int:
    """The number to go on after. Raises UsageError for one that has not been given yet."""
    last = await call.controller.views.last_sequence()
    text = call.request.headers.get("Last-Event-ID", "")
    if not text:
        after = last if asked.after is None else asked.after
    elif text.isascii() and text.isdigit():
        after = int(text)
    else:
        raise UsageError(f"Last-Event-ID {text[:40]!r} is not a number.")
    if not 0 <= after <= last:
        raise UsageError(f"There is no event {after}; the newest is {last}.", hint="Start again from 0.")
    return after


async def event_frames(controller: Controller, after: int) -> AsyncIterator[bytes]:
    """Every event after a number, each once and in order, for ever; ends when the client was too slow."""
    subscription = controller.bus.subscribe(QUEUE_LIMIT)
    try:
        while page := await controller.views.events(after=after, limit=PAGE):
            for event in page:
                yield _frame(event)
            after = page[-1].sequence
        async for event in subscription:
            if event.sequence > after:
                yield _frame(event)
                after = event.sequence
    except Overrun:
        return
    finally:
        subscription.close()


def _frame(event: EventShape) -> bytes:
    return sse.frame(msgspec.json.encode(event), number=event.sequence)


@routes.route("GET", f"{API}/telemetry", permission=Permission.VIEW, query=TelemetryQuery)
async def telemetry(call: Call[None]) -> web.StreamResponse:
    """A stream of the latest readings by machine name, a few messages per second; may be coalesced."""
    wanted = frozenset(name for name in call.ask(TelemetryQuery).machines.split(",") if name)
    return await call.site.streams.answer(call.request, _telemetry_frames(call.controller, wanted))


async def _telemetry_frames(controller: Controller, wanted: frozenset[str]) -> AsyncIterator[bytes]:
    async for batch in controller.telemetry.watch(interval_s=TELEMETRY_INTERVAL_S):
        chosen = [
            msgspec.json.encode(name) + b":" + reading
            for name, reading in sorted(batch.items())
            if not wanted or name in wanted
        ]
        if chosen:
            yield sse.frame(b"{" + b",".join(chosen) + b"}")
