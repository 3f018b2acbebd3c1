"""What the record can say about continuing a run: proposals with where they come from, for a person to confirm.

Pure. Nothing here is used unless a person repeats it; what nobody can know from a record (whether the part still
sits, how the height of a nozzle is known after a power cut) is not proposed.
"""

from __future__ import annotations

from collections.abc import Mapping

from fleetctl.fleet.continuation_shapes import Proposal, StoppedIn
from fleetctl.gcode.facts import Analysis
from fleetctl.model.machine import Machine, Position
from fleetctl.model.profile import Process

BELOW_TOP_MM = 1.0
"""A retract stays this far from the end of Z's travel: soft limits are at it, and homing pulls off by about as much
(Grbl $27, 1 mm)."""

KEPT = ("z_homes_clear", "retract_z_mm", "lift_mm", "plunge_feed_mm_min", "spindle_up_s")
"""Parameters that belong to the machine rather than to the program, and are as good the next time."""


def proposals(
    machine: Machine, analysis: Analysis, stopped: StoppedIn, earlier: Mapping[str, object]
) -> tuple[Proposal, ...]:
    """Values for the parameters of *restart*. `earlier`: what was said on this machine the last time."""
    line = min(stopped.surely_executed_line + 1, max(stopped.lines, 1))
    found = {"line": Proposal(name="line", value=line, reason="the first line that is not surely executed")}
    if stopped.first_layer:
        why = "the layer of that line; from its beginning it leaves the least mark, and prints on what is there"
        found["layer"] = Proposal(name="layer", value=stopped.first_layer, reason=why)
    if machine.profile.process is Process.ADDITIVE:
        _printing(machine, analysis, stopped, found)
    else:
        _cutting(machine, found)
    for name in KEPT:
        value = earlier.get(name)
        if isinstance(value, bool | int | float) and value is not False:
            found[name] = Proposal(name=name, value=value, reason=f"as said the last time on {machine.name}")
    return tuple(found.values())


def _printing(machine: Machine, analysis: Analysis, stopped: StoppedIn, found: dict[str, Proposal]) -> None:
    if machine.facts.position is Position.KNOWN:
        why = "the position of the machine is known: it was homed, or somebody vouched for it"
        found["z_strategy"] = Proposal(name="z_strategy", value="trust", reason=why)
        return
    below = stopped.first_layer - 1
    z_mm = analysis.layer_table[below - 1].z_mm if below > 0 else None
    if z_mm is not None:
        why = (
            f"the height of layer {below}, the last that is surely whole: where the nozzle stands on top of the part"
        )
        found["z_mm"] = Proposal(name="z_mm", value=round(z_mm, 3), reason=why)


def _cutting(machine: Machine, found: dict[str, Proposal]) -> None:
    if machine.facts.position is Position.KNOWN:
        why = "the position of the machine is known; look that zero is where it was"
        found["homed"] = Proposal(name="homed", value=True, reason=why)
    envelope = machine.profile.envelope
    if envelope is not None:
        top_mm = envelope.greatest_mm[2] - BELOW_TOP_MM
        why = f"{BELOW_TOP_MM:g} mm below the top of Z's travel, in machine coordinates"
        found["retract_z_mm"] = Proposal(name="retract_z_mm", value=top_mm, reason=why)
