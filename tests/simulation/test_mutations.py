"""The simulation finds what it is there to find: with a safeguard taken away, some seed breaks an invariant.

The search is bounded; the seeds that are tried are clean with the safeguard in place.
"""

from __future__ import annotations

import pytest

from fleetctl.store.database import Database
from fleetctl.store.tables import ONE_LIVE_PART_PER_PLACE
from fleetctl.testing.simulation import MachineKind, run_world
from fleetctl.testing.simulation.scenario import crowded

MOST_SEEDS = 60


def without_the_index_on_live_places(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql(f"DROP INDEX {ONE_LIVE_PART_PER_PLACE.name}")


@pytest.mark.slow
def test_without_the_unique_index_on_live_places_some_seed_finds_the_double(kinds: dict[str, MachineKind]) -> None:
    for seed in range(1, MOST_SEEDS + 1):
        spoiled = run_world(crowded(seed), kinds, prepare=without_the_index_on_live_places)
        if any(violation.startswith("I1") for violation in spoiled.violations):
            break
    else:
        pytest.fail(f"none of {MOST_SEEDS} seeds found a place that was given twice")
    whole = run_world(crowded(seed), kinds)
    assert not whole.violations, f"seed {seed} is not clean with the index: {whole.violations}"
