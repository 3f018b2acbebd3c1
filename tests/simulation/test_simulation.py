"""Seeded worlds with everything that can go wrong; a violation prints its seed and the command that replays it."""

from __future__ import annotations

from collections import Counter

import pytest

from fleetctl.testing.simulation import MachineKind, Outcome, draw, run_world
from fleetctl.testing.simulation.scenario import crowded

SEEDS = 30
BATCH = 5


def show(outcome: Outcome) -> str:
    """What is needed to work on a world that went wrong."""
    return "\n".join(
        (
            f"seed {outcome.seed}; replay: python -m fleetctl.testing.simulation --seed {outcome.seed} --trace",
            *outcome.violations,
            *outcome.tail[-40:],
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, SEEDS + 1, BATCH))
def test_no_world_breaks_an_invariant(kinds: dict[str, MachineKind], first: int) -> None:
    for seed in range(first, first + BATCH):
        outcome = run_world(draw(seed, tuple(sorted(kinds))), kinds)
        assert not outcome.violations, show(outcome)


def test_crowded_worlds_keep_their_places(kinds: dict[str, MachineKind]) -> None:
    for seed in range(1, 4):
        outcome = run_world(crowded(seed), kinds)
        assert not outcome.violations, show(outcome)


def test_trouble_really_happens(kinds: dict[str, MachineKind]) -> None:
    """A simulation in which nothing goes wrong would find nothing."""
    total: Counter[str] = Counter()
    for seed in range(101, 107):
        total += run_world(draw(seed, tuple(sorted(kinds))), kinds).counts
    for what in ("controller kills", "agent kills", "commits", "operator acts", "plates", "runs"):
        assert total[what] > 0, f"no {what} in six worlds: {total}"
