"""What a person does by hand at one machine, as values: what they ask for, without who asks or how it is done."""

from __future__ import annotations

from typing import Literal

import msgspec

AxisName = Literal["X", "Y", "Z", "E"]
OverrideName = Literal["feed", "rapid", "spindle", "flow"]


class JogStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="deed", tag="jog-step"):
    """One bounded move from where the tool is: way by axis in mm, and the feed along it."""

    distance_mm: dict[AxisName, float]
    feed_mm_s: float


class Override(msgspec.Struct, frozen=True, kw_only=True, tag_field="deed", tag="override"):
    """Run at this percentage of what the program says."""

    what: OverrideName
    percent: float


class Heat(msgspec.Struct, frozen=True, kw_only=True, tag_field="deed", tag="heat"):
    """The target of a heater (`T0`, `B`, `C`), 0 for off."""

    heater: str
    target_degc: float


class WorkOffsets(msgspec.Struct, frozen=True, kw_only=True, tag_field="deed", tag="work-offsets"):
    """Show the work offsets that the controller has stored."""


class SetWorkOffset(msgspec.Struct, frozen=True, kw_only=True, tag_field="deed", tag="set-work-offset"):
    """Where the tool is now gets these coordinates in that frame (`G54`), mm by axis; or, with `origin_mm` instead,
    zero of these axes lies at these machine coordinates."""

    frame: str
    axes_mm: dict[AxisName, float] = {}
    origin_mm: dict[AxisName, float] = {}


class Probe(msgspec.Struct, frozen=True, kw_only=True, tag_field="deed", tag="probe"):
    """Move one axis until contact, `direction` -1 or 1, at most `distance_mm`."""

    axis: AxisName
    direction: Literal[-1, 1] = -1
    distance_mm: float
    feed_mm_s: float


Deed = JogStep | Override | Heat | WorkOffsets | SetWorkOffset | Probe

DEEDS: dict[type[msgspec.Struct], str] = {
    JogStep: "jog-step",
    Override: "override",
    Heat: "heat",
    WorkOffsets: "work-offsets",
    SetWorkOffset: "set-work-offset",
    Probe: "probe",
}
"""The verb of each."""

BY_HAND = "moved by hand"
"""What a machine says that it does while somebody jogs it, and for a moment after."""
