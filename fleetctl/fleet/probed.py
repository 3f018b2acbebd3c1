"""What probes found, as it stands on record: measurements with their time, and which of them still mean something.

A measurement is an event (`machine.probed`). It is a place in machine coordinates, so it means nothing any more once
the machine was away or its position was in doubt: zero may be elsewhere since. Only SQL; it must not ask a machine.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from fleetctl.errors import MachineError, NotFound
from fleetctl.fleet.shapes import MeasurementShape
from fleetctl.model.machine import Machine
from fleetctl.store.events import Event, of_kinds

FRESH_S = 15 * 60.0
"""A plate, a clamp or a tool is somewhere else a quarter of an hour later."""

SHOWN = 5

AMONG = 20_000
"""Of the newest events: what a busy site has in some hours, and what is read in milliseconds."""


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    axis: str
    direction: int
    feed_mm_s: float
    contact_mm: dict[str, float]


def measurements(conn: sa.Connection, machine: Machine, now_s: float) -> tuple[MeasurementShape, ...]:
    """The newest measurements of a machine, newest first, each with why it sets no offset any more, if so."""
    found: list[MeasurementShape] = []
    why_not = ""
    for event in of_kinds(conn, machine.name, ("machine.probed", "machine.changed", "machine.added"), AMONG):
        if event.kind == "machine.probed":
            found.append(_shape(event, machine, why_not or _too_old(event, now_s)))
            if len(found) == SHOWN:
                break
        elif event.kind == "machine.added" or _loses_the_place(event):
            why_not = why_not or "since then the machine was away, or its position was in doubt"
    return tuple(found)


def measurement(conn: sa.Connection, machine: Machine, number: int, now_s: float) -> MeasurementShape:
    """One of them that may set an offset. Raises NotFound, MachineError."""
    for each in measurements(conn, machine, now_s):
        if each.number == number:
            if each.stale:
                raise MachineError(f"That measurement counts no more: {each.stale}.", hint="Probe again.")
            return each
    raise NotFound(f"There is no measurement {number} of {machine.name} among the newest.", hint="Probe again.")


def _shape(event: Event, machine: Machine, stale: str) -> MeasurementShape:
    found = msgspec.json.decode(event.data, type=_Found)
    work_mm = {
        frame: found.contact_mm[found.axis] - offset["XYZ".index(found.axis)]
        for frame, offset in machine.setup.offsets_mm.items()
        if found.axis in found.contact_mm
    }
    return MeasurementShape(
        number=event.sequence,
        at_s=event.at_s,
        by=event.actor,
        axis=found.axis,
        direction=found.direction,
        contact_mm=found.contact_mm,
        work_mm=work_mm,
        stale=stale,
    )


def _too_old(event: Event, now_s: float) -> str:
    return f"it is older than {FRESH_S / 60:.0f} minutes" if now_s - event.at_s > FRESH_S else ""


def _loses_the_place(event: Event) -> bool:
    data = msgspec.json.decode(event.data)
    return data.get("position") == "suspect" or data.get("link") not in (None, "online")
