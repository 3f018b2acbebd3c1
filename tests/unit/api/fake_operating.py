"""What a person does by hand, as the fake controller takes it: written down, and answered plausibly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fleetctl.errors import NotFound
from fleetctl.fleet.shapes import MeasurementShape, ProbeShape, WorkOffsetsShape
from fleetctl.model.deeds import Deed, Heat, JogStep, Override, Probe, SetWorkOffset

if TYPE_CHECKING:
    from tests.unit.api.fake_controller import FakeController

HERE_MM = (-100.0, -50.0, -20.0)


class FakeChannel:
    """One hand: keeps its heartbeats."""

    def __init__(self) -> None:
        self.beats: list[tuple[dict[str, float], float | None]] = []
        self.refused = ""
        self.news = asyncio.Event()
        self.closed = asyncio.Event()

    def beat(self, velocity_mm_s: Mapping[str, float], at_s: float | None = None) -> None:
        self.beats.append((dict(velocity_mm_s), at_s))

    async def close(self) -> None:
        self.closed.set()


class FakeJogging:
    """`channels` in the order of opening; `forbidden` is raised by the next look whether it may still be moved."""

    def __init__(self, world: FakeController) -> None:
        self._world = world
        self.channels: list[FakeChannel] = []
        self.forbidden: Exception | None = None

    async def open(self, name: str, actor: str) -> FakeChannel:
        if name not in self._world.machine:
            raise NotFound(f"There is no machine {name}.")
        self.channels.append(FakeChannel())
        return self.channels[-1]

    async def still_allowed(self, channel: FakeChannel) -> None:
        if self.forbidden is not None:
            raise self.forbidden


class FakeOperating:
    """Deeds go to `FakeController.calls`."""

    def __init__(self, world: FakeController) -> None:
        self._world = world
        self.measured: dict[str, list[MeasurementShape]] = {}

    def _note(self, name: str, deed: Deed, actor: str) -> None:
        if name not in self._world.machine:
            raise NotFound(f"There is no machine {name}.")
        self._world.calls.append(("by hand", name, deed, actor))

    async def jog_step(self, name: str, step: JogStep, actor: str) -> None:
        self._note(name, step, actor)

    async def override(self, name: str, override: Override, actor: str) -> None:
        self._note(name, override, actor)

    async def heat(self, name: str, heat: Heat, actor: str) -> None:
        self._note(name, heat, actor)

    async def work_offsets(self, name: str) -> WorkOffsetsShape:
        return WorkOffsetsShape(offsets_mm={"G54": HERE_MM}, on_record_mm={}, differ=())

    async def set_work_offset(self, name: str, wanted: SetWorkOffset, actor: str) -> WorkOffsetsShape:
        self._note(name, wanted, actor)
        return WorkOffsetsShape(offsets_mm={wanted.frame: HERE_MM}, on_record_mm={wanted.frame: HERE_MM}, differ=())

    async def measurements(self, name: str) -> tuple[MeasurementShape, ...]:
        return tuple(reversed(self.measured.get(name, [])))[:5]

    async def set_offset_from_probe(
        self, name: str, number: int, frame: str, coordinate_mm: float, actor: str
    ) -> WorkOffsetsShape:
        if number not in [each.number for each in self.measured.get(name, [])]:
            raise NotFound(f"There is no measurement {number} of {name}.")
        self._world.calls.append(("from probe", name, number, frame, coordinate_mm, actor))
        return WorkOffsetsShape(offsets_mm={frame: HERE_MM}, on_record_mm={frame: HERE_MM}, differ=())

    async def probe(self, name: str, probe: Probe, actor: str) -> ProbeShape:
        self._note(name, probe, actor)
        found = self.measured.setdefault(name, [])
        found.append(
            MeasurementShape(
                number=len(found) + 41, at_s=time.time(), by=actor, axis=probe.axis, direction=probe.direction,
                contact_mm={"X": 0.0, "Y": 0.0, "Z": -12.5}, work_mm={"G54": 7.5},
            )
        )  # fmt: skip
        return ProbeShape(axis=probe.axis, contact_mm={"X": 0.0, "Y": 0.0, "Z": -12.5}, work_mm={})
