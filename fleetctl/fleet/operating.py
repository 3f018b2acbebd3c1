"""What a person does by hand at one machine: steps, overrides, heat, work offsets, probing; asked of the agent.

Responsible for what stands on record of it: who did what, the work offsets of the set-up, a probe's measurement.
Whether the machine may do it now is the agent's to say. Jogging while a key is held is `jogging`.
"""

from __future__ import annotations

import math
from typing import cast

import msgspec
import sqlalchemy as sa

from fleetctl.errors import MachineError, UsageError
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.changes import Stamp, log_event
from fleetctl.fleet.commands import withdraw_what_is_void
from fleetctl.fleet.machines import refuse_locked_out
from fleetctl.fleet.probed import measurement, measurements
from fleetctl.fleet.record import Record
from fleetctl.fleet.shapes import MeasurementShape, ProbeShape, WorkOffsetsShape
from fleetctl.model.deeds import DEEDS, AxisName, Deed, Heat, JogStep, Override, Probe, SetWorkOffset, WorkOffsets
from fleetctl.model.machine import Machine
from fleetctl.model.messages import Answer
from fleetctl.model.profile import Setup
from fleetctl.store import machines

PROBE_MOST_S = 45.0
"""Whoever asks waits for the answer."""

SAME_MM = 0.01
"""As exact as the driver compares before a run."""

Points = dict[str, tuple[float, float, float]]


class Operating:
    """The deeds of `model.deeds`."""

    def __init__(self, record: Record, agents: Agents) -> None:
        self._record = record
        self._agents = agents

    async def jog_step(self, name: str, step: JogStep, actor: str) -> None:
        """One bounded move. Raises MachineError with what stands in the way."""
        way = " ".join(f"{axis}{mm:g}" for axis, mm in step.distance_mm.items())
        await self._do(name, step, actor, f"{way} at {step.feed_mm_s:g} mm/s")

    async def override(self, name: str, override: Override, actor: str) -> None:
        """Feed, rapid, spindle or flow in percent, also during a run."""
        await self._do(name, override, actor, f"{override.what} {override.percent:g} %")

    async def heat(self, name: str, heat: Heat, actor: str) -> None:
        """A heater's target, outside a run; it goes off by itself after the profile's time without one."""
        await self._do(name, heat, actor, f"{heat.heater} {heat.target_degc:g} degC")

    async def work_offsets(self, name: str) -> WorkOffsetsShape:
        """What the machine has stored, beside what the record says."""
        machine, answer = await self._ask(name, WorkOffsets())
        return _offsets(machine.setup, _points(answer))

    async def set_work_offset(self, name: str, wanted: SetWorkOffset, actor: str) -> WorkOffsetsShape:
        """Where the tool is gets these coordinates: on the machine first, then in the set-up on record, so that the
        gate judges with it (I2). Between the two no run starts: the driver compares them.
        """
        _, answer = await self._ask(name, wanted)
        stored = _points(answer)
        if wanted.frame not in stored:
            raise MachineError(f"It does not say what {wanted.frame} is now; ask it for its offsets.", machine=name)
        said = (*wanted.axes_mm.items(), *((f"zero of {axis} at ", mm) for axis, mm in wanted.origin_mm.items()))
        text = " ".join([wanted.frame, *(f"{axis}{mm:g}" for axis, mm in said)])

        def unit(conn: sa.Connection, stamp: Stamp) -> Machine:
            machine = machines.named(conn, name)
            setup = with_offset(machine.setup, wanted.frame, stored[wanted.frame])
            machines.set_setup(conn, machine, setup)
            log_event(conn, stamp, "machine.verb", name, verb=DEEDS[SetWorkOffset], text=text)
            log_event(conn, stamp, "machine.setup", name, material=setup.material)
            withdraw_what_is_void(conn, machine.id, stamp)
            return machines.named(conn, name)

        machine = await self._record.change(actor, unit)
        self._agents.assignments_changed(machine.agent)
        return _offsets(machine.setup, stored)

    async def probe(self, name: str, probe: Probe, actor: str) -> ProbeShape:
        """Find a surface; where contact was is a measurement, and stands on record as an event."""
        if probe.feed_mm_s <= 0 or probe.distance_mm / probe.feed_mm_s > PROBE_MOST_S:
            raise UsageError(f"A probe may take {PROBE_MOST_S:g} s at most; let it go less far, or faster.")
        machine, answer = await self._ask(name, probe)
        contact_mm = {axis: values[0] for axis, values in answer.values.items()}

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(
                conn, stamp, "machine.probed", name,
                axis=probe.axis, direction=probe.direction, feed_mm_s=probe.feed_mm_s, contact_mm=contact_mm,
            )  # fmt: skip

        await self._record.note(actor, note)
        work_mm = {
            frame: {axis: contact_mm[axis] - mm for axis, mm in zip("XYZ", offset, strict=True) if axis in contact_mm}
            for frame, offset in machine.setup.offsets_mm.items()
        }
        return ProbeShape(axis=probe.axis, contact_mm=contact_mm, work_mm=work_mm)

    async def measurements(self, name: str) -> tuple[MeasurementShape, ...]:
        """What the newest probes of a machine found, newest first."""
        now_s = self._record.stamp("").at_s
        return await self._record.look(lambda conn: measurements(conn, machines.named(conn, name), now_s))

    async def set_offset_from_probe(
        self, name: str, number: int, frame: str, coordinate_mm: float, actor: str
    ) -> WorkOffsetsShape:
        """The place that a measurement found gets this coordinate on its axis in that frame: what a person decides
        after they have seen it. Raises MachineError when the measurement counts no more."""
        if not math.isfinite(coordinate_mm):
            raise UsageError("The coordinate of the place is a number, mm.")
        now_s = self._record.stamp("").at_s
        found = await self._record.look(lambda conn: measurement(conn, machines.named(conn, name), number, now_s))
        axis = cast(AxisName, found.axis)
        origin_mm = {axis: round(found.contact_mm[axis] - coordinate_mm, 4)}
        return await self.set_work_offset(name, SetWorkOffset(frame=frame, origin_mm=origin_mm), actor)

    async def _do(self, name: str, deed: Deed, actor: str, text: str) -> None:
        await self._ask(name, deed)

        def note(conn: sa.Connection, stamp: Stamp) -> None:
            log_event(conn, stamp, "machine.verb", name, verb=DEEDS[type(deed)], text=text)

        await self._record.note(actor, note)

    async def _ask(self, name: str, deed: Deed) -> tuple[Machine, Answer]:
        machine = await self._record.look(lambda conn: machines.named(conn, name))
        if not isinstance(deed, Override | WorkOffsets):
            refuse_locked_out(machine)
        stamp = self._record.stamp("")
        return machine, await self._agents.deed(machine, deed, stamp.new_id(), now_s=stamp.at_s)


def with_offset(setup: Setup, frame: str, offset_mm: tuple[float, float, float]) -> Setup:
    """The set-up with this work offset. The stock did not move: its top is at another coordinate now, or nobody
    knows where, when nobody knew the old offset."""
    before = setup.offsets_mm.get(frame)
    stock = dict(setup.stock_top_mm)
    if frame in stock:
        top_mm = stock.pop(frame)
        if before is not None:
            stock[frame] = round(top_mm + before[2] - offset_mm[2], 4)
    return msgspec.structs.replace(setup, offsets_mm={**setup.offsets_mm, frame: offset_mm}, stock_top_mm=stock)


def _points(answer: Answer) -> Points:
    return {frame: (values[0], values[1], values[2]) for frame, values in answer.values.items()}


def _offsets(setup: Setup, stored: Points) -> WorkOffsetsShape:
    differ = tuple(
        frame
        for frame, on_record in sorted(setup.offsets_mm.items())
        if frame in stored and any(abs(a - b) > SAME_MM for a, b in zip(on_record, stored[frame], strict=True))
    )
    return WorkOffsetsShape(offsets_mm=stored, on_record_mm=setup.offsets_mm, differ=differ)
