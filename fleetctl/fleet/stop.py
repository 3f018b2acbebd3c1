"""The software stop: goes out on every link at once, is stored, and holds until a person releases it (I15).

The stop is sent before anything is written: a slow database must not keep a spindle turning. Every agent keeps
it in its journal, so that it holds whatever dies next. A stop that the store does not take is owed: nothing is
claimed until it is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import msgspec
import sqlalchemy as sa

from fleetctl.clock import Clock
from fleetctl.errors import StoreUnavailable
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp, facts_to, log_event
from fleetctl.fleet.commands import withdraw_what_has_not_begun
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import StopShape
from fleetctl.fleet.views import Views
from fleetctl.model.machine import Clearance, Machine
from fleetctl.model.messages import StopReport
from fleetctl.store import machines, settings
from fleetctl.store.settings import Stop

log = logging.getLogger(__name__)

UNREACHABLE = "unreachable"

RETRY_S = 1.0
"""Pause before a stop that is owed to the store is offered again."""


class StopButton:
    """The stop of one machine, and of everything."""

    def __init__(self, record: Record, agents: Agents, views: Views, clock: Clock) -> None:
        self._record = record
        self._agents = agents
        self._views = views
        self._clock = clock
        self._owed: Stop | None = None
        self._owing = asyncio.Event()

    @property
    def owed(self) -> bool:
        """Whether a stop was pressed that is not on record yet: nothing may be claimed."""
        return self._owed is not None

    async def run(self) -> None:
        """Store what is owed, until cancelled."""
        while True:
            await self._owing.wait()
            self._owing.clear()
            while (owed := self._owed) is not None:
                try:
                    await self._press(owed)
                except StoreUnavailable as error:
                    log.error("a stop of everything holds and waits for the store: %s", error)
                    await self._clock.sleep(RETRY_S)

    async def everything(self, actor: str) -> StopShape:
        """Stop every machine and start nothing until `release`. Raises StoreUnavailable after the stop went out;
        then it is stored as soon as the store can."""
        stamp = self._record.stamp(actor)
        stop_id = stamp.new_id()
        sending = asyncio.ensure_future(self._agents.stop(stop_id, None))
        await asyncio.sleep(0)  # the stop is on its way before the record is asked for anything
        self._owed = Stop(stopped=True, stop_id=stop_id, by=actor, at_s=stamp.at_s)
        try:
            await self._press(self._owed)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"The stop went out ({_summary(await sending)}), but is not stored yet: {error.message}",
                hint="It is stored as soon as that works, and nothing starts until then. Look at the machines.",
            ) from error
        finally:
            self._owing.set()
            reports = await sending
        names = await self._record.look(lambda conn: {m.id: m for m in machines.every(conn)})
        outcomes, last_byte_s = _outcomes(list(names.values()), reports)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            stop = settings.stop(conn)
            if stop.stop_id == stop_id:
                settings.set_stop(conn, msgspec.structs.replace(stop, outcomes=outcomes, last_byte_s=last_byte_s))
            log_event(conn, stamp, "stop.outcome", "everything", outcomes=outcomes)

        await self._record.change(actor, note)
        return await self._views.stop()

    async def _press(self, stop: Stop) -> None:
        def press(conn: sa.Connection, stamp: Stamp) -> None:
            settings.set_stop(conn, stop)
            log_event(conn, stamp, "stop.pressed", "everything")

        await self._record.change(stop.by, press)
        if self._owed is stop:
            self._owed = None

    async def machine(self, name: str, actor: str) -> StopShape:
        """Stop one machine; the others go on. It takes no work until a person says that it is clear.

        Raises NotFound.
        """
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        reports = await self._agents.stop(self._record.stamp(actor).new_id(), machine)
        outcomes, last_byte_s = _outcomes([machine], reports)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            stopped = machines.get(conn, machine.id)
            facts_to(conn, stopped, msgspec.structs.replace(stopped.facts, clearance=Clearance.UNCLEARED), stamp)
            withdraw_what_has_not_begun(conn, machine.id, stamp)
            log_event(conn, stamp, "stop.pressed", machine.name, outcomes=outcomes)

        await self._record.change(actor, note)
        latch = await self._views.stop()
        return msgspec.structs.replace(latch, outcomes=outcomes, last_byte_s=last_byte_s)

    async def release(self, actor: str) -> StopShape:
        """A person releases the stop of everything; idempotent."""

        def unit(conn: sa.Connection, stamp: Stamp) -> Stop | None:
            stop = settings.stop(conn)
            if not stop.stopped:
                return None
            settings.set_stop(conn, msgspec.structs.replace(stop, stopped=False, by=actor, at_s=stamp.at_s))
            log_event(conn, stamp, "stop.released", "everything")
            return stop

        released = await self._record.change(actor, unit)
        if released is not None:
            self._agents.release(released.stop_id)
        return await self._views.stop()


def _outcomes(stopped: list[Machine], reports: dict[str, StopReport | None]) -> tuple[dict[str, str], float | None]:
    """How each machine took the stop, and the time until the last stop byte was written."""
    by_id = {
        outcome.machine_id: outcome.outcome
        for report in reports.values()
        if report is not None
        for outcome in report.outcomes
    }
    times_s = [report.last_byte_s for report in reports.values() if report is not None]
    outcomes = {machine.name: by_id.get(machine.id, UNREACHABLE) for machine in stopped}
    return outcomes, max(times_s, default=None)


def _summary(reports: dict[str, StopReport | None]) -> str:
    """How many machines took the stop how, where the record cannot be asked for their names."""
    counts = Counter(
        outcome.outcome for report in reports.values() if report is not None for outcome in report.outcomes
    )
    silent = [name for name, report in reports.items() if report is None]
    said = [f"{count} {outcome}" for outcome, count in sorted(counts.items())]
    return ", ".join([*said, *(f"agent {name} does not answer" for name in silent)]) or "there is no machine"
