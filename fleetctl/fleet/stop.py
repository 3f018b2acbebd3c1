"""The software stop: goes out on every link at once, is stored, and holds until a person releases it (I15).

The stop is sent before anything is written: a slow database must not keep a spindle turning. Every agent keeps
it in its journal, so that it holds whatever dies next.
"""

from __future__ import annotations

import asyncio

import msgspec
import sqlalchemy as sa

from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import StopShape
from fleetctl.fleet.views import Views
from fleetctl.model.machine import Machine
from fleetctl.model.messages import StopReport
from fleetctl.store import machines, settings
from fleetctl.store.settings import Stop

UNREACHABLE = "unreachable"


class StopButton:
    """The stop of one machine, and of everything."""

    def __init__(self, record: Record, agents: Agents, views: Views) -> None:
        self._record = record
        self._agents = agents
        self._views = views

    async def everything(self, actor: str) -> StopShape:
        """Stop every machine and start nothing until `release`. Raises StoreUnavailable after the stop went out."""
        stamp = self._record.stamp(actor)
        stop_id = stamp.new_id()
        sending = asyncio.ensure_future(self._agents.stop(stop_id, None))
        await asyncio.sleep(0)  # the stop is on its way before the record is asked for anything

        def press(conn: sa.Connection, stamp: Stamp) -> None:
            settings.set_stop(conn, Stop(stopped=True, stop_id=stop_id, by=actor, at_s=stamp.at_s))
            log_event(conn, stamp, "stop.pressed", "everything")

        try:
            await self._record.change(actor, press)
        finally:
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

    async def machine(self, name: str, actor: str) -> StopShape:
        """Stop one machine; the others go on. Raises NotFound."""
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        reports = await self._agents.stop(self._record.stamp(actor).new_id(), machine)
        outcomes, last_byte_s = _outcomes([machine], reports)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
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
