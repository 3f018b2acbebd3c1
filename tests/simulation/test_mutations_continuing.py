"""The simulation sees what a continued run does wrong.

A mistake is made on purpose, in seeds that are clean without it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from fleetctl.fleet import continuing
from fleetctl.fleet.continuation_shapes import StoppedIn
from fleetctl.gcode import Analysis
from fleetctl.model.run import Run
from fleetctl.testing.simulation import MachineKind, run_world
from fleetctl.testing.simulation.scenario import draw

SEEDS = (50, 51, 57)
"""Worlds in which runs are continued."""

TOO_FAR = 60
"""Lines; more than any planner holds."""


def leaves_lines_out(stopped_in: Callable[[Run, Analysis], StoppedIn]) -> Callable[[Run, Analysis], StoppedIn]:
    def spoiled(run: Run, analysis: Analysis) -> StoppedIn:
        found = stopped_in(run, analysis)
        return msgspec.structs.replace(found, surely_executed_line=found.acknowledged_line + TOO_FAR)

    return spoiled


@pytest.mark.slow
def test_lines_that_were_left_out_are_found(kinds: dict[str, MachineKind], monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in SEEDS:
        assert not run_world(draw(seed), kinds).violations
    monkeypatch.setattr(continuing, "stopped_in", leaves_lines_out(continuing.stopped_in))
    found = [violation for seed in SEEDS for violation in run_world(draw(seed), kinds).violations]
    assert any("goes on at line" in violation for violation in found), found
