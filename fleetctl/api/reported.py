"""Waiting a moment for what a machine reports after a verb, so that the answer shows what came of it.

The verb itself is done when the agent has answered; its report takes another way and may come later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fleetctl.api.routing import Call
from fleetctl.fleet.bus import Overrun

REPORTED_WITHIN_S = 2.0
"""No longer: a person looks at the answer, and a pause may take minutes to come about."""


@asynccontextmanager
async def reported(call: Call[Any], subject: str, so: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
    """Do a verb inside, then wait until `so`, asked after every event about `subject`; in vain if it takes long."""
    events = call.controller.bus.subscribe()
    try:
        yield
        try:
            async with asyncio.timeout(REPORTED_WITHIN_S):
                while not await so():
                    while (await anext(events)).subject != subject:
                        pass
        except (TimeoutError, Overrun):
            return  # The verb was taken all the same; the record is what it is.
    finally:
        events.close()
