"""The whole fleet in one virtual loop: the real controller, agent, drivers and store among seeded misfortunes.

`run_world(seed, kinds)` gives one world from a seed; `python -m fleetctl.testing.simulation --seed N` replays it.
What goes wrong and what is checked is told in `docs/explanation/simulation.md`. This package must not know a
plug-in: machine types come in as `MachineKind`s.
"""

from fleetctl.testing.simulation.kinds import MachineKind, kinds
from fleetctl.testing.simulation.outcome import Outcome
from fleetctl.testing.simulation.scenario import Scenario, draw
from fleetctl.testing.simulation.world import run_world

__all__ = ["MachineKind", "Outcome", "Scenario", "draw", "kinds", "run_world"]
