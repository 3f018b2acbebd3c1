"""The same seed gives the same log to the byte, in a fresh process, whatever the hash seed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from fleetctl.testing.simulation import draw, run_world
from fleetctl.testing.simulation.__main__ import installed_kinds
from fleetctl.testing.simulation.world import quiet_logs

quiet_logs()
kinds = installed_kinds()
for seed in map(int, sys.argv[1:]):
    outcome = run_world(draw(seed, tuple(sorted(kinds))), kinds)
    print(seed, outcome.sha256, sorted(outcome.counts.items()))
"""


def logs(hash_seed: str, *seeds: int) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", PROGRAM, *map(str, seeds)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_one_seed_one_log() -> None:
    # Together these worlds have kills, power cuts, faults of every kind and both machine types in them.
    first, second = logs("1", 3, 7, 34), logs("4242", 3, 7, 34)
    assert first == second


@pytest.mark.slow
def test_a_world_does_not_depend_on_the_worlds_before_it() -> None:
    assert logs("0", 3, 34).splitlines()[-1] == logs("0", 34).splitlines()[-1]
