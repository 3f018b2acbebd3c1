"""How the fleet touches the record: units of work with a stamp, and reads, both off the loop."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from fleetctl.clock import Clock
from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.changes import Stamp
from fleetctl.model.identity import NewId
from fleetctl.store.reader import StoreReader
from fleetctl.store.writer import StoreWriter

log = logging.getLogger(__name__)

T = TypeVar("T")


class Record:
    """The store as the parts of the controller see it."""

    def __init__(self, writer: StoreWriter, reader: StoreReader, clock: Clock, new_id: NewId) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._new_id = new_id

    def now_s(self) -> float:
        """Unix seconds UTC."""
        return self._clock.wall().timestamp()

    def stamp(self, actor: str) -> Stamp:
        """Who and when, for a unit of work that is about to be asked for."""
        return Stamp(self.now_s(), actor, self._new_id)

    async def change(self, actor: str, unit: Callable[[sa.Connection, Stamp], T]) -> T:
        """Run a unit of work; returns after COMMIT. Raises what the unit raises, or StoreUnavailable."""
        stamp = self.stamp(actor)

        def stamped(conn: sa.Connection) -> T:
            return unit(conn, stamp)

        named: Callable[..., object] = unit
        while isinstance(named, functools.partial):
            named = named.func
        return await self._writer.run(functools.update_wrapper(stamped, named, updated=()))

    async def note(self, actor: str, unit: Callable[[sa.Connection, Stamp], None]) -> None:
        """Record what a machine has done already; a store that fails must not make it look undone."""
        try:
            await self.change(actor, unit)
        except StoreUnavailable as error:
            log.error("what %s had a machine do could not be recorded: %s", actor, error)

    async def look(self, read: Callable[[sa.Connection], T]) -> T:
        """Run a read in one snapshot."""
        return await self._reader.run(read)
